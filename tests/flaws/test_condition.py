import re
from typing import Any

import pytest

from propolis.flaws.condition import compile as compiled
from propolis.flaws.condition import encode
from propolis.flaws.key import ConditionError
from propolis.flaws.request import Request

REQUEST = Request.parse(
    b"POST /App/run.cgi?id=7&q=%3Cscript%3E HTTP/1.1\r\nHost: a\r\nX-Key: Secret\r\nContent-Length: 0\r\n\r\n"
)
BODY = Request.parse(b'POST /a HTTP/1.1\r\nHost: a\r\n\r\n{"cmd": ["sh", "-c id"], "n": 5}')


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"method": "POST", "path": "/App/run.cgi"}, True),
        ({"method": "GET", "path": "/App/run.cgi"}, False),
        ({"method": ["GET", "POST"]}, True),
        ({"path": "/app/run.cgi"}, False),
        ({"path|nocase": "/app/RUN.cgi"}, True),
        ({"path|lower": "/app/run.cgi"}, True),
        ({"path|startswith": "/App/", "path|endswith": [".php", ".cgi"]}, True),
        ({"target": "/App/run.cgi?id=7&q=%3Cscript%3E"}, True),
        ({"raw_path": "/App/run.cgi"}, True),
        ({"query.id": 7}, True),
        ({"query.id|gt": 6, "query.id|lte": 7}, True),
        ({"query.id|lt": 7}, False),
        ({"query.q|gt": 1}, False),
        ({"query.q|length": 8}, True),
        ({"query.q|length|gte": 9}, False),
        ({"query.q|contains": "<script"}, True),
        ({"query|contains": "<script"}, False),
        ({"query|urldecode|contains": "<script"}, True),
        ({"query.q|exists": True, "query.z|exists": False}, True),
        ({"query.z|exists": True}, False),
        ({"query.z": ""}, False),
        ({"header.x-key|contains|all": ["Sec", "ret"]}, True),
        ({"header.x-key|contains|all": ["Sec", "x"]}, False),
        ({"header.x-key|contains|nocase": "SECRET"}, True),
        ({"header.x-key|re": "^S(?P<rest>.*)$"}, True),
        ({"header.x-key|re|nocase": "^s"}, True),
        ({"header.x-key|re|all": ["^S", "t$"]}, True),
        ({"header.x-key|re|all": ["^S", "^t"]}, False),
        ({"header.x-key|re": ["^t", "t$"]}, True),
        ([{"method": "GET"}, {"query.id": "7"}], True),
        ([{"method": "GET"}, {"query.id": "8"}], False),
    ],
)
def test_conditions(condition: Any, *, holds: bool) -> None:
    assert (compiled(condition).holds(REQUEST, {}) is not None) is holds


def test_json_conditions() -> None:
    assert compiled({"json.cmd.0": "sh", "json.cmd|contains": "sh -c", "json.n": 5}).holds(BODY, {}) == {}


def test_groups_are_variables() -> None:
    condition = compiled(
        {"path|re": "/(?P<folder>[^/]+)/(?P<nothing>x)?", "query|re": "id=(?P<number>[0-9]+)"}
    )
    assert condition.holds(REQUEST, {}) == {"folder": b"App", "number": b"7"}


def test_a_value_of_the_source_is_filled_in() -> None:
    condition = compiled({"query.id": "{{ job }}"}, {"job"})
    assert condition.holds(REQUEST, {"job": b"7"}) == {}
    assert condition.holds(REQUEST, {"job": b"8"}) is None
    assert condition.holds(REQUEST, {"job": b""}) is None
    assert condition.holds(REQUEST, {}) is None
    assert condition.ways[0].is_personal


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"query|contains|all": ["id={{job}}", "q="]}, True),
        ({"query|contains|all": ["id={{job}}", "{{other}}"]}, False),
        ({"query|contains": ["id={{job}}", "{{other}}"]}, True),
        ({"query|contains|nocase": ["ID={{job}}"]}, True),
        ({"query|re": "^id={{job}}&"}, True),
        ({"query|re|nocase": "^ID={{dot}}&"}, False),
        ({"query.none": "{{job}}"}, False),
    ],
)
def test_values_of_the_source_inside_others(condition: Any, *, holds: bool) -> None:
    found = compiled(condition, {"job", "other", "dot"}).holds(REQUEST, {"job": b"7", "dot": b"."})
    assert (found is not None) is holds


