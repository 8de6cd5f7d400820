"""How surprising a row of tokens is, in bits, given all that came before it."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 17
"""Counters of shingles, 512 KiB; two that share one make the rarer look as common as the other, never rarer."""
MANY = 1 << 20
"""Texts after which every count is halved: what was common a long time ago becomes rare again."""
RAREST = 8
"""Shingles that a text is judged by: an exploit is a few of them in the middle of what everybody sends."""


class Rarity:
    """In how many distinct texts each shingle was met. ``counts``: uint32 of shape (``CELLS``,)."""

    __slots__ = ("counts", "texts")

    def __init__(self, counts: NDArray[np.uint32] | None = None, texts: int = 0) -> None:
        self.counts: NDArray[Any] = np.zeros(CELLS, np.uint32) if counts is None else counts
        self.texts = texts

    def bits(self, shingles: NDArray[np.uint64]) -> float:
        """The mean surprise of the ``RAREST`` shingles: -log2 of the share of texts that had one. O(shingles)."""
        counts = np.sort(self.counts[shingles % np.uint64(CELLS)])[:RAREST]
        return float(np.mean(math.log2(self.texts + 2) - np.log2(counts + 1.0)))

    def add(self, shingles: NDArray[np.uint64]) -> None:
        """One more text, of these shingles."""
        self.counts[np.unique(shingles % np.uint64(CELLS))] += np.uint32(1)
        self.texts += 1
        if self.texts >= MANY:
            self.counts >>= np.uint32(1)
            self.texts >>= 1
