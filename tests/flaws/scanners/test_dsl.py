"""nuclei's expression language becomes a tree."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.scanners.dsl import Call, DslError, Join, Literal, calls, names, parse, parse_text


def test_an_expression_is_a_tree() -> None:
    tree = parse('contains(body, "x") && status_code == 200')
    assert set(names(tree)) == {"body", "status_code"}
    assert list(calls(tree)) == ["contains"]


def test_text_with_expressions() -> None:
    tree = parse_text("a{{md5(num)}}b")
    assert isinstance(tree, Join)
    assert list(calls(tree)) == ["md5"]
    assert isinstance(parse("to_lower('A')"), Call)
    assert parse_text("plain") == Literal(b"plain")


@given(st.text(max_size=40))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    parse_text(text)
    with contextlib.suppress(DslError):
        parse(text)


@pytest.mark.parametrize("text", ["(", "a &&", "f(", '"open'])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DslError):
        parse(text)


def test_a_backslash_says_that_what_follows_is_meant_as_it_is() -> None:
    assert parse(r"'a\.b\d\'\\'") == Literal(rb"a.bd'" + b"\\")
