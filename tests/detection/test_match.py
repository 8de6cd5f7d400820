import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import batch_of, built_in
from propolis.detection import match
from propolis.detection.columns import KIND_NAMES, Rows
from propolis.detection.match import Matcher, judge, values_of
from propolis.detection.rules import RuleSet
from propolis.events import (
    ClientIdentified,
    CommandRun,
    ConnectionClosed,
    ConnectionOpened,
    CredentialTried,
    Event,
    Malformed,
    PayloadReceived,
    RequestReceived,
)
from rule_files import rule_of

PIECES = (
    "GET ",
    "POST ",
    "/.env",
    "/.git/config",
    "/vendor/eval-stdin.php",
    "<?php ",
    "%2e",
    "%252e",
    "?",
    "%ADd+allow_url_include=1",
    "-d+",
    "${jndi:ldap://x}",
    "${${lower:j}ndi:",
    "${::-j}",
    "stok=/locale",
    "country=$(id)",
    "country=DE",
    "/GponForm/diag_Form",
    "dest_host=`x`",
    "s=/index/\\think\\app/invokefunction",
    "_method=__construct&filter[]=system",
    "_ignition/execute-solution",
    "viewFile",
    "class.module.classLoader",
    "/${@java.lang.Runtime}",
    "\r\nNext-Action: x\r\n",
    '"$1:__proto__:then"',
    "\r\n\r\n",
    "CONFIG SET dir /tmp",
    "slaveof 192.0.2.9 6379",
    "module load /x.so",
    "wget http://192.0.2.9/a",
    ";",
    "|",
    "| sh",
    "; chmod +x a",
    "cd /tmp",
    "$(",
    "`",
    " HTTP/1.1\r\n",
    "\\u0024{",
    "?id=1%27+OR+1=1--",
    "q=<script>alert(1)</script>",
    "../../../etc/passwd",
    "&a=PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "{\"a\": \"x' or '1'='1\"}",
    "\r\nCookie: a=1'",
    "\r\nAuthorization: Basic YWRtaW46YWRtaW4=",
    "a",
    "+",
    "%",
    " ",
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=9).map("".join)
payloads = texts.map(lambda text: text.encode("utf-8", "replace"))
events = st.one_of(
    st.builds(ConnectionOpened),
    st.builds(ConnectionClosed, st.just(1), st.just(1), st.just(1), st.just("peer")),
    st.builds(CredentialTried, texts, texts, st.sampled_from(["password", "none", "publickey"])),
    st.builds(CommandRun, texts),
    st.builds(PayloadReceived, payloads),
    st.builds(Malformed, st.just("why"), payloads),
    st.builds(ClientIdentified, texts),
    st.builds(RequestReceived, st.sampled_from(["GET", "POST"]), texts, texts, texts, payloads, st.just(0)),
)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(built_in())


def hits(matcher: Matcher, given: list[Event]) -> list[tuple[int, tuple[int, ...]]]:
    rows = Rows(batch_of([("192.0.2.7", event) for event in given]))
    return [(row, verdict.rules) for row, verdict in matcher(rows, np.ones(rows.count, np.bool_))]


@given(st.lists(events, max_size=6))
@settings(max_examples=250, deadline=None)
def test_the_fast_way_equals_the_plain_evaluator(given: list[Event]) -> None:
    rules = built_in()
    rows = Rows(batch_of([("192.0.2.7", event) for event in given]))
    plain = [judge(rules, KIND_NAMES[rows.kind[row]], values_of(rows, row)) for row in range(rows.count)]
    assert hits(_MATCHER, given) == [(row, rules) for row, rules in enumerate(plain) if rules]


_MATCHER = Matcher(built_in())


def test_rows_that_do_not_count_are_not_judged(matcher: Matcher) -> None:
    rows = Rows(batch_of([("192.0.2.7", CommandRun("CONFIG SET dir /tmp"))]))
    assert matcher(rows, np.zeros(1, np.bool_)) == []


def test_a_text_met_before_is_remembered_and_the_memory_is_bounded(
    matcher: Matcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "MEMORY_TEXTS", 3)
    given: list[Event] = [
        CommandRun("CONFIG SET dir /tmp"),
        *(CommandRun(str(number)) for number in range(20)),
    ]
    assert hits(matcher, given) == hits(matcher, given)
    assert len(matcher._memory) <= 3


def test_a_text_too_long_to_be_looked_at_whole_is_counted(matcher: Matcher) -> None:
    matcher.take_cut()
    hits(matcher, [PayloadReceived(b"a" * 70_000), PayloadReceived(b"b")])
    assert matcher.take_cut() == 1
    assert matcher.take_cut() == 0


def test_the_summary_of_a_verdict_is_what_was_sent(matcher: Matcher) -> None:
    rows = Rows(batch_of([("192.0.2.7", CredentialTried("root", "hunter2"))]))
    ((_, verdict),) = matcher(rows, np.ones(1, np.bool_))
    assert verdict.summary == "root / hunter2 (password)"


def test_rules_that_are_added_or_replaced_are_judged_like_all_at_once() -> None:
    before = RuleSet((rule_of("bees", "hive"), rule_of("moth", "comb"), built_in().rules[0]))
    after = RuleSet((before.rules[0], rule_of("moth", "nest"), before.rules[2], rule_of("ants", "hill")))
    base = Matcher(before)
    grown = Matcher(after, base.compiled)
    requests = [f"GET /{word}?run=1 HTTP/1.1\r\n\r\n".encode() for word in ("hive", "comb", "nest", "hill")]
    batch = batch_of([("192.0.2.1", RequestReceived("GET", "/", "", "", raw, 0)) for raw in requests])
    rows, counted = Rows(batch), np.ones(len(requests), np.bool_)
    assert [(row, verdict.rules) for row, verdict in grown(rows, counted)] == [
        (0, (0,)),
        (2, (1,)),
        (3, (3,)),
    ]
    assert [(row, verdict.rules) for row, verdict in base(rows, counted)] == [(0, (0,)), (1, (1,))]
