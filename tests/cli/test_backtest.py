from pathlib import Path

import pytest

from installation import Installation
from propolis.cli.backtest import kept, seconds_of
from propolis.errors import PropolisError
from rule_files import write_rule


def test_a_rule_is_tried_on_requests_that_are_no_attack(idle: Installation, tmp_path: Path) -> None:
    path = write_rule(tmp_path, "one")
    benign = tmp_path / "benign.jsonl"
    benign.write_text(
        '{"request": "GET / HTTP/1.1\\nHost: h\\n\\n"}\n'
        '{"method": "GET", "path": "/waxworks?run=1", "headers": [["Host", "h"]]}\n'
    )
    words = idle.say("rules", "backtest", str(path), "--benign", str(benign))
    assert "one: 0 findings of 0 sources in 0 events" in words
    assert "of 2 benign requests it takes 1 for an attack" in words
    assert "GET /waxworks?run=1" in words
    record = kept(idle.config, path.read_text())
    assert (record.benign, record.benign_found) == (2, 1)
    with pytest.raises(PropolisError, match="was never back-tested"):
        kept(idle.config, path.read_text() + "# changed")
    benign.write_text("{}")
    assert "benign.jsonl:1: has no request" in idle.mistake(
        "rules", "backtest", str(path), "--benign", str(benign)
    )


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5_400), ("12h", 43_200), ("7d", 604_800), ("1s", 1)])
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1w", "7d ", "99999999d"])
def test_what_is_no_length_of_time_is_told(text: str) -> None:
    with pytest.raises(PropolisError, match="such as 7d"):
        seconds_of(text)
