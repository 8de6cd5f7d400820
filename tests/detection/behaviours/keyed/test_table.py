"""The table is a dictionary whose forgetful entries go first, and no choice of keys makes it slow or large."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.behaviours.keyed import table as tables
from propolis.detection.behaviours.keyed.table import EVICTED, MOST_CREDIT, NOBODY, SIZE, fill, locate, table

IDLE = 100


class Plain:
    """Slots with a hand that goes round, said plainly."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.hand, self.evicted = capacity, 0, 0
        self.keys: list[int] = []
        self.credit: list[int] = []
        self.seen: list[int] = []

    def locate(self, key: int, time: int) -> tuple[int, bool]:
        if key in self.keys:
            slot = self.keys.index(key)
            anew = abs(time - self.seen[slot]) > IDLE
            self.credit[slot] = min(self.credit[slot] + 1, MOST_CREDIT)
            self.seen[slot] = time if anew else max(time, self.seen[slot])
            return slot, anew
        slot = self._slot()
        self.keys[slot], self.credit[slot], self.seen[slot] = key, 0, time
        return slot, True

    def _slot(self) -> int:
        if len(self.keys) < self.capacity:
            for column in (self.keys, self.credit, self.seen):
                column.append(-1)
            return len(self.keys) - 1
        while self.credit[self.hand]:
            self.credit[self.hand] -= 1
            self.hand = (self.hand + 1) % self.capacity
        slot, self.hand = self.hand, (self.hand + 1) % self.capacity
        self.evicted += 1
        return slot


def pairs(keys: list[int]) -> Any:
    return np.array([[key, 7] for key in keys], np.uint64).reshape(-1, 2)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3) | st.integers(0, 40), st.integers(0, 400)), max_size=120),
    capacity=st.integers(1, 12),
    cut=st.integers(0, 120),
)
@settings(max_examples=100, deadline=None)
def test_the_table_does_what_the_plain_one_does(rows: list[tuple[int, int]], capacity: int, cut: int) -> None:
    made, plain = table(capacity, (1, 2)), Plain(capacity)
    for part in (rows[:cut], rows[cut:]):
        keys, times = [key for key, _ in part], np.array([time for _, time in part], np.int64)
        slots, turned = locate(made, pairs(keys), times, IDLE)
        expected = [plain.locate(key, time) for key, time in part]
        assert list(zip(slots.tolist(), turned.tolist(), strict=True)) == expected
    assert (made.ends[SIZE], made.ends[EVICTED]) == (len(plain.keys), plain.evicted)
    assert int((made.places != NOBODY).sum()) == len(plain.keys)


def test_who_comes_again_survives_a_flood_of_strangers() -> None:
    made = table(100, (1, 2))
    regulars = pairs(list(range(10)))
    for _ in range(MOST_CREDIT + 1):
        slots, _ = locate(made, regulars, np.zeros(10, np.int64), IDLE)
    flood = pairs(list(range(1_000, 2_000)))
    locate(made, flood, np.zeros(1_000, np.int64), IDLE)
    assert made.ends[EVICTED] == 910
    again, turned = locate(made, regulars, np.zeros(10, np.int64), IDLE)
    assert again.tolist() == slots.tolist()
    assert not turned.any()


def test_the_newest_does_not_lose() -> None:
    made = table(8, (1, 2))
    locate(made, pairs(list(range(8))), np.zeros(8, np.int64), IDLE)
    for stranger in range(100, 104):
        locate(made, pairs([stranger]), np.zeros(1, np.int64), IDLE)
    _, turned = locate(made, pairs([100, 101, 102, 103]), np.zeros(4, np.int64), IDLE)
    assert not turned.any()


def test_a_key_that_was_silent_or_whose_clock_was_set_back_begins_anew() -> None:
    made = table(4, (1, 2))
    times = np.array([1_000, 1_090, 1_060, 1_300, 1_100], np.int64)
    _, turned = locate(made, pairs([1] * 5), times, IDLE)
    assert turned.tolist() == [True, False, False, True, True]


def test_keys_made_to_collide_do_not() -> None:
    """Keys that fall together under one secret are spread under another; without the secret they cannot be chosen."""
    room = 1 << 12
    keys = np.arange(200_000, dtype=np.uint64)
    together = np.column_stack((keys, keys * 0))
    chosen = together[tables.hash_pairs(together, np.array([1, 2], np.uint64)) % room == 0]
    aimed, spread = table(room // 2, (1, 2)), table(room // 2, (3, 4))
    for made in (aimed, spread):
        locate(made, chosen, np.zeros(len(chosen), np.int64), IDLE)
    assert longest_run(aimed) >= len(chosen)
    assert longest_run(spread) < 8


def longest_run(made: tables.Table) -> int:
    runs = "".join("x" if place != NOBODY else " " for place in made.places.tolist()).split()
    return max(map(len, runs), default=0)


def test_stored_entries_are_filled_in_and_none_twice() -> None:
    made = table(8, (1, 2))
    slots, _ = locate(made, pairs([5, 6, 7]), np.array([1, 2, 3], np.int64), IDLE)
    read = table(8, (1, 2))
    assert fill(read, made.entries[:3])
    again, turned = locate(read, pairs([5, 6, 7]), np.array([4, 4, 4], np.int64), IDLE)
    assert again.tolist() == slots.tolist()
    assert not turned.any()
    assert not fill(table(8, (1, 2)), made.entries[[0, 0]])
