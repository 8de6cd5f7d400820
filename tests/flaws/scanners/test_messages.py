"""Requests as they go over the wire."""

import pytest

from propolis.flaws.scanners.messages import origin_form, request_line, wire


def test_a_message_is_framed() -> None:
    sent = wire(b"POST http://a/b HTTP/1.1\nHost: a\nContent-Length: 99\n\nx=1\n", "raw")
    assert sent == b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx=1"
    assert b"Content-Length" not in wire(b"GET / HTTP/1.1\nHost: a\n\n", "raw")


def test_an_unsafe_one_stays_as_it_stands() -> None:
    assert wire(b"GET http://a/b HTTP/1.1\nA:b\n\n", "unsafe") == b"GET http://a/b HTTP/1.1\r\nA:b\r\n\r\n"


@pytest.mark.parametrize(("form", "target"), [("raw", b"/a"), ("path", b"/a%20b")])
def test_a_raw_target_ends_at_its_first_space_and_a_path_keeps_it(form: str, target: bytes) -> None:
    assert request_line(b"GET /a b HTTP/1.1", form) == (b"GET", target, b"HTTP/1.1")  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [b"GET /a HTTP/2", b"GET /a", b"GET /a HTTP/1.1"])
def test_any_version_but_the_old_one_is_sent_as_the_usual(line: bytes) -> None:
    assert request_line(line, "raw")[2] == b"HTTP/1.1"
    assert request_line(b"GET /a HTTP/1.0", "raw")[2] == b"HTTP/1.0"


def test_a_target_in_origin_form() -> None:
    assert origin_form(b"http://a/b?c") == b"/b?c"
