import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.express import recipe

NOT_HELD = (
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b#x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%g0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /#/../.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x#%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nAccept-Enc",
    b"GET /\r\n",
    b"GET /x\r\n",
    b"GET /\n",
    b"HEAD /\r\n",
    b"POST /\r\n\r\n",
    b"GET /%zz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|zz\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("/usr/share/nodejs/express")
def test_a_site_answers_as_express_does() -> None:
    held("express", recipe, NOT_HELD)
