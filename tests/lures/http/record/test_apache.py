import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.apache import recipe

NOT_HELD = (
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET h2+x.y://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b#x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a:80:90\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\nAccept-Encoding: ",
    b"HEAD /\r\n",
    b"GET /%zz\r\n",
    b"GET http://b/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encodi",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransf",
    b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n|zz\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: foo\r\nContent-Length: 5\r\n\r",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff",
    b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nExpect: x\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("apache2")
def test_a_site_answers_as_apache_does() -> None:
    held("apache", recipe, NOT_HELD)
