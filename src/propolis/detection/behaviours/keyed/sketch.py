"""How many different things: sketches small enough for every source to have one.

A bitmap of 128 bits counts up to some hundred (linear counting: Whang, Vander-Zanden & Taylor, 1990); 64 registers
count millions with 13 % error (HyperLogLog: Flajolet, Fusy, Gandouet & Meunier, 2007). A thing is its hash under a
secret, so nobody can choose things that count as one.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

BITS = 128
"""Of a bitmap: two words."""

REGISTERS = 64
"""Of a HyperLogLog: a byte each."""


def _linear(size: int) -> NDArray[np.int32]:
    """By the number of set bits of ``size``, the number of different things that makes it most likely."""
    ones = np.arange(size)
    full = round(size * math.log(2 * size))  # one more than all but one bit: what a full map is taken for
    return np.append(np.rint(-size * np.log1p(-ones / size)), full).astype(np.int32)


LINEAR = _linear(BITS)
"""By set bits of a bitmap: how many different things."""

MOST = int(LINEAR[-1])
"""The largest number that a bitmap tells."""

MOST_CROWD = 1_000_000
"""The largest number that is told of registers."""

_LINEAR_REGISTERS = _linear(REGISTERS)
_ALPHA = 0.709 * REGISTERS * REGISTERS  # Flajolet et al., figure 3: m = 64
_SMALL = 2.5 * REGISTERS


def estimate(registers: NDArray[np.uint8]) -> int:
    """How many different things 64 registers have seen; plain reference of the kernel."""
    raw = _ALPHA / sum(2.0 ** -int(register) for register in registers)
    ones = sum(1 for register in registers if register)
    if raw <= _SMALL and ones < REGISTERS:
        return int(_LINEAR_REGISTERS[ones])
    return min(MOST_CROWD, int(raw))


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN201
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


@njit(cache=True)
def ones(word):
    """The number of set bits of a 64-bit word (Warren, Hacker's Delight, 5-1)."""
    word -= word >> np.uint64(1) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (word >> np.uint64(2) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64(word * np.uint64(0x0101010101010101) >> np.uint64(56))


@njit(cache=True)
def add(bits, slot, thing):
    """Set the bit of a thing (a hash) in bitmap ``bits[slot]``, and tell whether it was not set before."""
    word = np.int64(thing >> np.uint64(6) & np.uint64(bits.shape[1] - 1))
    bit = np.uint64(1) << (thing & np.uint64(63))
    if bits[slot, word] & bit:
        return False
    bits[slot, word] |= bit
    return True


@njit(cache=True)
def register(registers, slot, thing):
    """Add a thing (a hash) to ``registers[slot]``, and tell whether that changed anything."""
    place, rest, rank = np.int64(thing & np.uint64(REGISTERS - 1)), thing >> np.uint64(6), np.uint8(1)
    while rest & np.uint64(1) == 0 and rank < 59:
        rest >>= np.uint64(1)
        rank += np.uint8(1)
    if rank <= registers[slot, place]:
        return False
    registers[slot, place] = rank
    return True


@njit(cache=True)
def crowd(registers, slot):
    """:func:`estimate` of ``registers[slot]``."""
    total, full = 0.0, 0
    for place in range(REGISTERS):
        total += 2.0 ** -np.float64(registers[slot, place])
        full += registers[slot, place] > 0
    raw = _ALPHA / total
    if raw <= _SMALL and full < REGISTERS:
        return np.int64(_LINEAR_REGISTERS[full])
    return min(np.int64(MOST_CROWD), np.int64(raw))
