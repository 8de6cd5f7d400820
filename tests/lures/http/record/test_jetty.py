import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.jetty import recipe

NOT_HELD = (
    b"GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:/b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b#x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?%AD HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x#%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: ${jndi:ldap://x}\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: foo=1-2\r\n\r\n",
    b"GET / \r\n",
    b"F\x00O / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\rHost: a\n\r\n",
    b"GET \x01",
    b"GET /\x01",
    b"GET /\xff HTTP/1.0\r\n\r\n",
    b"GET /\x7f HTTP/1.0\r\n\r\n",
    b"GET /\t HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|zz\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Len",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5",
    b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: x\r\nRange: x\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("/usr/share/jetty9/start.jar")
def test_a_site_answers_as_jetty_does() -> None:
    held("jetty", recipe, NOT_HELD)
