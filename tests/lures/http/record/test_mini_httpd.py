import pytest

from lures.http.record.compare import held_by_few, needs
from propolis.lures.http.record.mini_httpd import recipe

NOT_HELD = (
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET  /  HTTP/1.1  \r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.12\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.123\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.\r\nHost: a\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x/.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /#/../.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET / HTTP/11.0\r\n\r\n",
    b"GET / HTTP/1.1x\r\n\r\n",
    b"GET / http/1.1\r\n\r\n",
    b"GET / HTTP/2\r\n\r\n",
    b"GET * HTTP/3.0\r\n\r\n",
    b"FOO / HTTP/2.0\r\n\r\n",
    b"F\x00O / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n",
    b"GET / HTTP/1.1\r\rHost: a\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET x\r\n\r\n",
    b"GET /\t HTTP/1.0\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("mini_httpd")
def test_a_site_answers_as_mini_httpd_does() -> None:
    held_by_few("mini_httpd", recipe, NOT_HELD)
