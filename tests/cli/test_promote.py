import re
import socket
from pathlib import Path

import pytest

from installation import Installation, until
from propolis.detection.promotion import split
from propolis.flaws import signature
from propolis.stream import connect, folder
from rule_files import rule_text, write_rule

pytestmark = pytest.mark.xdist_group("installation")

TOOK = re.compile(r"^  edge\.\d+  live after (\d+) ms$", re.MULTILINE)


def ask(installation: Installation, path: str) -> None:
    port = installation.config.lures["http"].ports[0]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(4096):
            pass


def found(installation: Installation, rule: str) -> list[dict[str, object]]:
    return installation.hunt(f"SELECT grade, confidence, title FROM finding WHERE rule = '{rule}'")


def rule_row(installation: Installation, name: str) -> dict[str, object]:
    return next(row for row in installation.json("rules", "list")["rules"] if row["id"] == name)


def test_a_pushed_rule_finds_on_trial_and_counts_when_it_was_back_tested_and_promoted(
    installation: Installation, tmp_path: Path
) -> None:
    path = write_rule(tmp_path, "trial-run", "trial-wax")
    words = installation.say("rules", "push", str(path))
    assert words.startswith("trial-run version 1: new\n")
    assert TOOK.search(words)
    ask(installation, "/trial-wax?run=1")
    assert until(lambda: found(installation, "trial-run"))
    (finding,) = found(installation, "trial-run")
    assert (finding["grade"], finding["title"]) == ("seen", "Runs trial-run (on trial)")
    row = rule_row(installation, "trial-run")
    assert (row["trial"], row["hits"], row["version"]) == (True, 1, 1)
    words = installation.mistake("rules", "promote", "trial-run", "--reason", "it is mine")
    assert "was never back-tested" in words
    report = installation.json("rules", "backtest", str(path))
    assert (report["findings"], report["sources"]) == (1, 1)
    assert report["texts"] == [["GET /trial-wax?run=1", 1]]
    words = installation.say("rules", "promote", "trial-run", "--reason", "only one stranger in a week")
    assert words.startswith("trial-run version 2: new\n")
    assert TOOK.search(words)
    assert rule_row(installation, "trial-run")["trial"] is False
    assert "is promoted already" in installation.mistake("rules", "promote", "trial-run", "--reason", "x")
    assert "again version 1" in installation.say("rules", "rollback", "trial-run")
    assert rule_row(installation, "trial-run")["trial"] is True
    assert "version 4: withdrawn" in installation.say("rules", "rollback", "trial-run")
    assert "nothing that was pushed is live" in installation.mistake("rules", "rollback", "trial-run")
    log = (installation.config.state / "propolis.log").read_text()
    assert re.search(r"RuleLive .*id=trial-run .*trial=True .*version=1", log)


async def test_who_promoted_a_rule_and_why_stays_with_its_versions(
    installation: Installation, tmp_path: Path
) -> None:
    path = write_rule(tmp_path, "audit-run", "audit-wax")
    for arguments in (
        ("push", str(path)),
        ("backtest", str(path), "--since", "1h"),
        ("promote", "audit-run", "--reason", "a word for later"),
    ):
        assert installation.run("rules", *arguments).returncode == 0
    config = installation.config
    stream = await connect(
        f"nats://{config.stream.listen}", "test", credential=folder(config) / "credentials" / "owner.nk"
    )
    kept = [stored async for stored in stream.history("KV_lures", subject="$KV.lures.rule.audit-run")]
    await stream.close()
    texts = [signature.decode(stored.data, signature.RULE).text for stored in kept]
    assert texts[0] == rule_text("audit-run", "audit-wax")
    text, promotion = split(texts[1])
    assert text == rule_text("audit-run", "audit-wax").rstrip("\n") + "\n"
    assert promotion is not None
    assert (promotion.by, promotion.reason) == ("operator-of-this-test", "a word for later")
    assert promotion.backtested.findings == 0
    installation.say("rules", "rollback", "audit-run")
    installation.say("rules", "rollback", "audit-run")


def test_a_rule_whose_examples_fail_is_not_pushed(installation: Installation, tmp_path: Path) -> None:
    path = write_rule(tmp_path, "bad-run", proof="other")
    assert "must match and does not" in installation.mistake("rules", "push", str(path))
    assert "no rule was named" in installation.mistake("rules", "rollback")


def test_a_rule_signed_by_a_stranger_is_refused_by_every_detector(
    installation: Installation, tmp_path: Path
) -> None:
    signature.make_key(tmp_path / "stranger.pem")
    settings = installation.path.read_text()
    path = write_rule(tmp_path, "strange-run")
    installation.path.write_text(f'{settings}[flaws]\nkey = "{tmp_path}/stranger.pem"\n')
    try:
        done = installation.run("rules", "push", str(path))
    finally:
        installation.path.write_text(settings)
    assert done.returncode == 1
    assert "refused 1 after" in done.stdout
    assert "which is not trusted; name its public key in flaws.trusted" in done.stdout
    assert "refused strange-run: " in installation.say("rules", "list")
