import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.tomcat import recipe

NOT_HELD = (
    b"GET  /  HTTP/1.1  \r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET h2+x.y://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /.%2 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x?a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nFoo\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n_\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nAccept-Enc",
    b"GET / HTTP/1.1\r\nHost: a\r\nIf-Match: x\r\n\r\n",
    b"GET /\r\n",
    b"GET /x\r\n",
    b"GET /\n",
    b"HEAD /\r\n",
    b"GET / \r\n",
    b"POST /\r\n\r\n",
    b"GET * HTTP/3.0\r\n\r\n",
    b"GET http://b/ HTTP/1.1\r\nHost: \r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\rHost: a\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\t HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encodi",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransf",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Len",
    b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: foo\r\nContent-Length: 5\r\n\r",
    b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nExpect: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: x\r\nRange: x\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("/usr/share/tomcat10/bin/catalina.sh")
def test_a_site_answers_as_tomcat_does() -> None:
    held("tomcat", recipe, NOT_HELD)
