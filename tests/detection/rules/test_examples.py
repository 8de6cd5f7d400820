import pytest

from batches import built_in
from propolis.detection.rules import Rule
from propolis.detection.rules.examples import MAX_EVENTS, event, request, satisfies


def rule(name: str) -> Rule:
    return next(rule for rule in built_in().rules if rule.id == name)


def test_a_request_is_written_as_it_travels() -> None:
    assert (
        request("GET / HTTP/1.1\nHost: h\n\nbody\nmore\n") == b"GET / HTTP/1.1\r\nHost: h\r\n\r\nbody\nmore"
    )
    assert request("GET / HTTP/1.1\nHost: h\n\n") == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert request("GET / HTTP/1.1\n") == b"GET / HTTP/1.1\r\n\r\n"


def test_an_event_is_its_columns() -> None:
    assert event({"kind": "CommandRun", "command": "id"}) == ("CommandRun", (b"id",))
    assert event({"kind": "PayloadReceived", "payload": "\xff"}) == ("PayloadReceived", (b"\xff",))
    assert event({"kind": "ConnectionOpened"}) == ("ConnectionOpened", ())


def test_an_example_of_another_kind_is_no_match() -> None:
    assert not satisfies(rule("redis-takeover"), {"kind": "PayloadReceived", "payload": "CONFIG SET dir /x"})


def test_a_behaviour_s_example_is_a_list_of_events() -> None:
    assert satisfies(rule("password-guessing"), [{"kind": "CredentialTried", "times": 5}])
    assert not satisfies(rule("password-guessing"), [])


@pytest.mark.parametrize(
    ("name", "example", "why"),
    [
        ("redis-takeover", "CONFIG SET dir /x", "must be a mapping"),
        ("redis-takeover", {"kind": "Command"}, "no such kind 'Command'"),
        ("redis-takeover", {"kind": "CommandRun", "comand": "x"}, "no column 'comand'"),
        ("redis-takeover", {"kind": "PayloadReceived", "payload": "\u20ac"}, "latin-1"),
        ("port-sweep", {"kind": "ConnectionOpened"}, "must be a list"),
        ("port-sweep", [{"kind": "ConnectionOpened", "ports": 3}], "an event has kind"),
        ("port-sweep", [{"kind": "ConnectionOpened", "port": "ssh"}], "whole numbers"),
        ("port-sweep", [{"kind": "ConnectionOpened", "port": 99_999}], "whole numbers"),
        ("port-sweep", [{"kind": "ConnectionOpened", "times": MAX_EVENTS + 1}], "more than"),
    ],
)
def test_a_wrong_example_says_why(name: str, example: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        satisfies(rule(name), example)
