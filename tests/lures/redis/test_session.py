import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.serve import visit
from propolis.lures.redis.commands import run
from propolis.lures.redis.session import (
    EFFORT_MAX,
    GLOB_BYTES,
    MEMORY_BYTES,
    Refused,
    Session,
    canonical,
    float_of,
    glob,
    number_of,
    whole_range,
)


def test_what_a_connection_writes_is_bounded() -> None:
    session = Session(visit(), run)
    session.charge(MEMORY_BYTES)
    with pytest.raises(Refused, match="OOM"):
        session.charge(1)


def test_what_a_connection_makes_us_do_is_bounded() -> None:
    session = Session(visit(), run)
    session.exert(EFFORT_MAX)
    with pytest.raises(Refused):
        session.exert(1)
    assert session.is_over


def test_settings_of_old_names_are_the_same() -> None:
    assert canonical("slave-read-only") == "replica-read-only"
    assert canonical("min-slaves-to-write") == "min-replicas-to-write"
    assert canonical("hash-max-ziplist-value") == "hash-max-listpack-value"


def test_numbers_are_taken_or_refused() -> None:
    assert number_of(b"-5") == -5
    assert float_of(b"-inf") == float("-inf")
    for word in (b"x", b"", b"1_0", b"nan", b" 1", b"0x10"):
        with pytest.raises(Refused):
            float_of(word)


def test_ranges_are_clipped() -> None:
    assert whole_range(0, -1, 5) == (0, 5)
    assert whole_range(-100, 100, 5) == (0, 5)
    assert whole_range(3, 1, 5) == (3, 3)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (b"*", b"", True),
        (b"a*c*e", b"abcde", True),
        (b"a*c*e", b"abde", False),
        (b"a?c", b"abc", True),
        (b"[a-c]x", b"bx", True),
        (b"[c-a]x", b"bx", True),
        (b"[^a]x", b"ax", False),
        (rb"\*", b"*", True),
        (rb"[\]]", b"]", True),
        (b"a*b", b"ab\nb", True),
        (b"*ab*ab", b"xabab", True),
        (b"x" * (GLOB_BYTES + 1), b"x" * (GLOB_BYTES + 1), False),
    ],
)
def test_patterns(pattern: bytes, text: bytes, *, matches: bool) -> None:
    assert bool(glob(pattern).fullmatch(text)) is matches


def test_a_pattern_does_not_take_forever() -> None:
    assert not glob(b"a*" * 60 + b"b").fullmatch(b"a" * 5_000)


@settings(max_examples=200)
@given(st.text("ab*?[]^-\\", max_size=12), st.text("ab-]", max_size=12))
def test_any_pattern_survives(pattern: str, text: str) -> None:
    found = glob(pattern.encode()).fullmatch(text.encode())
    if not set(pattern) & set("[]\\"):
        plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        assert bool(found) == bool(re.fullmatch(plain, text))
