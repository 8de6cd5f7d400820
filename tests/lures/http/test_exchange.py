"""Vulnerability lures in the HTTP dialogue: who is recognised, who answers, and what the event says."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.http.probes import PROBES
from lures.serve import Heard, Known, visit
from propolis.clock import SystemClock
from propolis.events import Malformed, RequestReceived, pack
from propolis.flaws.file import parse
from propolis.lures.http import HttpLure

SHOP = """id: shop
name: A shop gives a token and then runs what is asked with it
cve: [CVE-2024-0001]
product: shop
steps:
  - id: run
    match: {method: POST, path: /run, json.token: "{{token}}"}
    grade: confirmed
    extract: {command: json.cmd}
    reply: {headers: ["Content-Type: text/plain"], body: "done {{command}}", delay: 0.25}
  - id: token
    match: {path: /token}
    issue: {token: hexes(16)}
    reply: {headers: ["X-Token: {{token}}"], body: "take it"}
  - id: climb
    match: {raw_path|contains: "/../../../etc/passwd"}
    extract: {file: raw_path}
    reply: {body: "root:x:0:0:"}
  - id: silent
    match: {path: /silent}
    reply: {status: 0}
  - id: plain
    match: {path: /plain}
    reply: {status: 404, bare: true, headers: ["server: Odd/1"], body: "no"}
