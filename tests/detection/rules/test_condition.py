import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.rules import Every, Not, Some, Test
from propolis.detection.rules.condition import parse

A, B, C = (Test("raw", "contains", (name,)) for name in (b"a", b"b", b"c"))
SELECTIONS = {"a_1": A, "a_2": B, "c": C}


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a_1 and a_2 or c", Some((Every((A, B)), C))),
        ("a_1 and (a_2 or c)", Every((A, Some((B, C))))),
        ("not a_1 and a_2 and c", Every((Not(A), B, C))),
        ("1 of a_* and not c", Every((Some((A, B)), Not(C)))),
        ("all of them", Every((A, B, C))),
        ("c or ((not (all of a_*)))", Some((C, Not(Every((A, B)))))),
    ],
)
def test_conditions_read_as_sigma_says(text: str, node: object) -> None:
    assert parse(text, SELECTIONS) == node


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a_1 and a_2 and d", "names no selection with 'd'"),
        ("a_1 and a_2", "never uses the selection 'c'"),
        ("(a_1 or a_2 or c", "misses a"),
        ("a_1 a_2 c", "where 'and', 'or' or the end belongs"),
        ("a_1 and", "ends too early"),
        ("", "ends too early"),
        ("a_1 | count() > 3", "does not understand"),
        ("not " * 40 + "a_1", "nests deeper"),
    ],
)
def test_a_wrong_condition_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        parse(text, SELECTIONS)


@given(
    st.lists(
        st.sampled_from(["a_1", "a_2", "c", "and", "or", "not", "(", ")", "1 of", "all of", "them", "a_*"]),
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_words_are_a_condition_or_a_reason(words: list[str]) -> None:
    outcome: object
    try:
        outcome = parse(" ".join(words), SELECTIONS)
    except ValueError as error:
        outcome = str(error)
    assert outcome
