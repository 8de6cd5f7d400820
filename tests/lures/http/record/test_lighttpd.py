import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.lighttpd import recipe

NOT_HELD = (
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x?%zz%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nAccept-Enc",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep",
    b"GET /\n",
    b"F\x00O / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\xff HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransf",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|zz\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("lighttpd")
def test_a_site_answers_as_lighttpd_does() -> None:
    held("lighttpd", recipe, NOT_HELD)
