import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.rules import Every, Node, Not, Some, Test, holds
from propolis.detection.rules.prefilter import Prefilter, loosen, refusal

WORDS = (b"a", b"ab", b"abc", b"bc", b"xyz", b"", b"A")
SOURCES = (
    rb"ab?c",
    rb"(?i)X{1,2}y",
    rb"(?<!z)bc",
    rb"a.{0,2}c",
    rb"\bab\b",
    rb"b*",
    rb"(a)\1",
    rb"(?!b)[ab]c",
    rb"[a-c]{2}z",
    rb"x{2}",
)


def regex(sources: tuple[bytes, ...], every: bool) -> Test:  # noqa: FBT001 - built by hypothesis
    return Test("raw", "re", sources, every, tuple(re.compile(source) for source in sources))


some_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(
    lambda words: tuple(word.lower() for word in words)
)
tests = st.one_of(
    st.builds(
        Test,
        st.just("raw"),
        st.sampled_from(["equals", "contains", "startswith", "endswith"]),
        some_words,
        st.booleans(),
    ),
    st.builds(regex, st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2).map(tuple), st.booleans()),
    st.just(Test("raw", "exists", (b"true",))),
)
nodes = st.recursive(
    tests,
    lambda inner: (
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Some, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=6,
)


@given(
    st.lists(nodes, min_size=1, max_size=4),
    st.lists(
        st.lists(st.sampled_from([b"a", b"b", b"c", b"x", b"Y", b"z", b" "]), max_size=8).map(b"".join),
        max_size=6,
    ),
)
@settings(max_examples=120, deadline=None)
def test_a_rule_that_holds_is_always_a_candidate(rules: list[Node], texts: list[bytes]) -> None:
    prefilter = Prefilter(dict(enumerate(rules)))
    for text in texts:
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