def test_braces_of_an_unknown_name_are_text() -> None:
    request = Request.parse(b"GET /?q={{config}} HTTP/1.1\r\n\r\n")
    assert compiled({"query.q": "{{config}}"}, {"job"}).holds(request, {}) == {}


@pytest.mark.parametrize(
    ("condition", "cure"),
    [
        ({"query.a|re": "a(?=b)"}, "RE2 has no lookahead"),
        ({"query.a|re": "{{job}}(a"}, "missing )"),
        ({"query.a|exists": "yes"}, "exists is true or false"),
        ({"query.a|exists": [True, False]}, "exists is true or false"),
        ({"query.a|gt": "many"}, "gt takes one number"),
        ({"query.a|gt": [1, 2]}, "gt takes one number"),
        ({"query.a|all": [1, 2]}, "cannot equal several values"),
        ({"query.a|contains": ""}, "an empty value"),
        ({"query.a": []}, "has 0 values"),
        ({"nothing": "a"}, "there is no field"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_cure(condition: Any, cure: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(cure)) as error:
        compiled(condition, {"job"})
    assert error.value.key == next(iter(condition))


@pytest.mark.parametrize(
    ("condition", "paths", "literals"),
    [
        ({"path": ["/A", "/b"]}, (b"/a", b"/b"), ()),
        ({"path": "/a%20b"}, (b"/a%20b",), ()),
        ({"raw_path": "/%41//b"}, (b"/a/b",), ()),
        ({"target": "/a?b"}, (b"/a",), ()),
        ({"path": ["/a", "/b"], "raw_path": "/a"}, (b"/a",), ()),
        ({"path|startswith": "/a/bcd"}, (), (b"/a/bcd",)),
        ({"body|contains|all": ["abc", "abcdef"]}, (), (b"abcdef",)),
        ({"body|contains": ["abc", "abcdef"]}, (), (b"abc", b"abcdef")),
        ({"query.page_id": "12"}, (), (b"page_id",)),
        ({"query.x|base64decode|contains": "abcdef"}, (), (b"x",)),
        ({"body|base64decode|contains": "abcdef"}, (), ()),
        ({"xml.methodName": "system.exec"}, (), (b"methodName",)),
        ({"json.list": "aaa bbbb"}, (), (b"bbbb",)),
        ({"json.0|exists": True}, (), ()),
        ({"header.x-key|exists": False}, (), ()),
        ({"method": "PROPFIND"}, (), ()),
        ([{"path": "/a"}, {"path": "/b"}], (b"/a", b"/b"), ()),
        ([{"path": "/a"}, {"query.x": "abcd"}], (), ()),
    ],
)
def test_where_a_condition_can_be_found(condition: Any, paths: Any, literals: Any) -> None:
    found = compiled(condition)
    assert set(found.exact_paths) == set(paths)
    assert found.literals == literals


def test_the_more_a_condition_fixes_the_more_it_weighs() -> None:
    weights = [
        compiled(condition).weight
        for condition in (
            {"any|contains": "abc"},
            {"body|contains": "abc"},
            {"path|contains": "abc"},
            {"path|startswith": "/abc"},
            {"path": "/abc"},
            {"path": "/abc", "method": "GET"},
            {"path": "/abc", "method": "GET", "query.x": "abc"},
        )
    ]
    assert weights == sorted(set(weights))
    assert compiled({"query.a": "{{job}}"}, {"job"}).weight > compiled({"query.a": "1"}).weight


def test_a_character_is_a_byte_where_all_of_them_can_be() -> None:
    assert encode("\xac\xed\x00\x05") == b"\xac\xed\x00\x05"
    assert encode("\u20ac\xe4") == "\u20ac\xe4".encode()
