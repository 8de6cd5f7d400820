"""HTTP in clear text on a port of TLS, and other noise: the lure's events stand, the answer is the product's."""

import random
from pathlib import Path

from propolis.clock import ManualClock
from propolis.events import Malformed, RequestReceived
from propolis.lures import Emit, Hangup, Reply, Visit
from propolis.lures.http import HttpLure
from propolis.sensors.tls import InClear, load

GET = b"GET /login HTTP/1.1\r\nHost: decoy\r\n\r\n"


def in_clear(name: str) -> InClear:
    clock = ManualClock()
    visit = Visit(
        "192.0.2.1", 4_000, "192.0.2.2", 443, bytes(16), random.Random(1), Path("/nowhere"), clock=clock
    )
    return InClear(HttpLure(visit), load(name), clock)


def outcome(lure: InClear, *parts: bytes) -> tuple[list[str], bytes, bool]:
    """The kinds of events, what was answered, and whether it ended."""
    kinds, answer, is_over = [], b"", False
    for part in parts:
        for effect in lure.receive(part):
            match effect:
                case Emit(event):
                    kinds.append(type(event).__name__)
                case Reply(data):
                    answer += data
                case Hangup():
                    is_over = True
    return kinds, answer, is_over


def test_a_request_is_a_request_and_nginx_says_what_was_wrong() -> None:
    kinds, answer, is_over = outcome(in_clear("debian12"), GET)
    assert kinds == [Malformed.__name__, RequestReceived.__name__]
    assert answer.startswith(
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT"
    )
    assert b"The plain HTTP request was sent to HTTPS port" in answer
    assert is_over


def test_nginx_waits_for_the_whole_request() -> None:
    lure = in_clear("debian12")
    assert outcome(lure, GET[:4], GET[4:20]) == (["Malformed"], b"", False)
    assert outcome(lure, GET[20:])[0] == ["RequestReceived"]


def test_nginx_takes_noise_for_http() -> None:
    kinds, answer, is_over = outcome(in_clear("debian12"), b"SSH-2.0-scan\r\n")
    assert kinds[0] == "Malformed"
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"HTTPS port" not in answer
    assert is_over


def test_apache_and_tomcat_judge_by_the_first_bytes() -> None:
    assert b"plain HTTP to an SSL-enabled server port" in outcome(in_clear("apache"), GET)[1]
    assert outcome(in_clear("apache"), b"G", b"ET ")[1:] == (b"", False)
    assert outcome(in_clear("apache"), b"SSH-2.0-scan\r\n")[1:] == (b"", True)
    assert b"requires TLS" in outcome(in_clear("tomcat"), GET)[1]
    assert outcome(in_clear("tomcat"), bytes(20))[1:] == (b"\x15\x03\x03\0\2\2\x50", True)


def test_who_leaves_is_told_to_the_lure() -> None:
    lure = in_clear("debian12")
    assert not list(lure.connected())
    outcome(lure, GET[:10])
    assert [type(effect) for effect in lure.closed()] == [Emit]
