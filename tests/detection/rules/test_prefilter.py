import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.rules import Every, Node, Not, Test, holds
from propolis.detection.rules.prefilter import Prefilter, loosen, refusal
from rule_nodes import nodes, texts


@given(st.lists(nodes, min_size=1, max_size=4), st.lists(texts, max_size=6))
@settings(max_examples=120, deadline=None)
def test_a_rule_that_holds_is_always_a_candidate(rules: list[Node], given: list[bytes]) -> None:
    prefilter = Prefilter(dict(enumerate(rules)))
    for text in given:
        holding = {number for number, node in enumerate(rules) if holds(node, {"raw": text})}
        candidates = prefilter(text)
        assert holding <= set(candidates)
        assert list(candidates) == sorted(candidates)


def test_a_rule_without_its_words_is_no_candidate() -> None:
    prefilter = Prefilter(
        {4: Every((Test("raw", "contains", (b"wget", b"curl")), Test("raw", "contains", (b"chmod",))))}
    )
    assert prefilter(b"wget it") == ()
    assert prefilter(b"CURL it; CHMOD it") == (4,)


def test_rules_without_words_are_always_candidates() -> None:
    prefilter = Prefilter({1: Not(Test("raw", "contains", (b"x",))), 2: Test("raw", "contains", (b"y",))})
    assert prefilter(b"") == (1,)
    assert prefilter(b"y") == (1, 2)


@pytest.mark.parametrize(
    ("source", "loosened"),
    [
        (rb"a{2,5}b", rb"a{2,}b"),
        (rb"a{3}\{1,2}[{1,2}]", rb"a{3}\{1,2}[{1,2}]"),
        (rb"[]{1,2}]{0,9}?", rb"[]{1,2}]{0,}?"),
    ],
)
def test_bounded_repeats_are_opened(source: bytes, loosened: bytes) -> None:
    assert loosen(source) == loosened


def test_what_hyperscan_does_not_take_is_refused_with_its_reason() -> None:
    assert refusal(rb"a(?<=\w{2})b") == ""
    assert refusal(rb"(?a)ab").startswith("Unrecognised")
    assert refusal(rb"b*") == ""
