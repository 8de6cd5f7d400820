"""How many different sources something came from, in constant space, and how many of them of late.

The ``SMALLEST`` least hashes of all sources are kept: up to that many are counted exactly, beyond it their number is
told by how close together they lie (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", 2002).
Two sketches merge into that of both together, so spread is counted over lanes and over sensors alike.
"""

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from propolis.clock import SECOND

SMALLEST = 64
"""Standard error of the estimate: 1/sqrt(62), 13 %."""
HALF_LIFE_SECONDS = 6 * 3_600
"""After it, a source that was new counts half as one that is new now."""

_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashed(addresses: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """Addresses of shape (rows, 2) to 64 bits each, under a secret key (the mixer of SplitMix64, twice). O(rows)."""
    with np.errstate(over="ignore"):
        return _mix(_mix(addresses[:, 0] ^ np.uint64(key)) ^ addresses[:, 1])


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


class Spread(msgspec.Struct):
    """``least``: the smallest hashes, ascending, uint64 of at most ``SMALLEST``.

    ``recent``: sources that were new, each halved every half-life, as of ``updated`` (UTC nanoseconds).
    """

    least: Any  # NDArray[np.uint64]: msgspec has no type for arrays
    recent: float = 0.0
    updated: int = 0

    @classmethod
    def fresh(cls) -> "Spread":
        """Nobody yet."""
        return cls(np.empty(0, np.uint64))

    @property
    def sources(self) -> int:
        """How many different ones, exactly below ``SMALLEST``, estimated beyond."""
        if len(self.least) < SMALLEST:
            return len(self.least)
        return max(SMALLEST, round((SMALLEST - 1) * 2.0**64 / (float(self.least[-1]) + 1.0)))

    def add(self, sources: NDArray[np.uint64], now: int) -> None:
        """Take hashes of sources that were seen at ``now``. O(sources log sources)."""
        before = self.sources
        self.least = np.union1d(self.least, sources)[:SMALLEST]
        self.recent = self.lately(now) + max(0, self.sources - before)
        self.updated = max(self.updated, now)

    def lately(self, now: int) -> float:
        """How many of the sources are new at ``now``; one from a half-life ago counts half."""
        return self.recent * math.pow(0.5, max(0, now - self.updated) / (HALF_LIFE_SECONDS * SECOND))
