import contextlib
from typing import Any

import pytest
from bench.scanner.cel import CelError, evaluate, may_hold, parse
from hypothesis import given
from hypothesis import strategies as st

FUNCTIONS: dict[str, Any] = {"has": lambda text, part: part in text, "two": lambda: 2}
VALUES = {"a": {"b": "text", "n": 200}, "x": 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.n == 200 && a.b.has(b'ex')", True),
        ('a["b"] + "s"', "texts"),
        ("x * 6 - two()", 40),
        ("!(x > 7) || missing", True),
        ("'n' in a", True),
        (r'"\"q\" \\d"', r'"q" \d'),
        (r"r'\d'", r"\d"),
        (r"b'\x41\n'", "A\n"),
        ("'é' == b'é'", True),
        ("7 / 2", 3),
        ("-1 < 0", True),
        ("has('abc', 'b')", True),
    ],
)
def test_an_expression_has_its_value(text: str, expected: object) -> None:
    assert evaluate(parse(text), VALUES, FUNCTIONS) == expected


@pytest.mark.parametrize("text", ["", "a.", "(1", "1 1", "f(1", "'a", "a[1", "$"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(CelError):
        parse(text)


@pytest.mark.parametrize("text", ["missing", "a.none", "'a' - 1", "nobody()", "1 / 0"])
def test_what_has_no_value_says_so(text: str) -> None:
    with pytest.raises(CelError):
        evaluate(parse(text), VALUES, FUNCTIONS)


def test_an_impossible_call_decides_only_where_it_must() -> None:
    def impossible(name: str) -> bool:
        return name == "away"

    held = [may_hold(parse(text), impossible) for text in ("away()", "x && away()", "x || away()", "!away()")]
    assert held == [False, False, True, True]


@given(st.text(alphabet="ab1'\".()[]&|!=<>+-*/ \\", max_size=20))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    with contextlib.suppress(CelError):
        evaluate(parse(text), VALUES, FUNCTIONS)
