import re

import pytest

from propolis.flaws.key import COMPARISONS, TRANSFORMS, ConditionError, parse_key
from propolis.flaws.request import Request


def test_a_key_is_taken_apart() -> None:
    key = parse_key("query.a.b|urldecode|trim|contains|all|nocase")
    assert key.field == "query.a.b"
    assert key.transforms == ("urldecode", "trim")
    assert key.how == "contains"
    assert key.is_every
    assert key.is_caseless


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("path|contain", "there is no modifier 'contain'; choose of"),
        ("path|contains|lower", "'lower' cannot stand after 'contains'"),
        ("path|contains|re", "'re' cannot stand after 'contains'"),
        ("route", "there is no field 'route'; choose of any, body"),
        ("query.", "there is no field 'query.'"),
    ],
)
def test_a_mistake_is_told_with_its_cure(text: str, cure: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(cure)) as error:
        parse_key(text)
    assert error.value.key == text


@pytest.mark.parametrize(
    ("name", "data", "result"),
    [
        ("base64decode", b"aWQ=", b"id"),
        ("base64decode", b" aWQ ", b"id"),
        ("base64decode", b"_-A", b"\xff\xe0"),
        ("base64decode", b"a", b""),
        ("length", b"abc", b"3"),
        ("lower", b"A\xc4", b"a\xc4"),
        ("trim", b" a\r\n", b"a"),
        ("urldecode", b"a+%41%", b"a A%"),
    ],
)
def test_transforms(name: str, data: bytes, result: bytes) -> None:
    assert TRANSFORMS[name](data) == result


def test_a_field_is_read_after_its_transforms() -> None:
    request = Request.parse(b"GET /?a=JTQx HTTP/1.1\r\n\r\n")
    assert parse_key("query.a|base64decode|urldecode").reader()(request) == b"A"
    assert parse_key("query.a|nocase").reader()(request) == b"jtqx"
    assert parse_key("query.a|nocase").reader(fold=False)(request) == b"JTQx"
    assert parse_key("query.b|lower").reader()(request) is None


def test_comparisons() -> None:
    assert COMPARISONS[""](b"a", b"a")
    assert COMPARISONS["contains"](b"abc", b"b")
    assert COMPARISONS["startswith"](b"abc", b"a")
    assert COMPARISONS["endswith"](b"abc", b"c")
