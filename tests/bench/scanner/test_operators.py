import random

import pytest
from bench.scanner.exchange import Response
from bench.scanner.helpers import helpers
from bench.scanner.operators import Judgement, extract, facts, judge, matches
from bench.scanner.render import Renderer, callbacks
from bench.scanner.template import Block, Extractor, Matcher
from bench.scanner.text import Value

RENDERER = Renderer(helpers(random.Random(1)), callbacks(random.Random(2)))
RESPONSE = Response(
    status=200,
    status_line="HTTP/1.1 200 OK",
    fields=(("Content-Type", "text/html"), ("Set-Cookie", "Session=abc; path=/"), ("X-A", "1"), ("X-A", "2")),
    body='<html><title>It</title><input name="t" value="v1"><p>Version 1.2</p></html>',
    raw="",
    sent="GET / HTTP/1.1\r\n\r\n",
    seconds=6.5,
)
FACTS: dict[str, Value] = facts(RESPONSE, {"num": "7"})


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (Matcher(kind="word", words=("It", "No")), True),
        (Matcher(kind="word", words=("It", "No"), condition="and"), False),
        (Matcher(kind="word", words=("it",), ignores_case=True), True),
        (Matcher(kind="word", part="header", words=("X-A: 2",)), True),
        (Matcher(kind="word", part="content_type", words=("text/html",)), True),
        (Matcher(kind="word", part="x_a", words=("1 2",)), True),
        (Matcher(kind="word", part="session", words=("abc",)), True),
        (Matcher(kind="word", part="location", words=("x",), is_negative=True), False),
        (Matcher(kind="word", words=("No",), is_negative=True), True),
        (Matcher(kind="word", words=("{{concat('V', 'ersion')}}",)), True),
        (Matcher(kind="status", numbers=(404, 200)), True),
        (Matcher(kind="status", numbers=(404,), is_negative=True), True),
        (Matcher(kind="size", numbers=(len(RESPONSE.body),)), True),
        (Matcher(kind="regex", expressions=("Version [0-9.]+$",)), False),
        (Matcher(kind="regex", expressions=("Version [0-9.]+",)), True),
        (Matcher(kind="binary", words=("It",)), True),
        (Matcher(kind="xpath", expressions=("//input[@name='t']",)), True),
        (
            Matcher(
                kind="dsl",
                expressions=("status_code == 200 && contains(body, 'It')", "duration >= 6"),
                condition="and",
            ),
            True,
        ),
        (Matcher(kind="dsl", expressions=("nothing == 1", "len(body) > 10")), True),
        (Matcher(kind="dsl", expressions=("nothing == 1",)), False),
        (Matcher(kind="dsl", expressions=("num == '{{num}}'",)), True),
        (Matcher(kind="word", part="interactsh_protocol", words=("dns",)), False),
    ],
)
def test_a_matcher_holds_as_the_reference_says(matcher: Matcher, *, expected: bool) -> None:
    assert matches(matcher, FACTS, RENDERER) is expected


@pytest.mark.parametrize(
    ("extractor", "expected"),
    [
        (Extractor(kind="regex", expressions=(r"Version ([\d.]+)",), group=1), ["1.2"]),
        (Extractor(kind="kval", expressions=("content_type", "session", "none")), ["text/html", "abc"]),
        (Extractor(kind="xpath", expressions=("//input[@name='t']",), attribute="value"), ["v1"]),
        (Extractor(kind="xpath", expressions=("//title",)), ["It"]),
        (Extractor(kind="dsl", expressions=("concat('a', num)",)), ["a7"]),
        (Extractor(kind="json", expressions=(".a",)), []),
    ],
)
def test_an_extractor_takes_what_is_there(extractor: Extractor, expected: list[str]) -> None:
    assert extract(extractor, FACTS, RENDERER) == expected


def test_json_is_asked_with_jq() -> None:
    table: dict[str, Value] = {"body": '{"a": [{"b": 1}, {"b": "x"}], "c": {"d": true}}'}
    extractor = Extractor(kind="json", expressions=(".a[].b", ".c", ".none.x"))
    assert extract(extractor, table, RENDERER) == ["1", "x", '{"d":true}', "null"]


def judged(block: Block) -> Judgement:
    return judge(block, dict(FACTS), RENDERER)


def test_a_block_is_reported_unless_all_its_matchers_are_internal() -> None:
    yes, no = Matcher(kind="word", words=("It",)), Matcher(kind="word", words=("No",))
    hidden = Matcher(kind="word", words=("It",), is_internal=True)
    assert judged(Block(matchers=(yes, no))).is_visible
    assert not judged(Block(matchers=(yes, no), matchers_condition="and")).is_matched
    assert judged(Block(matchers=(hidden,))).is_matched
    assert not judged(Block(matchers=(hidden,))).is_visible
    assert judged(Block(matchers=(hidden, yes))).is_visible


def test_what_is_extracted_is_known_to_matchers_and_to_later_requests() -> None:
    taken = Extractor(kind="regex", name="v", expressions=(r"Version ([\d.]+)",), group=1, is_internal=True)
    judgement = judged(
        Block(extractors=(taken,), matchers=(Matcher(kind="dsl", expressions=("v == '1.2'",)),))
    )
    assert judgement.is_matched
    assert judgement.values == {"v": ["1.2"]}
    assert not judged(Block(extractors=(taken,))).is_visible
