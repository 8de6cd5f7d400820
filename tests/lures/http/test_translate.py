"""A header list and a message of HTTP/1.1 say the same, and what cannot be said is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.http.translate import Head, Response, Unsound, head, message, response

GET = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/x?y=1")]


def asked(*fields: tuple[bytes, bytes]) -> Head:
    found = head([*GET, *fields])
    assert isinstance(found, Head)
    return found


def test_a_header_list_is_a_message() -> None:
    found = asked((b"user-agent", b"curl"), (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2"))
    assert message(found, b"") == (
        b"GET /x?y=1 HTTP/1.1\r\nhost: a.example\r\nuser-agent: curl\r\ncookie: a=1; b=2\r\naccept: */*\r\n\r\n"
    )


def test_a_length_is_what_came() -> None:
    assert message(asked((b"content-length", b"900")), b"abc").endswith(b"content-length: 3\r\n\r\nabc")
    assert message(asked(), b"abc", missing=2).endswith(b"content-length: 5\r\n\r\nabc")


def test_what_http2_forbids_is_left_in_beside_a_length() -> None:
    assert b"transfer-encoding: chunked\r\ncontent-length: 0\r\n" in message(
        asked((b"transfer-encoding", b"chunked")), b""
    )


def test_a_host_beside_an_authority_is_left_out() -> None:
    assert message(asked((b"host", b"b.example")), b"").count(b"host:") == 1
    alone = head([(b":method", b"GET"), (b":path", b"/"), (b"host", b"b.example")])
    assert isinstance(alone, Head)
    assert message(alone, b"") == b"GET / HTTP/1.1\r\nhost: b.example\r\n\r\n"


def test_connect_has_no_path() -> None:
    found = head([(b":method", b"CONNECT"), (b":authority", b"a.example:443")])
    assert isinstance(found, Head)
    assert message(found, b"").startswith(b"CONNECT a.example:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([*GET, (b"x", b"a\r\nevil: 1")], "line end in a header"),
        ([*GET, (b"x\n", b"a")], "line end in a header"),
        ([*GET, (b":path", b"/")], "pseudo-header"),
        ([*GET, (b"x", b"y"), (b":late", b"z")], "pseudo-header"),
        ([(b":path", b"/")], "no method"),
        ([], "no method"),
    ],
)
def test_what_is_no_request_is_refused(fields: list[tuple[bytes, bytes]], reason: str) -> None:
    assert head(fields) == Unsound(reason)


def test_a_client_is_known_by_order_and_names() -> None:
    one, other = (
        asked((b"user-agent", b"x"), (b"accept", b"y")),
        asked((b"accept", b"y"), (b"user-agent", b"x")),
    )
    assert one.order == "m,s,a,p"
    assert one.signature.startswith("20-02-")
    assert one.signature != other.signature
    assert one.signature == asked((b"user-agent", b"other"), (b"accept", b"z")).signature


def test_a_response_loses_what_concerns_one_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
    fields = [(b":status", b"200"), (b"server", b"x"), (b"content-length", b"2")]
    assert response(raw) == Response(fields, b"hi")
    assert response(b"HTTP/1.1 100 Continue\r\n\r\n" + raw) == Response(fields, b"hi")


def test_chunks_are_joined() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
    assert response(raw) == Response([(b":status", b"200")], b"abc0123456789")


@pytest.mark.parametrize(
    "raw", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 x\r\n\r\n"]
)
def test_what_is_no_final_response_is_none(raw: bytes) -> None:
    assert response(raw) is None


@given(raw=st.binary(max_size=120), is_framed=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_of_a_product_are_survived(raw: bytes, *, is_framed: bool) -> None:
    response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw if is_framed else raw)
