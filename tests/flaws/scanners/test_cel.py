"""afrog's expression language becomes a tree."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.scanners.cel import CelError, parse
from propolis.flaws.scanners.dsl import Call, Literal, Name, Operation


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("response.status == 200", Operation("==", (Name("response.status"), Literal(200)))),
        (
            "response.body.bcontains(b'\\xffa')",
            Call("bcontains", (Name("response.body"), Literal(b"\xffa"))),
        ),
        ('"a\\n\\"" + r"\\d"', Operation("+", (Literal(b'a\n"'), Literal(b"\\d")))),
        ("!r0() || true", Operation("||", (Operation("!", (Call("r0", ()),)), Literal(value=True)))),
        ('search["id"]', Operation("[]", (Name("search"), Literal(b"id")))),
        ("f(1).b", Operation("[]", (Call("f", (Literal(1),)), Literal(b"b")))),
        ('"x" in response.headers', Operation("in", (Literal(b"x"), Name("response.headers")))),
        ("1 + 2 * 3", Operation("+", (Literal(1), Operation("*", (Literal(2), Literal(3)))))),
    ],
)
def test_an_expression_is_a_tree(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["", "(", "a &&", "f(", "'open", "a b", "[1]", "x.", "(" * 99])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(CelError):
        parse(text)


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    with contextlib.suppress(CelError):
        parse(text)
