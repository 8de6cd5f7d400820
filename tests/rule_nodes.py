"""Hypothesis strategies for the logic of rules and for texts that nearly satisfy it."""

import re

from hypothesis import strategies as st

from propolis.detection.rules import Every, Not, Some, Test

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
texts = st.lists(st.sampled_from([b"a", b"b", b"c", b"x", b"Y", b"z", b" "]), max_size=8).map(b"".join)
