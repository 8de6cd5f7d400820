from typing import Any

import pytest
from bench.scanner.expression import EvaluationError, ExpressionSyntaxError, calls, evaluate, names, parse
from bench.scanner.text import Value
from hypothesis import given
from hypothesis import strategies as st

HELPERS = {"upper": lambda text: str(text).upper(), "count": lambda *all_: float(len(all_))}


def value(text: str, **values: Value) -> Value:
    return evaluate(parse(text), values, HELPERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ** 3", 8.0),
        ("7 % 4", 3.0),
        ("0x10", 16.0),
        ("-2 + 3", 1.0),
        ("'a' + 1", "a1"),
        ("\"it\" + 's'", "its"),
        (r"'a\'b'", "a'b"),
        (r"'a\\d'", r"a\d"),
        ("1 == 1 && 2 > 1", True),
        ("1 == '1'", False),
        ("'b' >= 'a'", True),
        ("!(1 == 2) || missing", True),
        ("1 == 2 && missing", False),
        ("'abc' =~ '^a.c$'", True),
        ("'abc' !~ '^a.c$'", False),
        ("'b' in ('a', 'b')", True),
        ("1 > 2 ? 'yes' : 'no'", "no"),
        ("upper('a') + count(1, 2, 3)", "A3"),
        ("TRUE", True),
    ],
)
def test_an_expression_has_the_value_of_the_language(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_a_name_is_looked_up_and_whole_numbers_are_numbers() -> None:
    assert value("status_code == 200 && contains", status_code=200, contains=True) is True
    assert value("[template-id] + 'x'", **{"template-id": "t"}) == "tx"


@pytest.mark.parametrize("text", ["", "1 +", "(1", "'a", "a b", "1 ? ", "f(1", "@", "((((" * 40 + "1"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionSyntaxError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["missing", "1 && true", "!1", "'a' - 1", "1 / 0", "nobody(1)", "'a' =~ '('"]
)
def test_what_has_no_value_says_so(text: str) -> None:
    with pytest.raises(EvaluationError):
        value(text)


def test_names_and_calls_are_those_of_the_whole_tree() -> None:
    tree = parse("upper(a) + (b ? c : -d) in (e, count(f))")
    assert names(tree) == set("abcdef")
    assert calls(tree) == {"upper", "count"}


@given(st.text(alphabet="ab1'\"+-*/%&|!=<>~(),?:[]. \\", max_size=24))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionSyntaxError:
        return
    outcome: Any
    try:
        outcome = evaluate(tree, {"a": "x", "b": 2.0}, HELPERS)
    except EvaluationError as error:
        outcome = error
    assert outcome is not ...
