"""Time is integer nanoseconds, and tests move it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import MILLISECOND, SECOND, ManualClock, SystemClock, rfc3339


def test_the_machines_clock_counts_nanoseconds() -> None:
    clock = SystemClock()
    first, second = clock.monotonic(), clock.monotonic()
    assert second >= first
    assert clock.now() > 1_600_000_000 * SECOND


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(now=10 * SECOND)
    assert (clock.now(), clock.monotonic()) == (10 * SECOND, 0)
    clock.advance(3 * MILLISECOND)
    assert (clock.now(), clock.monotonic()) == (10 * SECOND + 3 * MILLISECOND, 3 * MILLISECOND)


def test_a_step_of_the_wall_clock_leaves_the_monotonic_one() -> None:
    clock = ManualClock()
    before = clock.now()
    clock.jump(-5 * SECOND)
    assert (clock.now(), clock.monotonic()) == (before - 5 * SECOND, 0)


def test_times_for_people_have_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_700_000_000 * SECOND + 7_999_999) == "2023-11-14T22:13:20.007Z"


@given(first=st.integers(0, 2**62), second=st.integers(0, 2**62))
def test_times_for_people_sort_as_times_do(first: int, second: int) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rfc3339(first))
    assert (rfc3339(first) <= rfc3339(second)) or first > second
