from pathlib import Path
from typing import Any

import pytest

from propolis.clock import SECOND, ManualClock, SystemClock
from propolis.config import parse
from propolis.console.known import FRESH_SECONDS
from propolis.console.rulebook import KnownRules
from propolis.flaws import signature
from propolis.flaws.publish import Publisher
from propolis.flaws.signature import RULE
from rule_files import rule_text, write_rule


@pytest.fixture
def rules(tmp_path: Path, stream: Any, clock: ManualClock) -> KnownRules:
    _, connection, _ = stream
    config = parse(b'[detection]\nrules = "mine"\n', tmp_path / "propolis.toml")
    signature.ensure_own_key(config)
    return KnownRules(config, connection, clock)


async def test_files_and_what_is_pushed_are_known_and_what_is_refused(
    rules: KnownRules, stream: Any, tmp_path: Path, clock: ManualClock
) -> None:
    await rules.refresh()
    assert "is not a folder" in rules.refused[""]
    write_rule(tmp_path / "mine", "from-a-file")
    clock.advance(int(FRESH_SECONDS * SECOND) + 1)
    await rules.refresh()
    assert rules.refused == {}
    assert rules.live["from-a-file"].origin == "folder"
    _, connection, _ = stream
    private = signature.read_key(tmp_path / "var" / "flaws" / "signing.pem")
    publisher = Publisher(connection, private, [signature.public_text(private)], SystemClock(), RULE)
    await publisher.push("ants", rule_text("ants"))
    await publisher.push("moth", rule_text("moth", proof="other"))
    await rules.refresh()
    assert "ants" not in rules.live
    clock.advance(int(FRESH_SECONDS * SECOND) + 1)
    await rules.refresh()
    assert rules.live["ants"].is_on_trial
    assert "must match and does not" in rules.refused["moth"]
