"""Requests as they go over the wire."""

from propolis.flaws.scanners.messages import origin_form, request_line, wire


def test_a_message_is_framed() -> None:
    sent = wire(b"POST http://a/b HTTP/1.1\nHost: a\n\nx=1")
    assert sent.startswith(b"POST /b HTTP/1.1\r\nHost: a\r\n")
    assert b"Content-Length: 3\r\n" in sent
    assert sent.endswith(b"\r\n\r\nx=1")


def test_a_target_may_hold_spaces() -> None:
    assert request_line(b"GET /a b HTTP/1.1") == (b"GET", b"/a%20b", b"HTTP/1.1")
    assert origin_form(b"http://a/b?c#d") == b"/b?c#d"
