"""SipHash-1-3: what attackers choose (addresses, ports, names) becomes a place in a table that they cannot aim at.

Aumasson & Bernstein, 2012. One round a word and three at the end are what the hash tables of Rust and CPython use: half
the cost of SipHash-2-4, and as good against flooding. The loop over addresses has no branch and is compiled to vector
instructions: 2 ns each.
"""

from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

Key: TypeAlias = NDArray[np.uint64]
"""The two words of the secret key."""

_MASK = (1 << 64) - 1


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """The hash of any bytes; plain reference of the kernels."""
    v0, v1 = key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D
    v2, v3 = key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573
    tail = len(data) // 8 * 8
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, tail, 8)]
    words.append(int.from_bytes(data[tail:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v0, v1, v2, v3 = _plain_round(v0, v1, v2, v3 ^ word)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _plain_round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _plain_round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0, v2 = (v0 + v1) & _MASK, (v2 + v3) & _MASK
    v1, v3 = _left(v1, 13) ^ v0, _left(v3, 16) ^ v2
    v0, v2 = (_left(v0, 32) + v3) & _MASK, (v2 + v1) & _MASK
    return v0, _left(v1, 17) ^ v2, _left(v2, 32), _left(v3, 21) ^ v0


def _left(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def hash_pairs(words: NDArray[np.uint64], key: Key) -> NDArray[np.uint64]:
    """Of each row of uint64 (rows, 2), the hash of its 16 bytes. O(rows)."""
    hashes = np.empty(len(words), np.uint64)
    high, low = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])  # vectors need them so
    _hash_pairs(high, low, key[0], key[1], hashes)
    return hashes


def hash_texts(column: pa.Array, key: Key) -> NDArray[np.uint64]:
    """Of each row of a string or binary column, the hash of its bytes; null is empty. O(bytes)."""
    _, offsets, data = column.buffers()
    hashes = np.empty(len(column), np.uint64)
    if len(column):
        places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
        text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        _hash_texts(places, text, key[0], key[1], hashes)
    return hashes


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN202
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


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
def _word(v0, v1, v2, v3, word):
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
    return v0 ^ word, v1, v2, v3


@njit(cache=True)
def _begin(k0, k1):
    return (
        k0 ^ np.uint64(0x736F6D6570736575),
        k1 ^ np.uint64(0x646F72616E646F6D),
        k0 ^ np.uint64(0x6C7967656E657261),
        k1 ^ np.uint64(0x7465646279746573),
    )


@njit(cache=True)
def _end(v0, v1, v2, v3):
    v2 ^= np.uint64(0xFF)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@njit(cache=True)
def _hash_pairs(high, low, k0, k1, hashes):
    for row in range(hashes.size):
        v0, v1, v2, v3 = _begin(k0, k1)
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, high[row])
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, low[row])
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, np.uint64(16 << 56))
        hashes[row] = _end(v0, v1, v2, v3)


@njit(cache=True)
def _hash_texts(offsets, text, k0, k1, hashes):
    for row in range(hashes.size):
        v0, v1, v2, v3 = _begin(k0, k1)
        word, size = np.uint64(0), offsets[row + 1] - offsets[row]
        for place in range(size):
            word |= np.uint64(text[offsets[row] + place]) << np.uint64(8 * (place & 7))
            if place & 7 == 7:
                v0, v1, v2, v3 = _word(v0, v1, v2, v3, word)
                word = np.uint64(0)
        v0, v1, v2, v3 = _word(v0, v1, v2, v3, word | np.uint64(size & 255) << np.uint64(56))
        hashes[row] = _end(v0, v1, v2, v3)
