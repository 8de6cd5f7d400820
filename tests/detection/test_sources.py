from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection import sources
from propolis.detection.sources import (
    EVICTED,
    NOBODY,
    SIZE,
    Table,
    fill,
    forget,
    in_order,
    locate,
    siphash,
    table,
)

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
touches = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.booleans()), max_size=60)


class Plain:
    """The reference: a dictionary in the order of last touch."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.window: OrderedDict[int, int] = OrderedDict()
        self.evicted = 0

    def touch(self, source: int, window: int) -> tuple[bool, int]:
        present = self.window.pop(source, None)
        if present is None and len(self.window) == self._capacity:
            self.window.popitem(last=False)
            self.evicted += 1
        late = present is not None and present - 1 <= window <= present
        self.window[source] = present if late else window
        return not late, self.window[source]


def addresses(numbers: list[int]) -> np.ndarray:
    return np.array([(number, number * 7) for number in numbers], np.uint64).reshape(-1, 2)


def run(sources: Table, rows: list[tuple[int, int, bool]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers, windows, counted = zip(*rows, strict=True) if rows else ((), (), ())
    return locate(sources, addresses(list(numbers)), np.array(windows, np.int64), np.array(counted, np.bool_))


def test_siphash_gives_the_authors_vector() -> None:
    words = np.frombuffer(bytes(range(16)), "<u8")
    expected = int.from_bytes(bytes.fromhex("db9bc2577fcc2a3f"), "little")
    assert siphash(int(words[0]), int(words[1]), KEY) == expected
    assert int(sources._siphash(words[0], words[1], np.array(KEY, np.uint64))) == expected


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
@settings(max_examples=50, deadline=None)
def test_the_kernel_hashes_as_the_reference(high: int, low: int, key: tuple[int, int]) -> None:
    assert int(sources._siphash(np.uint64(high), np.uint64(low), np.array(key, np.uint64))) == siphash(
        high, low, key
    )


@given(touches, st.integers(1, 9), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_the_table_equals_a_dictionary(rows: list[tuple[int, int, bool]], capacity: int, cut: int) -> None:
    known, plain = table(capacity, KEY), Plain(capacity)
    slots, turned, effective = (
        np.concatenate(pair) for pair in zip(run(known, rows[:cut]), run(known, rows[cut:]), strict=True)
    )
    where: dict[int, int] = {}
    for row, (source, window, counted) in enumerate(rows):
        if not counted:
            assert (slots[row], turned[row], effective[row]) == (NOBODY, False, window)
            continue
        assert (turned[row], effective[row]) == plain.touch(source, window)
        where = {other: slot for other, slot in where.items() if other in plain.window}
        assert where.setdefault(source, slots[row]) == slots[row]
        assert len(set(where.values())) == len(where)
    assert known.ends[EVICTED] == plain.evicted
    assert known.ends[SIZE] == len(plain.window)
    assert known.address[in_order(known)][:, 0].tolist() == list(plain.window)


@given(touches, st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_forgetting_takes_the_longest_silent_whose_window_is_over(
    rows: list[tuple[int, int, bool]], before: int
) -> None:
    known = table(8, KEY)
    run(known, rows)
    windows = known.window[in_order(known)].tolist()
    kept = next((place for place, window in enumerate(windows) if window >= before), len(windows))
    expected = known.address[in_order(known)][kept:].tolist()
    forget(known, before)
    assert known.address[in_order(known)].tolist() == expected
    slots, turned, _ = run(known, [(int(source), 9, True) for source, _ in expected])
    assert len(set(slots.tolist())) == len(expected)
    assert turned.all()


def test_filling_keeps_the_order_and_refuses_a_source_twice() -> None:
    known = table(4, KEY)
    assert fill(known, addresses([3, 1, 2]), np.array([5, 6, 7]))
    assert in_order(known).tolist() == [0, 1, 2]
    assert known.window[:3].tolist() == [5, 6, 7]
    assert not fill(table(4, KEY), addresses([1, 1]), np.array([5, 6]))


@pytest.mark.parametrize("capacity", [1, 2, 1000])
def test_the_index_is_at_most_half_full(capacity: int) -> None:
    assert table(capacity, KEY).places.size >= 2 * capacity
