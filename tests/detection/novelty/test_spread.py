import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.detection.novelty.spread import HALF_LIFE_SECONDS, SMALLEST, Spread, hashed

HALF_LIFE = HALF_LIFE_SECONDS * SECOND


def sources(numbers: range) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    addresses = np.array([(0, number) for number in numbers], np.uint64).reshape(-1, 2)
    return hashed(addresses, 7)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**63), max_size=SMALLEST - 1, unique=True))
def test_few_sources_are_counted_exactly_however_often_they_come(seen: list[int]) -> None:
    spread = Spread.fresh()
    for _ in range(2):
        for source in seen:
            spread.add(np.array([source], np.uint64), 0)
    assert spread.sources == len(seen)


def test_many_sources_are_estimated() -> None:
    spread = Spread.fresh()
    for start in range(0, 20_000, 500):
        spread.add(sources(range(start, start + 500)), 0)
    assert len(spread.least) == SMALLEST
    assert 10_000 < spread.sources < 40_000


def test_order_and_repetition_do_not_matter() -> None:
    one, other = Spread.fresh(), Spread.fresh()
    one.add(sources(range(300)), 0)
    for part in (range(150, 300), range(200), range(300)):
        other.add(sources(part), 0)
    assert one.sources == other.sources


def test_what_was_new_is_half_as_new_after_a_half_life() -> None:
    spread = Spread.fresh()
    spread.add(sources(range(8)), 0)
    assert spread.lately(0) == 8
    assert spread.lately(HALF_LIFE) == pytest.approx(4)
    spread.add(sources(range(4, 10)), HALF_LIFE)
    assert spread.lately(HALF_LIFE) == pytest.approx(6)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    spread = Spread.fresh()
    spread.add(sources(range(8)), HALF_LIFE)
    assert spread.lately(0) == 8
