"""Scanning by sequential hypothesis test: threshold random walk (Jung, Paxson, Berger & Balakrishnan, IEEE S&P 2004).

Each first contact of a source either succeeds or fails. An ordinary source succeeds with probability theta0, a scanner
with theta1. The logarithm of the likelihood ratio walks up with each failure and down with each success, until it
reaches log(beta / alpha), where a scan is certain up to a probability alpha of being wrong, or falls to
log((1 - beta) / (1 - alpha)), where the source is ordinary (Wald, 1947); there the walk waits, so that a source which
has proved itself has that much credit when its network fails. The count is the number of nines: n says that alpha is
at most 10^-n. So a rule's threshold is its price in false alarms.

Two walks are taken. ``scan`` has the paper's parameters, and looks at failures that share their port or their target
with the source's others (:mod:`.fan`), as a scan's do: with 4 nines it takes eight connections. ``scatter`` looks at
all, against a peer-to-peer client, whose peers are scattered and often gone: it takes 26 to 5 nines.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.fan import HELD
from propolis.detection.behaviours.keyed.flows import Flows

BETA = 0.99
"""The probability that a scanner is found before it is taken for ordinary."""

DECADE = 10_000
"""Steps of the walk in a factor of ten; whole numbers, so that every machine walks alike."""

MOST_NINES = 12

_FLOOR = round(DECADE * math.log10(1 - BETA))
_CEILING = MOST_NINES * DECADE
_BETA = round(DECADE * math.log10(BETA))


class Walk(ABC):
    """A threshold random walk between ``theta0`` and ``theta1``. 4 bytes a source."""

    name: ClassVar[str]
    most: ClassVar[int] = MOST_NINES
    theta0: ClassVar[float]
    """The share of first contacts that succeed, of an ordinary source."""
    theta1: ClassVar[float]
    """The same of a scanner."""

    def __init__(self) -> None:
        self.up = round(DECADE * math.log10((1 - self.theta1) / (1 - self.theta0)))
        self.down = round(DECADE * math.log10(self.theta1 / self.theta0))

    @abstractmethod
    def steps(self, facts: Flows, given: Given) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Per row: whether it is a step up, and whether it is one down."""

    def columns(self, capacity: int) -> Columns:
        """``walk``: int32, the logarithm of the likelihood ratio in steps."""
        return {"walk": np.zeros(capacity, np.int32)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,
        counts: Counts,
    ) -> None:
        """Write the nines after each step up."""
        ups, downs = self.steps(facts, given)
        _count(
            np.flatnonzero(ups | downs | turned),
            slots,
            turned,
            ups,
            downs,
            self.up,
            self.down,
            columns["walk"],
            counts,
        )

    def plain(
        self, facts: Flows, slots: NDArray[np.int32], turned: NDArray[np.bool_], given: Given
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        ups, downs = self.steps(facts, given)
        walks: dict[int, int] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            walk = 0 if turned[row] else walks.get(slot, 0)
            if ups[row]:
                walk = min(walk + self.up, _CEILING)
                counts[row] = max(0, (walk - _BETA) // DECADE)
            elif downs[row]:
                walk += self.down
            walks[slot] = max(walk, _FLOOR)
        return counts


class Scan(Walk):
    """The paper's walk over failures that share a port or a target (ATT&CK T1595, T1046)."""

    name: ClassVar[str] = "scan"
    theta0: ClassVar[float] = 0.8
    theta1: ClassVar[float] = 0.2

    def steps(self, facts: Flows, given: Given) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Up with what is part of a fan, down with every first contact that succeeded."""
        fans = (given["horizontal"] >= HELD) | (given["vertical"] >= HELD)
        return fans, facts.succeeded & (given["contacts"] > 0)


class Scatter(Walk):
    """A walk over all first contacts, whatever their ports and targets (ATT&CK T1595)."""

    name: ClassVar[str] = "scatter"
    theta0: ClassVar[float] = 0.4
    theta1: ClassVar[float] = 0.05

    def steps(self, facts: Flows, given: Given) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Up with every first contact that failed, down with every one that succeeded."""
        first = given["contacts"] > 0
        return facts.failed & first, facts.succeeded & first


@njit(cache=True)
def _count(matter, slots, turned, ups, downs, up, down, walks, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in matter:
        slot = slots[row]
        if turned[row]:
            walks[slot] = 0
        if ups[row]:
            walks[slot] = min(walks[slot] + up, _CEILING)
            counts[row] = max(0, (walks[slot] - _BETA) // DECADE)
        elif downs[row]:
            walks[slot] = max(walks[slot] + down, _FLOOR)
