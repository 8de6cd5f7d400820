import base64
import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.http.probes import PROBES, request
from lures.serve import Heard, play, serve, transcript, visit, written
from propolis.events import CredentialTried, Malformed, RequestReceived
from propolis.lures.http import HttpLure
from propolis.lures.http.dialogue import BODY_KEPT_BYTES, SAMPLE_BYTES
from propolis.lures.http.record.nginx import ROOT, nginx
from propolis.lures.http.server import load

QUIET_SECONDS = 0.4
NGINX = load("nginx")
MASKS = ((rb"(Date|Last-Modified): [^\r]*", rb"\1: -"), (rb'(ETag: (?:W/)?)"[^"]*"', rb"\1-"))


def masked(reply: bytes) -> bytes:
    for pattern, mark in MASKS:
        reply = re.sub(pattern, mark, reply)
    return reply


def asked(port: int, parts: tuple[bytes, ...]) -> tuple[bytes, bool]:
    """What a real server answers, and whether it closed the connection."""
    reply = b""
    with socket.create_connection(("127.0.0.1", port), QUIET_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client.sendall(parts[0])
            for part in parts[1:]:
                reply += client.recv(65_536)
                client.sendall(part)
            while data := client.recv(65_536):
                reply += data
        except TimeoutError:
            return reply, False
        except ConnectionError:
            pass
    return reply, True


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("nginx"), reason="Debian's nginx-light is not installed")
def test_the_lure_answers_every_probe_as_nginx_does() -> None:
    with nginx(ROOT / "index.html") as port, ThreadPoolExecutor(16) as pool:
        real = list(pool.map(partial(asked, port), PROBES))
    for parts, (reply, closed) in zip(PROBES, real, strict=True):
        heard = Heard(HttpLure(visit())).feed(*parts)
        assert masked(heard.sent) == masked(reply), parts
        assert heard.hung_up == closed or b"Transfer-Encoding: chunked" in parts[0], parts


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("nmap"), reason="nmap is not installed")
async def test_nmap_sees_nginx() -> None:
    async with serve(HttpLure) as (port, _):
        said = await _run("nmap", "-sV", "--version-light", "-Pn", "-p", str(port), "127.0.0.1")
    assert "nginx 1.22.1" in said
    assert "honeypot" not in said.lower()


async def _run(*command: str) -> str:
    import asyncio  # noqa: PLC0415 - only the tests with real programs

    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


def test_a_request_is_told_with_its_raw_bytes() -> None:
    raw = request(b"GET /.env?x HTTP/1.1", b"hOst: a", b"User-Agent: zgrab", b"X: y")
    heard = play(HttpLure, raw)
    (event,) = heard.events
    assert isinstance(event, RequestReceived)
    assert (event.method, event.path, event.host, event.user_agent) == ("GET", "/.env?x", "a", "zgrab")
    assert event.payload == raw
    assert event.body_offset == len(raw)
    assert event.fingerprint.startswith("11-03-")
    assert heard.sent.startswith(b"HTTP/1.1 404 Not Found\r\nServer: nginx/1.22.1\r\nDate: ")


def test_a_transcript_of_a_login() -> None:
    token = base64.b64encode(b"admin:1234").decode()
    script = f"""
        > GET / HTTP/1.0\\r\\nAuthorization: Basic {token}\\r\\nRange: bytes=0-14\\r\\n
        ! RequestReceived method='GET' path='/' body_offset=75 fingerprint='10-02-e4a3ff9cf9a0ef85'
        ! CredentialTried username='admin' secret='1234' method='basic'
    """
    said = transcript(HttpLure, script)
    assert said.startswith(written(script).rpartition("body_offset")[0])
    assert "! CredentialTried username='admin' secret='1234' method='basic'" in said
    assert said.endswith("< <!DOCTYPE html>\nhung up")


def test_pipelined_requests_are_one_fact_each() -> None:
    one = request(
        b"POST /login HTTP/1.1", b"Host: a", b"Content-Length: 27", body=b"username=admin&password=123"
    )
    heard = play(HttpLure, one + one[:50], one[50:])
    assert heard.kinds() == ["RequestReceived", "CredentialTried"] * 2
    assert heard.events[0].payload == one
    assert isinstance(heard.events[1], CredentialTried)
    assert heard.sent.count(b"404 Not Found\r\n") == 2
    assert not heard.hung_up


