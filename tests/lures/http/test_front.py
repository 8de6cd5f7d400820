"""One port, two protocols: the client's first bytes, or what TLS agreed on, say which."""

import asyncio
import shutil

import msgspec
import pytest

from lures.serve import Heard, Known, serve, visit
from propolis.events import Malformed, RequestReceived
from propolis.lures import Tls
from propolis.lures.http import WebLure
from propolis.lures.http.census import PREFACE
from propolis.lures.http.h2 import NGINX, PREAMBLES

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIGHTTPD = Known((), (), "lighttpd")
"""Debian's takes HTTP/2 without TLS."""


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode("latin-1")


def test_http_1_is_spoken_with_who_speaks_it() -> None:
    heard = Heard(WebLure(visit())).feed(GET, GET)
    assert heard.sent.count(b"HTTP/1.1 200 OK") == 2
    assert heard.kinds() == ["RequestReceived"] * 2


def test_the_preface_may_come_in_pieces() -> None:
    heard = Heard(WebLure(visit(flaws=LIGHTTPD)))
    for place in range(len(PREFACE)):
        assert heard.sent == b""
        heard.feed(PREFACE[place : place + 1])
    assert heard.sent == PREAMBLES["lighttpd"].said


def test_what_begins_like_the_preface_may_be_http_1() -> None:
    heard = Heard(WebLure(visit(flaws=LIGHTTPD))).feed(
        b"P", b"OST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
    )
    assert heard.kinds() == ["RequestReceived"]
    assert Heard(WebLure(visit(flaws=LIGHTTPD))).feed(b"PRI * HTTP/2.0\r\n\r\nXX").hung_up


def test_a_server_that_takes_http_2_over_tls_only_refuses_the_preface() -> None:
    heard = Heard(WebLure(visit())).feed(PREFACE)
    assert heard.sent.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert heard.kinds()[-1] == "Malformed"
    assert heard.hung_up


def test_who_leaves_is_told_as_the_dialogue_would() -> None:
    assert Heard(WebLure(visit())).close().events == []
    (event,) = Heard(WebLure(visit(flaws=LIGHTTPD))).feed(b"PRI").close().events
    assert event == Malformed("unfinished request", b"PRI")


def test_where_tls_agreed_on_http_2_the_server_greets() -> None:
    agreed = msgspec.structs.replace(visit(), tls=Tls("", "", "", "h2"))
    assert Heard(WebLure(agreed)).sent == NGINX.said
    other = msgspec.structs.replace(visit(), tls=Tls("", "", "", "http/1.1"))
    assert Heard(WebLure(other)).sent == b""


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("nghttp"), reason="Debian's nghttp2-client is not installed")
async def test_real_clients_with_prior_knowledge() -> None:
    async with serve(WebLure, LIGHTTPD) as (port, events):
        url = f"http://127.0.0.1:{port}/"
        curl = ("curl", "-s", "--http2-prior-knowledge", "--include")
        assert "HTTP/2 200" in await run(*curl, url)
        assert "HTTP/2 404" in await run(*curl, "--data", "a=b", f"{url}nothing")
        assert "HTTP/1.1 200 OK" in await run("curl", "-s", "--include", url)
        assert "server: lighttpd/1.4.69" in await run("nghttp", "--verbose", url)
        load = await run("h2load", "-n", "200", "-c", "2", "-m", "8", url)
        assert "200 succeeded, 0 failed" in load
    assert len([event for event in events if isinstance(event, RequestReceived)]) >= 204
