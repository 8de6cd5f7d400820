"""No hold without an end, none longer than the settings allow, and longer for those who come back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import NOW, SETTINGS
from propolis.clock import SECOND
from propolis.config import Decisions, PolicyLine
from propolis.decisions import next_until
from propolis.decisions.lifetime import CLOCK_TOLERANCE, LONGEST, SHORTEST, is_over, step_of, until_on

LINE = PolicyLine(grade="attempt", action="block", ttl_seconds=600.0)
HOUR = 3_600 * SECOND


def test_each_return_is_a_rung_of_the_ladder() -> None:
    held = [(next_until(LINE, [NOW - HOUR] * times, NOW, SETTINGS) - NOW) // SECOND for times in range(6)]
    assert held == [600, 1_800, 7_200, 28_800, 28_800, 28_800]


def test_what_is_long_past_or_still_to_come_is_no_return() -> None:
    assert step_of([NOW - 25 * HOUR, NOW + 1, NOW - 24 * HOUR, NOW], NOW, SETTINGS) == 2


def test_the_cap_holds() -> None:
    settings = Decisions(max_ttl_seconds=700.0)
    assert next_until(LINE, [NOW - 1] * 3, NOW, settings) == NOW + 700 * SECOND


def test_an_empty_ladder_has_one_rung() -> None:
    assert next_until(LINE, [NOW - 1] * 3, NOW, Decisions(ladder=())) == NOW + 600 * SECOND


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 1e300, 5e-324, 1e-12])
def test_absurd_settings_still_end(seconds: float) -> None:
    line = PolicyLine(grade="attempt", action="block", ttl_seconds=seconds)
    settings = Decisions(max_ttl_seconds=math.inf, ladder=(math.inf, math.nan))
    for past in ([], [NOW]):
        assert NOW + SHORTEST <= next_until(line, past, NOW, settings) <= NOW + LONGEST


@given(
    ttl=st.floats(1e-9, 1e12),
    ladder=st.lists(st.floats(1, 1e6), max_size=6),
    longest=st.floats(1e-6, 1e12),
    past=st.lists(st.integers(NOW - 200_000 * SECOND, NOW + 10 * SECOND), max_size=20),
)
def test_every_hold_begins_before_it_ends_and_ends(
    ttl: float, ladder: list[float], longest: float, past: list[int]
) -> None:
    settings = Decisions(ladder=tuple(ladder), max_ttl_seconds=longest)
    step = step_of(past, NOW, settings)
    until = until_on(ttl, step, NOW, settings)
    assert 0 <= step < max(len(ladder), 1)
    assert NOW < until <= NOW + max(min(int(longest * SECOND), LONGEST), SHORTEST)


@given(decided=st.integers(0, 2**62), ttl=st.integers(1, 2**50), jump=st.integers(-(2**61), 2**61))
def test_a_clock_that_jumps_lengthens_nothing_by_more_than_the_tolerance(
    decided: int, ttl: int, jump: int
) -> None:
    now = decided + jump
    if not is_over(decided, decided + ttl, now):
        assert 0 < decided + ttl - now <= ttl + CLOCK_TOLERANCE
