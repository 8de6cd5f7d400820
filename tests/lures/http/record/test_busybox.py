import pytest

from lures.http.record.compare import held_by_few, needs
from propolis.lures.http.record.busybox import recipe

NOT_HELD = (
    b"GET /#/../.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-5\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-99999\r\n\r\n",
    b"F\x00O / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n",
    b"GET / HTTP/1.1\r\rHost: a\n\r\n",
    b"GET /\t HTTP/1.0\r\n\r\n",
    b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999",
    b"HEAD / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("busybox")
def test_a_site_answers_as_busybox_does() -> None:
    held_by_few("busybox", recipe, NOT_HELD)
