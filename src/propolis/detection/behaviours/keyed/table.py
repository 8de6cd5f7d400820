"""Who is being watched: a bounded table from a 16-byte key to a slot in the arrays of every behaviour.

Forgetting is second chance with a counter (GCLOCK, Smith 1978): each visit earns a key one credit, up to
:data:`MOST_CREDIT`; when there is no room, a hand goes round, takes a credit from each it passes, and the first that
has none gives its slot up. So a newcomer is safe for a whole round, who comes oftener than once in as many strangers
as there is room for stays, and a flood of forged sources that are seen once pushes out its own. Keys are hashed under
a secret (:mod:`.siphash`), so collisions cannot be aimed. 40 bytes a key with its share of the index; 40 ns a row.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.keyed.siphash import Key, hash_pairs

SIZE, HAND, EVICTED = range(3)
"""Places in :attr:`Table.ends`."""

MOST_CREDIT = 15

NOBODY = -1

BLOCK = 128
"""Rows whose entries are read ahead together."""


ENTRY = np.dtype(
    [("high", np.uint64), ("low", np.uint64), ("seen", np.int64), ("mark", np.uint32), ("credit", np.uint32)]
)
"""A key in two words, its latest event (UTC ns), half of its hash, and its credit: half a cache line."""


class Table(NamedTuple):
    """The table's arrays. ``entries``: (capacity) of :data:`ENTRY`; ``ends``: int64, see above.

    ``places``: int32, open addressing with linear probing, at most half full. ``key``: the two words of SipHash's key.
    """

    entries: NDArray[np.void]
    places: NDArray[np.int32]
    ends: NDArray[np.int64]
    key: Key


def table(capacity: int, key: tuple[int, int]) -> Table:
    """An empty table for ``capacity`` keys."""
    return Table(
        entries=np.zeros(capacity, ENTRY),
        places=np.full(1 << max(4, (2 * capacity - 1).bit_length()), NOBODY, np.int32),
        ends=np.zeros(3, np.int64),
        key=np.array(key, np.uint64),
    )


def locate(
    keys: Table, addresses: NDArray[np.uint64], times: NDArray[np.int64], idle: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Per row: the slot of its key, and whether the key begins anew here. O(rows).

    A key begins anew when it is new, when it was silent for more than ``idle`` nanoseconds, and when its time is that
    much earlier than before (a clock was set back). A row that is late by less counts in the present.
    """
    slots, turned = np.empty(len(times), np.int32), np.empty(len(times), np.bool_)
    _locate(keys, addresses, hash_pairs(addresses, keys.key), times, idle, slots, turned)
    return slots, turned


def fill(keys: Table, entries: NDArray[np.void]) -> bool:
    """Put stored entries into an empty table of the same key, slot 0 first; false if one comes twice."""
    keys.entries[: len(entries)] = entries
    words = np.column_stack((entries["high"], entries["low"]))
    keys.entries["mark"][: len(entries)] = hash_pairs(words, keys.key).astype(np.uint32)
    return bool(_fill(keys, len(entries)))


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN202, PLR0917
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


@njit(cache=True)
def _place(keys, high, low, mark):
    """The place in the index that holds the key, or the empty one where it belongs."""
    mask = keys.places.size - 1
    place = np.int64(mark) & mask
    while True:
        slot = keys.places[place]
        if slot == NOBODY:
            return place
        entry = keys.entries[slot]
        if entry.mark == mark and entry.high == high and entry.low == low:
            return place
        place = (place + 1) & mask


@njit(cache=True)
def _remove(keys, slot):
    """Take a key out; later entries of its run move up, so that no probe stops early (Knuth 6.4, Algorithm R)."""
    mask, entry = keys.places.size - 1, keys.entries[slot]
    hole = _place(keys, entry.high, entry.low, entry.mark)
    place = hole
    while True:
        place = (place + 1) & mask
        mover = keys.places[place]
        if mover == NOBODY:
            break
        home = np.int64(keys.entries[mover].mark) & mask
        if (place - home) & mask >= (place - hole) & mask:
            keys.places[hole] = mover
            hole = place
    keys.places[hole] = NOBODY


@njit(cache=True)
def _victim(keys):
    """The slot of the first key on the hand's way that has no credit left, freed."""
    hand = keys.ends[HAND]
    while keys.entries[hand].credit:
        keys.entries[hand].credit -= np.uint32(1)
        hand = hand + 1 if hand + 1 < keys.entries.size else 0
    keys.ends[HAND] = hand + 1 if hand + 1 < keys.entries.size else 0
    keys.ends[EVICTED] += 1
    _remove(keys, hand)
    return hand


@njit(cache=True)
def _insert(keys, place, high, low, mark):
    """A slot for a new key, whose place in the index is free unless somebody had to go first."""
    if keys.ends[SIZE] < keys.entries.size:
        slot = keys.ends[SIZE]
        keys.ends[SIZE] += 1
    else:
        slot = _victim(keys)
        place = _place(keys, high, low, mark)
    keys.places[place] = slot
    entry = keys.entries[slot]
    entry.high, entry.low, entry.mark, entry.credit = high, low, mark, np.uint32(0)
    return slot


@njit(cache=True)
def _touch(keys, hashes, start, end):
    """Read what the next rows need, all at once: a miss of the cache is waited for once a block, not once a row."""
    mask, touched = keys.places.size - 1, np.uint32(0)
    for row in range(start, end):
        slot = keys.places[np.int64(np.uint32(hashes[row])) & mask]
        touched ^= keys.entries[max(slot, 0)].mark
    return touched


@njit(cache=True)
def _locate(keys, addresses, hashes, times, idle, slots, turned):
    touched = np.uint32(0)
    for row in range(times.size):
        if row % BLOCK == 0:
            touched ^= _touch(keys, hashes, row, min(row + BLOCK, times.size))
        high, low, mark = addresses[row, 0], addresses[row, 1], np.uint32(hashes[row])
        place = _place(keys, high, low, mark)
        slot = np.int64(keys.places[place])
        anew = slot == NOBODY
        if anew:
            slot = _insert(keys, place, high, low, mark)
        entry = keys.entries[slot]
        if not anew:
            gap = times[row] - entry.seen
            anew = gap > idle or gap < -idle
            entry.credit = min(entry.credit + np.uint32(1), np.uint32(MOST_CREDIT))
        if anew or times[row] > entry.seen:
            entry.seen = times[row]
        slots[row] = slot
        turned[row] = anew
    return touched  # used, or the compiler would leave the reading out


@njit(cache=True)
def _fill(keys, count):
    for slot in range(count):
        entry = keys.entries[slot]
        place = _place(keys, entry.high, entry.low, entry.mark)
        if keys.places[place] != NOBODY:
            return False
        keys.places[place] = slot
        keys.ends[SIZE] += 1
    return True
