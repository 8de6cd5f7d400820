"""What was already reported of each source in its present window: one bit a rule, so that nothing is said twice."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

WORD = 64


def words(rules: int) -> int:
    """How many uint64 hold one bit for each of this many rules."""
    return max(1, -(-rules // WORD))


def bits(words: tuple[int, ...]) -> Iterator[int]:
    """The numbers of the set bits."""
    for place, word in enumerate(words):
        for bit in range(word.bit_length()):
            if word >> bit & 1:
                yield place * WORD + bit


def claim(
    reported: NDArray[np.uint64],
    slots: NDArray[np.int32],
    turned: NDArray[np.bool_],
    hit_rows: NDArray[np.int64],
    hit_rules: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """For each hit, ascending by row: whether it is its rule's first in the source's window, and the bits before it.

    ``reported`` is uint64 (capacity, words); the row of a source that begins anew is cleared. O(rows + hits).
    """
    first = np.empty(hit_rows.size, np.bool_)
    before = np.empty((hit_rows.size, reported.shape[1]), np.uint64)
    _claim(reported, slots, turned, hit_rows, hit_rules, first, before)
    return first, before


@njit(cache=True)
def _claim(reported, slots, turned, hit_rows, hit_rules, first, before):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    hit = 0
    for row in range(slots.size):
        if turned[row]:
            reported[slots[row]] = 0
        while hit < hit_rows.size and hit_rows[hit] == row:
            slot, word = slots[row], hit_rules[hit] // 64
            mask = np.uint64(1) << np.uint64(hit_rules[hit] % 64)
            before[hit] = reported[slot]
            first[hit] = not reported[slot, word] & mask
            reported[slot, word] |= mask
            hit += 1
