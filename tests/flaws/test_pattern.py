import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.pattern import MAX_PATTERN, compile_pattern, rarest, rarity


@pytest.mark.parametrize(
    ("source", "literals"),
    [
        (rb"(?i)WGET\s+http", (b"WGET",)),
        (rb"foo|bar", (b"foo", b"bar")),
        (rb"foo|\d", ()),
        (rb"(?:x/)?cgi-bin/(?:luci|x);stok=", (b"cgi-bin/",)),
        (rb"[.]php[345]?", (b".php",)),
        (rb"(?:abc){2,}", (b"abc",)),
        (rb"(?:abc)*", ()),
        (rb"^abc$", (b"abc",)),
        (rb"\d+", ()),
        (rb"[[:alpha:]]abcd", ()),
        (rb"a{,5}", ()),
        (b"\xac\xed", ()),
    ],
)
def test_literals_that_must_be_there(source: bytes, literals: tuple[bytes, ...]) -> None:
    assert compile_pattern(source).literals == literals


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        (rb"a(?=b)", "second condition"),
        (rb"a(?!b)", "unless"),
        (rb"(?<=a)b", "lookbehind"),
        (rb"(?P<x>a)(?P=x)", "back-reference"),
        (rb"a\Z", r"\z"),
        (rb"(a", "missing )"),
        (rb"a{5000}", "repetition"),
        (b"a" * (MAX_PATTERN + 1), "at most"),
    ],
)
def test_what_is_refused_is_told_with_a_cure(source: bytes, cure: str) -> None:
    with pytest.raises(ValueError, match=re.escape(cure)):
        compile_pattern(source)


def test_a_pattern_that_would_take_python_for_ever() -> None:
    hostile = b"foo bar " * 100_000
    assert compile_pattern(rb"foo[^x]*bar[^y]*baz").search(hostile) is None
    assert compile_pattern(rb"(a+)+$").search(b"a" * 100_000 + b"b") is None


def test_groups_are_found_across_lines() -> None:
    pattern = compile_pattern(rb"a(?P<x>.+)b")
    found = pattern.search(b"\xffa1\n2b")
    assert pattern.names == ("x",)
    assert found is not None
    assert found.groupdict() == {b"x": b"1\n2"}


def test_ordinary_words_tell_nothing() -> None:
    assert rarity(b"Mozilla/5.0") == rarity(b"") == 0
    assert rarity(b"wp-admin") == 8
    assert rarest([(b"Host:",), (b"eval-stdin", b"x" * 20), ()]) == (b"eval-stdin", b"x" * 20)
    assert rarest([]) == ()


@given(
    st.text(alphabet="abAB01()[]|*+?.\\dw^${},-:xi<P>", max_size=14), st.text(alphabet="abAB01-", max_size=8)
)
def test_a_text_with_the_pattern_has_one_of_its_literals(source: str, text: str) -> None:
    try:
        pattern = compile_pattern(source.encode())
    except ValueError:
        return
    if pattern.literals and pattern.search(text.encode()):
        assert any(literal.lower() in text.lower().encode() for literal in pattern.literals)
