"""The evidence behind a behaviour's count: the event it began with, and those of the present batch that raised it."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.columns import Rows

NOWHERE = -1


class Firsts(NamedTuple):
    """Per slot, the event that began the present count. 44 bytes a source.

    ``id``: uint64 (capacity, 2); ``time`` and ``opened``: int64 nanoseconds; ``sequence``: int64 and ``row``: uint32,
    where it is in the stream.
    """

    id: NDArray[np.uint64]
    time: NDArray[np.int64]
    opened: NDArray[np.int64]
    sequence: NDArray[np.int64]
    row: NDArray[np.uint32]


class Trail(NamedTuple):
    """Per row of a batch: the row that raised the same count before, and the row that began it (-1: not here)."""

    before: NDArray[np.int32]
    start: NDArray[np.int32]


def firsts(capacity: int) -> Firsts:
    """Room for this many sources."""
    return Firsts(
        id=np.zeros((capacity, 2), np.uint64),
        time=np.zeros(capacity, np.int64),
        opened=np.zeros(capacity, np.int64),
        sequence=np.zeros(capacity, np.int64),
        row=np.zeros(capacity, np.uint32),
    )


def follow(slots: NDArray[np.int32], counts: NDArray[np.int32], scratch: NDArray[np.int32]) -> Trail:
    """The trail of a batch's ``counts``. ``scratch`` is int32 (2, capacity), all -1, and is left so. O(rows)."""
    trail = Trail(np.empty(slots.size, np.int32), np.empty(slots.size, np.int32))
    _follow(slots, counts, scratch, trail.before, trail.start)
    return trail


def keep(
    firsts: Firsts, rows: Rows, slots: NDArray[np.int32], counts: NDArray[np.int32], sequence: int
) -> None:
    """Remember the rows that began a count (``counts`` 1); a later one of the same slot takes its place. O(rows)."""
    _keep(firsts, rows.id, rows.time, rows.opened, slots, counts, sequence)


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN202, PLR0917
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


@njit(cache=True)
def _follow(slots, counts, scratch, before, start):
    for row in range(slots.size):
        before[row] = NOWHERE
        start[row] = NOWHERE
        if counts[row] == 0:
            continue
        slot = slots[row]
        if counts[row] == 1:
            scratch[1, slot] = row
        else:
            before[row] = scratch[0, slot]
        scratch[0, slot] = row
        start[row] = scratch[1, slot]
    for row in range(slots.size):
        if counts[row]:
            scratch[0, slots[row]] = NOWHERE
            scratch[1, slots[row]] = NOWHERE


@njit(cache=True)
def _keep(firsts, ids, times, opened, slots, counts, sequence):
    for row in range(slots.size):
        if counts[row] == 1:
            slot = slots[row]
            firsts.id[slot, 0] = ids[row, 0]
            firsts.id[slot, 1] = ids[row, 1]
            firsts.time[slot] = times[row]
            firsts.opened[slot] = opened[row]
            firsts.sequence[slot] = sequence
            firsts.row[slot] = row