tests: {match: [{request: "GET /token HTTP/1.1\\n\\n"}], miss: ["GET / HTTP/1.1\\n\\n"]}
"""
LINES = (b"POST /run HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n", b"GET /token", b"")
OTHER = SHOP.replace("id: shop", "id: other").replace("product: shop", "product: other")


def shop(*texts: str, played: tuple[str, ...] = ("shop",)) -> Known:
    return Known([parse(text, "test.yaml") for text in texts or (SHOP,)], played)


def lure(known: Known, source_ip: str = "198.51.100.7") -> Heard:
    return Heard(HttpLure(visit(source_ip=source_ip, flaws=known)))


def ask(line: str, body: str = "", *fields: str) -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{line} HTTP/1.1", "Host: a", *length, *fields, "", body]).encode()


def told(heard: Heard) -> list[RequestReceived]:
    return [event for event in heard.events if isinstance(event, RequestReceived)]


def test_a_played_product_answers_in_the_servers_clothes_and_the_event_says_so() -> None:
    known = shop()
    heard = lure(known).feed(ask("GET /token"))
    assert heard.sent.startswith(b"HTTP/1.1 200 OK\r\nServer: nginx")
    assert b"X-Token: " in heard.sent
    assert heard.sent.endswith(b"take it")
    (event,) = told(heard)
    assert event.flaws.startswith("shop/token:")
    assert event.answered == "shop/token"
    assert known.hits == {"shop": 1}


def test_what_was_issued_opens_the_next_step_to_this_source_alone() -> None:
    known = shop()
    token = lure(known).feed(ask("GET /token")).sent.partition(b"X-Token: ")[2][:16].decode()
    body = f'{{"token":"{token}","cmd":"id"}}'
    heard = lure(known).feed(ask("POST /run", body))
    assert heard.sent.endswith(b"done id")
    (event,) = told(heard)
    assert event.answered == "shop/run"
    assert json.loads(event.extracted) == {"command": ["id"]}
    stranger = lure(known, "203.0.113.9").feed(ask("POST /run", body))
    assert told(stranger)[0].flaws == ""
    assert b" 404 " in stranger.sent[:16]


def test_a_product_that_is_not_played_is_recognised_and_the_server_answers() -> None:
    known = shop(SHOP, OTHER, played=())
    heard = lure(known).feed(ask("GET /token"))
    assert b" 404 " in heard.sent[:16]
    (event,) = told(heard)
    assert {name.partition("/")[0] for name in event.flaws.split()} == {"shop", "other"}
    assert event.answered == ""
    assert known.hits == {"shop": 1, "other": 1}


def test_a_request_that_nginx_refuses_is_answered_where_the_product_would() -> None:
    raw = ask("GET /x/../../../../etc/passwd")
    assert b" 400 " in lure(shop(played=())).feed(raw).sent[:16]
    heard = lure(shop()).feed(raw)
    assert heard.sent.endswith(b"root:x:0:0:")
    assert json.loads(told(heard)[0].extracted)["file"] == ["/x/../../../../etc/passwd"]


def test_silence_delay_and_bare_headers() -> None:
    silent = lure(shop()).feed(ask("GET /silent"))
    assert (silent.sent, silent.hung_up) == (b"", True)
    bare = lure(shop()).feed(ask("GET /plain"))
    assert bare.sent == b"HTTP/1.1 404 Not Found\r\nserver: Odd/1\r\nContent-Length: 2\r\n\r\nno"
    head = lure(shop()).feed(ask("HEAD /token"))
    assert head.sent.endswith(b"\r\n\r\n")


def test_a_body_is_awaited_and_the_client_is_told_to_go_on() -> None:
    heard = lure(shop())
    raw = ask("POST /token", "x=1", "Expect: 100-continue")
    head, _, body = raw.partition(b"\r\n\r\n")
    heard.feed(head + b"\r\n\r\n")
    assert heard.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    heard.feed(body)
    assert heard.sent.endswith(b"take it")


def test_an_unfinished_body_is_recognised_when_the_client_leaves() -> None:
    heard = lure(shop()).feed(ask("POST /token", "x=1")[:-1]).close()
    assert told(heard)[0].flaws.startswith("shop/token:")


def test_requests_in_a_row_are_each_answered() -> None:
    heard = lure(shop()).feed(ask("GET /token") + ask("GET /nothing") + ask("GET /token"))
    assert heard.sent.count(b"HTTP/1.1 ") == 3
    assert [event.answered for event in told(heard)] == ["shop/token", "", "shop/token"]


def test_the_same_bytes_are_told_by_the_catalogue_of_the_moment() -> None:
    known = shop(played=())
    raw = ask("GET /new", "", "Connection: close")
    assert told(lure(known).feed(raw))[0].flaws == ""
    known.catalogue = known.catalogue.replace(
        [parse(SHOP.replace("path: /plain", "path: /new"), "test.yaml")]
    )
    assert told(lure(known).feed(raw))[0].flaws.startswith("shop/plain:")


def test_what_is_answered_from_memory_is_counted_and_gives_way_to_a_past() -> None:
    known = shop(
        SHOP.replace("match: {path: /plain}", "match: {path: /plain}\n    after: [token]"), played=("other",)
    )
    raw = ask("GET /plain", "", "Connection: close")
    assert [told(lure(known).feed(raw))[0].flaws for _ in range(3)] == ["", "", ""]
    known.sessions.of(pack("198.51.100.7"), SystemClock().now()).take("shop", "token")
    assert told(lure(known).feed(raw))[0].flaws.startswith("shop/plain:")
    assert told(lure(known, "203.0.113.9").feed(raw))[0].flaws == ""
    token = ask("GET /token", "", "Connection: close")
    for _ in range(3):
        lure(known).feed(token)
    assert known.hits == {"shop": 4}


@pytest.mark.parametrize("parts", PROBES[:80])
def test_a_server_without_a_played_product_answers_as_before(parts: tuple[bytes, ...]) -> None:
    with_flaws, without = lure(shop(played=())), Heard(HttpLure(visit()))
    if not any(part.partition(b" ")[0] in {b"POST", b"PUT"} or b"ength:" in part for part in parts):
        assert with_flaws.feed(*parts).sent == without.feed(*parts).sent


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=80), max_size=6), st.sampled_from(LINES))
def test_any_bytes_after_any_line(pieces: list[bytes], line: bytes) -> None:
    heard = lure(shop()).feed(line, *pieces).close()
    assert all(isinstance(event, RequestReceived | Malformed) or event for event in heard.events)
