"""Who is being watched: a bounded table from source address to slot, and what was already reported of it.

A slot is a place in the arrays of every behaviour. When the table is full, the source that was silent longest gives its
slot up. Attackers choose addresses, so the hash is SipHash-2-4 under a secret key (Aumasson & Bernstein, 2012):
collisions cannot be aimed. Nothing that is found depends on the key. About 60 ns a row; 40 bytes a source.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

OLDEST, NEWEST, SIZE, FREE, EVICTED = range(5)
"""Places in :attr:`Table.ends`."""

NOBODY = -1


class Table(NamedTuple):
    """The table's arrays. ``address``: uint64 (capacity, 2); ``window``: int64, the window a source is in.

    ``older`` and ``newer`` chain the slots by when they were last touched; ``newer`` also chains free slots.
    ``places``: int32, open addressing with linear probing, at most half full. ``key``: the two words of SipHash's key.
    """

    address: NDArray[np.uint64]
    window: NDArray[np.int64]
    older: NDArray[np.int32]
    newer: NDArray[np.int32]
    places: NDArray[np.int32]
    ends: NDArray[np.int64]
    key: NDArray[np.uint64]


def table(capacity: int, key: tuple[int, int]) -> Table:
    """An empty table for ``capacity`` sources."""
    room = 1 << max(4, (2 * capacity - 1).bit_length())
    newer = np.arange(1, capacity + 1, dtype=np.int32)
    newer[-1] = NOBODY
    return Table(
        address=np.zeros((capacity, 2), np.uint64),
        window=np.zeros(capacity, np.int64),
        older=np.full(capacity, NOBODY, np.int32),
        newer=newer,
        places=np.full(room, NOBODY, np.int32),
        ends=np.array([NOBODY, NOBODY, 0, 0, 0], np.int64),
        key=np.array(key, np.uint64),
    )


def in_order(sources: Table) -> NDArray[np.int32]:
    """The slots in use, the longest silent first."""
    order = np.empty(int(sources.ends[SIZE]), np.int32)
    _walk(sources, order)
    return order


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN202, PLR0917
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


def locate(
    sources: Table,
    addresses: NDArray[np.uint64],
    windows: NDArray[np.int64],
    counted: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64]]:
    """Per row: the source's slot (-1 where not ``counted``), whether it begins anew here, and the window it is in.

    A source begins anew when it is new, or when its window is over. An event of the window just before is late and
    counts in the present one; one that is older still (a clock was set back) begins anew. O(rows).
    """
    count = len(windows)
    slots = np.empty(count, np.int32)
    turned = np.empty(count, np.bool_)
    effective = np.empty(count, np.int64)
    _locate(sources, addresses, windows, counted, slots, turned, effective)
    return slots, turned, effective


def forget(sources: Table, before: int) -> None:
    """Free the slots of the longest silent sources as long as their window is earlier than ``before``."""
    _forget(sources, before)


def siphash(high: int, low: int, key: tuple[int, int]) -> int:
    """SipHash-2-4 of the 16 bytes of two little-endian words; plain reference of the kernel."""
    mask = (1 << 64) - 1
    v0, v1 = key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D
    v2, v3 = key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573
    for word, rounds in ((high, 2), (low, 2), (16 << 56, 2), (None, 4)):
        v3 ^= word or 0
        v2 ^= 0xFF if word is None else 0
        for _ in range(rounds):
            v0, v2 = (v0 + v1) & mask, (v2 + v3) & mask
            v1, v3 = _left(v1, 13) ^ v0, _left(v3, 16) ^ v2
            v0, v2 = (_left(v0, 32) + v3) & mask, (v2 + v1) & mask
            v1, v3 = _left(v1, 17) ^ v2, _left(v3, 21) ^ v0
            v2 = _left(v2, 32)
        v0 ^= word or 0
    return v0 ^ v1 ^ v2 ^ v3


def _left(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & ((1 << 64) - 1)


@njit(cache=True)
def _round(v0, v1, v2, v3):
    v0 += v1
    v1 = (v1 << np.uint64(13) | v1 >> np.uint64(51)) ^ v0
    v0 = v0 << np.uint64(32) | v0 >> np.uint64(32)
    v2 += v3
    v3 = (v3 << np.uint64(16) | v3 >> np.uint64(48)) ^ v2
    v0 += v3
    v3 = (v3 << np.uint64(21) | v3 >> np.uint64(43)) ^ v0
    v2 += v1
    v1 = (v1 << np.uint64(17) | v1 >> np.uint64(47)) ^ v2
    v2 = v2 << np.uint64(32) | v2 >> np.uint64(32)
    return v0, v1, v2, v3


@njit(cache=True)
def _siphash(high, low, key):
    v0, v1 = key[0] ^ np.uint64(0x736F6D6570736575), key[1] ^ np.uint64(0x646F72616E646F6D)
    v2, v3 = key[0] ^ np.uint64(0x6C7967656E657261), key[1] ^ np.uint64(0x7465646279746573)
    for word in (high, low, np.uint64(16 << 56)):
        v3 ^= word
        for _ in range(2):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= np.uint64(0xFF)
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@njit(cache=True)
def _home(sources, high, low):
    """Where the index begins to look for an address."""
    return np.int64(_siphash(high, low, sources.key) & np.uint64(sources.places.size - 1))


@njit(cache=True)
def _place(sources, high, low):
    """The place in the index that holds the address, or the empty one where it belongs."""
    place = _home(sources, high, low)
    while True:
        slot = sources.places[place]
        if slot == NOBODY or (sources.address[slot, 0] == high and sources.address[slot, 1] == low):
            return place
        place = (place + 1) & (sources.places.size - 1)


@njit(cache=True)
def _unlink(sources, slot):
    older, newer = sources.older[slot], sources.newer[slot]
    if older == NOBODY:
        sources.ends[OLDEST] = newer
    else:
        sources.newer[older] = newer
    if newer == NOBODY:
        sources.ends[NEWEST] = older
    else:
        sources.older[newer] = older


@njit(cache=True)
def _append(sources, slot):
    newest = sources.ends[NEWEST]
    sources.older[slot] = newest
    sources.newer[slot] = NOBODY
    if newest == NOBODY:
        sources.ends[OLDEST] = slot
    else:
        sources.newer[newest] = slot
    sources.ends[NEWEST] = slot


@njit(cache=True)
def _remove(sources, slot):
    """Take a source out; later entries of its run move up, so that no probe stops early (Knuth 6.4, Algorithm R)."""
    mask = sources.places.size - 1
    hole = _place(sources, sources.address[slot, 0], sources.address[slot, 1])
    place = hole
    while True:
        place = (place + 1) & mask
        mover = sources.places[place]
        if mover == NOBODY:
            break
        home = _home(sources, sources.address[mover, 0], sources.address[mover, 1])
        if (place - home) & mask >= (place - hole) & mask:
            sources.places[hole] = mover
            hole = place
    sources.places[hole] = NOBODY
    _unlink(sources, slot)
    sources.newer[slot] = sources.ends[FREE]
    sources.ends[FREE] = slot
    sources.ends[SIZE] -= 1


@njit(cache=True)
def _insert(sources, high, low):
    """A slot for a new source, if need be that of the longest silent one. The caller sets its window."""
    if sources.ends[FREE] == NOBODY:
        _remove(sources, sources.ends[OLDEST])
        sources.ends[EVICTED] += 1
    slot = sources.ends[FREE]
    sources.ends[FREE] = sources.newer[slot]
    sources.places[_place(sources, high, low)] = slot
    sources.address[slot, 0] = high
    sources.address[slot, 1] = low
    sources.ends[SIZE] += 1
    _append(sources, slot)
    return slot


@njit(cache=True)
def _locate(sources, addresses, windows, counted, slots, turned, effective):
    for row in range(windows.size):
        turned[row] = False
        slots[row] = NOBODY
        effective[row] = windows[row]
        if not counted[row]:
            continue
        high, low = addresses[row, 0], addresses[row, 1]
        slot = np.int64(sources.places[_place(sources, high, low)])
        if slot == NOBODY:
            slot = _insert(sources, high, low)
            turned[row] = True
        elif sources.ends[NEWEST] != slot:
            _unlink(sources, slot)
            _append(sources, slot)
        present = sources.window[slot]
        if turned[row] or windows[row] > present or windows[row] < present - 1:
            turned[row] = True
            sources.window[slot] = windows[row]
        slots[row] = slot
        effective[row] = sources.window[slot]


@njit(cache=True)
def _forget(sources, before):
    while sources.ends[SIZE] > 0 and sources.window[sources.ends[OLDEST]] < before:
        _remove(sources, sources.ends[OLDEST])


@njit(cache=True)
def _walk(sources, order):
    slot = sources.ends[OLDEST]
    for place in range(order.size):
        order[place] = slot
        slot = sources.newer[slot]


@njit(cache=True)
def _fill(sources, addresses, windows):
    """Put sources into an empty table, the longest silent first; false if an address comes twice."""
    for row in range(windows.size):
        if sources.places[_place(sources, addresses[row, 0], addresses[row, 1])] != NOBODY:
            return False
        sources.window[_insert(sources, addresses[row, 0], addresses[row, 1])] = windows[row]
    return True


def fill(sources: Table, addresses: NDArray[np.uint64], windows: NDArray[np.int64]) -> bool:
    """Put sources into an empty table, slot 0 first and the longest silent first; false if an address comes twice."""
    return bool(_fill(sources, addresses, windows))