def test_the_answer_comes_before_the_body_and_the_fact_after_it() -> None:
    lure = Heard(HttpLure(visit()))
    lure.feed(request(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 3", body=b"ab"))
    assert lure.sent.startswith(b"HTTP/1.1 405 Not Allowed")
    assert lure.events == []
    lure.feed(b"c")
    assert lure.events[0].payload.endswith(b"\r\n\r\nabc")


def test_an_unfinished_body_is_told_when_the_client_leaves() -> None:
    heard = play(HttpLure, request(b"POST /x HTTP/1.1", b"Host: a", b"Content-Length: 30", body=b"<?php"))
    assert heard.kinds() == ["RequestReceived"]
    assert heard.events[0].payload.endswith(b"<?php")


def test_an_unfinished_head_is_malformed() -> None:
    assert play(HttpLure, b"GET / HT").events == [Malformed("unfinished request", b"GET / HT")]
    assert play(HttpLure, b"\r\n\r\n").events == []


def test_a_long_body_is_kept_up_to_a_bound() -> None:
    body = b"x" * (BODY_KEPT_BYTES + 5)
    raw = request(b"POST /x HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), body=body)
    heard = play(HttpLure, raw, request(b"GET / HTTP/1.1", b"Host: a"))
    first, second = heard.events
    assert len(first.payload) - first.body_offset == BODY_KEPT_BYTES
    assert second.method == "GET"


def test_too_long_a_body_is_refused_and_ends_the_visit() -> None:
    raw = request(b"POST /x HTTP/1.1", b"Host: a", b"Content-Length: %d" % (NGINX.body_bytes + 1))
    heard = Heard(HttpLure(visit())).feed(raw)
    assert heard.sent.startswith(b"HTTP/1.1 413 ")
    heard.feed(b"x" * (NGINX.body_bytes + 1))
    assert heard.hung_up
    assert heard.kinds() == ["RequestReceived"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((b"Content-Length: 1", b"Transfer-Encoding: chunked"), "content-length and transfer-encoding"),
        ((b"Content-Length: 1", b"Content-Length: 2"), "second content-length header"),
        ((b"Transfer-Encoding : chunked",), "header name"),
    ],
)
def test_smuggling_is_malformed_and_told_as_a_request(headers: tuple[bytes, ...], reason: str) -> None:
    heard = play(
        HttpLure, request(b"POST / HTTP/1.1", b"Host: a", *headers, body=b"GET /admin HTTP/1.1\r\n\r\n")
    )
    received, malformed = heard.events
    assert isinstance(received, RequestReceived)
    assert isinstance(malformed, Malformed)
    assert malformed.reason == reason
    assert heard.hung_up
    assert heard.sent.startswith(b"HTTP/1.1 400 Bad Request")
    assert heard.sent.count(b"HTTP/1.1") == 1


def test_a_tls_hello_is_refused_at_its_first_byte() -> None:
    heard = play(HttpLure, b"\x16")
    assert heard.events == [Malformed("request line", b"\x16")]
    assert heard.sent.startswith(b"HTTP/1.1 400 Bad Request")


def test_a_giant_head_is_refused_and_its_sample_bounded() -> None:
    heard = play(HttpLure, request(b"GET /oauth HTTP/1.1", b"Host: " + b"a" * 24_000))
    received, malformed = heard.events
    assert received.path == "/oauth"
    assert len(malformed.payload) == SAMPLE_BYTES
    assert b"Request Header Or Cookie Too Large" in heard.sent


def test_a_dripped_giant_head_is_refused_as_well() -> None:
    raw = request(b"GET / HTTP/1.1", b"Host: a", *[b"A: " + b"a" * 1_000] * 40)
    heard = Heard(HttpLure(visit())).feed(*(raw[place : place + 7] for place in range(0, len(raw), 7)))
    assert heard.hung_up
    assert heard.kinds() == ["RequestReceived", "Malformed"]
    assert b"Request Header Or Cookie Too Large" in heard.sent


def test_a_connection_serves_a_bounded_number_of_requests() -> None:
    heard = play(HttpLure, request(b"GET /x HTTP/1.1", b"Host: a") * (NGINX.requests + 5))
    assert len(heard.events) == NGINX.requests
    assert heard.hung_up


PIECES = st.sampled_from(
    [part for probe in PROBES for part in probe]
    + [
        b"\r\n",
        b"\n",
        b"GET ",
        b"/",
        b" HTTP/1.1",
        b"Host: a\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=30), max_size=6), st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_bytes_survive_split_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    edges = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    heard = play(HttpLure, *(raw[a:b] for a, b in pairwise(edges)))
    assert sum(isinstance(event, Malformed) for event in heard.events) <= 1


@given(st.lists(st.integers(0, 150), max_size=8))
@settings(max_examples=60)
def test_splitting_does_not_change_what_is_told(cuts: list[int]) -> None:
    raw = request(b"POST /login HTTP/1.1", b"Host: a", b"Content-Length: 15", body=b"user=a&pwd=1234")
    raw += request(b"GET / HTTP/1.1", b"Host: a", b"Connection: close")
    edges = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    split = play(HttpLure, *(raw[a:b] for a, b in pairwise(edges)))
    whole = play(HttpLure, raw)
    assert split.events == whole.events
    assert masked(split.sent) == masked(whole.sent)
