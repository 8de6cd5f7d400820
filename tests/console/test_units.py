import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.console.units import count, duration, left, moment, short


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0.0, "0 ms"),
        (4.213, "4.21 ms"),
        (42.0, "42 ms"),
        (999.4, "999 ms"),
        (1_500, "1.5 s"),
        (90_000, "90 s"),
        (180_000, "180 s"),
        (1_800_000, "30 min"),
        (10_800_000, "3 h"),
    ],
)
def test_a_duration_has_three_digits_and_the_unit_that_suits_it(milliseconds: float, shown: str) -> None:
    assert short(milliseconds) == shown


@given(st.floats(0, 1e12))
def test_every_duration_can_be_shown(milliseconds: float) -> None:
    number, unit = duration(milliseconds)
    assert float(number) >= 0
    assert unit in {"ms", "s", "min", "h"}


def test_what_is_left_counts_down_and_stops() -> None:
    assert left(599 * SECOND) == "9:59"
    assert left(3_600 * SECOND) == "1:00:00"
    assert left(-5 * SECOND) == "0:00"


def test_a_moment_is_the_time_of_day() -> None:
    assert moment(1_700_000_000 * SECOND + 42_000_000) == "22:13:20.042"


def test_thousands_stand_apart() -> None:
    assert count(1_234_567) == "1,234,567"
