import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from installation import Drilled, Installation, until
from propolis.cli.decisions import HEX_BYTES, _find, hex_dump
from propolis.decisions import Entry, Extended, target_of
from watching import NOW, decided, decision, refused

pytestmark = pytest.mark.xdist_group("installation")

STRANGER = "93.184.216.34"
"""Text only: nothing is sent there."""


def test_a_neighbour_who_exploits_is_refused_by_a_guard(installation: Installation) -> None:
    assert installation.http()

    def stopped() -> list[dict[str, str]]:
        told = installation.json("decisions", "list", "--state", "refused")
        return [entry for entry in told if entry["rule"] == "phpunit-eval-stdin"]

    entry = until(stopped)[0]
    assert (entry["target"], entry["guard"], entry["by"]) == ("127.0.0.1", "bogon", "policy")
    assert "loopback" in entry["reason"]
    assert "stopped by guards" in installation.say("decisions", "list", "--state", "refused")


def test_an_operators_decision_from_word_to_release(installation: Installation) -> None:
    added = installation.say("decisions", "add", STRANGER, "--reason", "seen [bold]elsewhere", "--ttl", "90")
    name = added.split()[0]
    assert f"{name}  block {STRANGER} until " in added

    held = {entry["id"]: entry for entry in installation.json("decisions", "list")["decisions"]}[name]
    assert (held["action"], held["state"], held["by"]) == ("block", "active", "operator-of-this-test")
    assert held["until"] - held["since"] == 90 * 10**9
    listed = installation.say("decisions", "list", COLUMNS="160")
    assert name in listed
    assert f"│ {STRANGER} " in listed
    assert "[bold]elsewhere" in listed

    why = installation.say("decisions", "why", STRANGER)
    assert "because seen [bold]elsewhere" in why
    assert "finding none: an operator's word" in why
    assert until(lambda: installation.json("decisions", "why", name)["acknowledgements"])

    assert name in installation.say("decisions", "revoke", STRANGER, "--reason", "was a mistake")
    assert "Revoked  was a mistake" in installation.say("decisions", "why", name)
    assert "nothing is held about" in installation.mistake("decisions", "revoke", STRANGER, "--reason", "x")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("198.51.100.7", "refused by the guard bogon: 198.51.100.7 touches documentation (RFC 5737)"),
        ("everybody", "refused by the guard syntax: "),
    ],
)
def test_an_operator_is_told_what_guards_refuse(installation: Installation, target: str, told: str) -> None:
    line = installation.mistake("decisions", "add", target, "--reason", "why not")
    assert line.startswith(f"propolis: {target}: {told}")


def test_a_decision_needs_a_reason(installation: Installation) -> None:
    done = installation.run("decisions", "add", STRANGER)
    assert done.returncode == 2
    assert "--reason" in done.stdout + done.stderr


def test_the_switch_and_the_ledger_that_remembers_who_and_why(installation: Installation) -> None:
    assert installation.say("defence", "arm", "--reason", "the rehearsal is over") == "Armed.\n"
    try:
        assert installation.mistake("defence", "arm") == "propolis: armed already"
        assert installation.json("decisions", "list")["mode"] == "armed"
        installation.say("decisions", "add", STRANGER, "--reason", "to be lifted")
    finally:
        words = installation.say("defence", "stand-down", "--reason", "enough")
    assert "decisions lifted" in words
    assert "Stood down; 0 " not in words
    left = installation.json("decisions", "list")
    assert (left["mode"], left["decisions"]) == ("shadow", [])
    ledger = installation.hunt('SELECT entry, "by", reason FROM ledger ORDER BY time')
    assert {
        "entry": "ModeChanged",
        "by": "operator-of-this-test",
        "reason": "the rehearsal is over",
    } in ledger
    assert {"entry": "ModeChanged", "by": "operator-of-this-test", "reason": "enough"} in ledger


def test_a_block_walks_back_to_the_bytes(installation: Installation, drilled: Drilled) -> None:
    target = drilled.held[0]["target"]["value"]
    why = installation.say("decisions", "why", target)
    assert f"block {target}" in why
    assert "phpunit-eval-stdin: " in why
    assert "drill@edge holds at " in why
    assert "ms after the first packet" in why
    dump = [line for line in why.splitlines() if line.startswith("  000")]
    assert "".join(line[61:] for line in dump).startswith(
        "POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php"
    )

    links = installation.json("decisions", "why", drilled.held[0]["id"])
    assert links["decision"]["finding"] == links["finding"]["id"]
    assert [event["id"] for event in links["events"]] == [
        evidence["event"] for evidence in links["finding"]["evidence"]
    ]
    assert [(ack["enforcer"], ack["holds"]) for ack in links["acknowledgements"]][:1] == [("drill", True)]


def test_a_decision_nobody_made(installation: Installation) -> None:
    line = installation.mistake("decisions", "why", "192.0.2.99")
    assert line == "propolis: the ledger knows no decision '192.0.2.99'; see `propolis decisions list`"


def test_the_newest_revision_is_found_by_id_and_by_target() -> None:
    first, other = decided(), decided("203.0.113.9", number=2)
    longer = msgspec.structs.replace(first.decision, revision=2)
    entries: list[Entry] = [refused(), first, other, Extended(time=NOW, decision=longer)]
    assert _find(entries, first.decision.id) == longer
    assert _find(entries, "203.0.113.7") == longer
    assert _find(entries, "203.0.113.9") == other.decision
    assert _find(entries, "not an address") is None
    assert decision().target == target_of("203.0.113.7")


def test_bytes_as_offset_hex_and_text() -> None:
    assert hex_dump(b"") == ""
    assert hex_dump(b"GET / HTTP/1.1\r\nHost") == (
        "  00000000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1..\n"
        "  00000010  48 6f 73 74                                      Host"
    )


@given(st.binary(max_size=2 * HEX_BYTES))
def test_a_dump_keeps_every_byte_and_shows_no_terminal_its_own(data: bytes) -> None:
    lines = hex_dump(data).splitlines()
    assert b"".join(bytes.fromhex(line[12:59]) for line in lines) == data
    assert "".join(lines).isprintable()
