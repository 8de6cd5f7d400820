import pytest

from lures.http.record.compare import held_by_few, needs
from propolis.lures.http.record.python import recipe

NOT_HELD = (
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    b"GET /./ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /../ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x/.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x/../ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x/%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /#/../.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%23/../ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%3f/../ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x%2f..%2f HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x/.%2e/.%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?%AD HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\r\n",
    b"GET /x\r\n",
    b"GET /\n",
    b"GET / \r\n",
    b"GET /%zz\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET / HTTP/11.0\r\n\r\n",
    b"GET * HTTP/3.0\r\n\r\n",
    b"FOO / HTTP/2.0\r\n\r\n",
    b"F\x00O / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n",
    b"GET / HTTP/1.1\r\rHost: a\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"GET x\r\n\r\n",
)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("/usr/bin/python3")
def test_a_site_answers_as_pythons_server_does() -> None:
    held_by_few("python", recipe, NOT_HELD)
