"""Counts to hits: which rows bring a rule's count to its threshold, once a key and window."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MICROSECOND = 1_000


class Standings(NamedTuple):
    """What is known of each key beside its counts. 16 bytes a key and 4 a counter.

    ``window``: int64, the window it is in; ``reported``: uint64, a bit a rule, what was said of it in this window;
    ``began``: uint32 (capacity, counters), when in this window each counter first counted, in microseconds from 1 (0:
    not yet).
    """

    window: NDArray[np.int64]
    reported: NDArray[np.uint64]
    began: NDArray[np.uint32]


class Hits(NamedTuple):
    """By hit, in order of rows: row, rule's number, the key's window, and when the count began in it (UTC ns)."""

    row: NDArray[np.int64]
    rule: NDArray[np.int64]
    window: NDArray[np.int64]
    began: NDArray[np.int64]


class Bars(NamedTuple):
    """By rule: the number of its counter, and the least count."""

    counter: NDArray[np.int64]
    least: NDArray[np.int32]


def standings(capacity: int, counters: int) -> Standings:
    """Room for this many keys."""
    return Standings(
        window=np.zeros(capacity, np.int64),
        reported=np.zeros(capacity, np.uint64),
        began=np.zeros((capacity, counters), np.uint32),
    )


def judge(
    slots: NDArray[np.int32],
    turned: NDArray[np.bool_],
    times: NDArray[np.int64],
    counts: NDArray[np.int32],
    bars: Bars,
    window: int,
    state: Standings,
) -> Hits:
    """The hits of a batch. ``counts``: int32 (counters, rows); ``window``: nanoseconds. O(rows times counters).

    A row of an earlier window than its key is in counts in the present one.
    """
    look = np.empty(len(slots), np.bool_)
    _look(turned, counts, bars, look)
    room = int(look.sum()) * len(bars.least)
    hits = Hits(*(np.empty(room, np.int64) for _ in range(4)))
    found = _judge(look, slots, turned, times, counts, bars, window, state, hits)
    return Hits(*(column[:found] for column in hits))


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN202, PLR0917
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


@njit(cache=True)
def _look(turned, counts, bars, look):
    """Mark the rows that matter: where a key begins anew, and where a counter that a rule asks for counted."""
    look[:] = turned
    for rule in range(bars.least.size):
        line = counts[bars.counter[rule]]
        for row in range(look.size):
            look[row] |= line[row] > 0


@njit(cache=True)
def _judge(look, slots, turned, times, counts, bars, window, state, hits):
    found = 0
    for row in range(slots.size):
        if not look[row]:
            continue
        slot, own = slots[row], times[row] // window
        if turned[row] or own > state.window[slot]:
            state.window[slot] = own
            state.reported[slot] = 0
            state.began[slot] = 0
        start = state.window[slot] * window
        for rule in range(bars.least.size):
            counter, bit = bars.counter[rule], np.uint64(1) << np.uint64(rule)
            if counts[counter, row] == 0:
                continue
            if state.began[slot, counter] == 0:
                state.began[slot, counter] = np.uint32(1 + max(0, times[row] - start) // MICROSECOND)
            if counts[counter, row] < bars.least[rule] or state.reported[slot] & bit:
                continue
            state.reported[slot] |= bit
            hits.row[found] = row
            hits.rule[found] = rule
            hits.window[found] = state.window[slot]
            began = start + (np.int64(state.began[slot, counter]) - 1) * MICROSECOND
            hits.began[found] = min(began, times[row])
            found += 1
    return found
