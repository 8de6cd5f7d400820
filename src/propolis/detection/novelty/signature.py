"""MinHash: how alike two rows of tokens are, from 64 numbers of each.

Broder, "On the resemblance and containment of documents", 1997; bands as in Leskovec, Rajaraman & Ullman, "Mining of
Massive Datasets", 3.4. The hash family is multiply-shift (Dietzfelbinger et al., 1997). NumPy alone: a text has at most
256 shingles, and 64 rows of that are 15 µs; a compiled kernel would cost its process 70 MB for nothing.
"""

import hashlib
import itertools
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HASHES = 64
BANDS = 16
"""Of four hashes each: rows that are half alike meet in a band with probability 0.64, four fifths alike with 0.9998."""

Signature = NDArray[np.uint32]
"""Of shape (``HASHES``,)."""

_CHANCE = random.Random(1997)  # noqa: S311 - the family is public; what is secret is the shingles' key
_ODD = np.array([_CHANCE.getrandbits(64) | 1 for _ in range(HASHES)], np.uint64)[:, None]
_ADDED = np.array([_CHANCE.getrandbits(64) for _ in range(HASHES)], np.uint64)[:, None]


def shingles(tokens: Sequence[bytes], key: bytes) -> NDArray[np.uint64]:
    """The distinct pairs of neighbours in a row of tokens, hashed under a secret ``key``; ascending, never empty.

    BLAKE2b with a key, so that nobody can aim at a collision. O(tokens), 1 µs each.
    """
    row = (b"", *tokens, b"")
    pairs = {first + b"\0" + second for first, second in itertools.pairwise(row)}
    digests = b"".join(hashlib.blake2b(pair, digest_size=8, key=key).digest() for pair in pairs)
    return np.unique(np.frombuffer(digests, np.uint64))


def signature(shingles: NDArray[np.uint64]) -> Signature:
    """The least hash of all shingles, under each of the family. O(shingles · ``HASHES``)."""
    with np.errstate(over="ignore"):
        hashed = (_ODD * shingles[None, :] + _ADDED) >> np.uint64(32)
    least: Signature = hashed.min(axis=1).astype(np.uint32)
    return least


def plain_signature(shingles: Sequence[int]) -> list[int]:
    """What :func:`signature` makes, said plainly."""
    mask = (1 << 64) - 1
    return [
        min((int(odd) * shingle + int(added) & mask) >> 32 for shingle in shingles)
        for odd, added in zip(_ODD[:, 0], _ADDED[:, 0], strict=True)
    ]


def bands(signature: Signature) -> list[bytes]:
    """The keys under which those who may be alike meet: the band's number and its hashes."""
    rows = signature.reshape(BANDS, -1)
    return [bytes((band,)) + rows[band].tobytes() for band in range(BANDS)]


def alike(one: Signature, other: Signature) -> float:
    """The estimated Jaccard similarity of what two signatures were made of, 0 to 1; standard error at most 0.063."""
    return float(np.count_nonzero(one == other)) / HASHES
