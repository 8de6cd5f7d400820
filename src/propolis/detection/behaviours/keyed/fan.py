"""Fans: one thing held still, and another varied. Horizontal and vertical scans, and password spraying.

What is held still is found by majority vote in one pass (Boyer & Moore, 1981), bounded so that a source may change its
mind; what shows that nobody is held (a service that is there, in a scan) votes against. How many different things were
tried beside it is counted in a bitmap (:mod:`.sketch`).
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.logins import Logins
from propolis.detection.behaviours.keyed.sketch import BITS, LINEAR, MOST, add, ones

MOST_VOTES = 15

HELD = 2
"""A count from here on says that what is held was held before."""

F = TypeVar("F")


class Rows(NamedTuple):
    """By row: whether it counts, whether it votes against, what may be held still in it, and what may be varied."""

    on: NDArray[np.bool_]
    against: NDArray[np.bool_]
    keys: NDArray[np.uint32]
    things: NDArray[np.uint64]


class Fan(ABC, Generic[F]):
    """How many different things a source tried with the one that it holds. 21 bytes a source."""

    name: ClassVar[str]
    most: ClassVar[int] = MOST

    @abstractmethod
    def rows(self, facts: F, given: Given) -> Rows:
        """What the rows are to this fan."""

    def columns(self, capacity: int) -> Columns:
        """``held``: uint32; ``votes``: uint8; ``bits``: uint64 (capacity, 2), the things tried with it."""
        return {
            "held": np.zeros(capacity, np.uint32),
            "votes": np.zeros(capacity, np.uint8),
            "bits": np.zeros((capacity, BITS // 64), np.uint64),
        }

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: F,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,
        counts: Counts,
    ) -> None:
        """Write, for each row that holds what its source holds, how many things were tried with it."""
        rows = self.rows(facts, given)
        matter = np.flatnonzero(rows.on | rows.against | turned)
        _count(matter, slots, turned, rows, columns["held"], columns["votes"], columns["bits"], counts)

    def plain(self, facts: F, slots: NDArray[np.int32], turned: NDArray[np.bool_], given: Given) -> list[int]:
        """The same from fresh state, one row at a time."""
        on, against, keys, things = self.rows(facts, given)
        state: dict[int, tuple[int, int, frozenset[int]]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            held, votes, tried = state.get(slot, (0, 0, frozenset()))
            votes = 0 if turned[row] else votes
            if on[row] and (votes == 0 or held == keys[row]):
                tried = (tried if votes else frozenset()) | {int(things[row]) % BITS}
                held, votes = int(keys[row]), min(votes + 1, MOST_VOTES)
                counts[row] = int(LINEAR[len(tried)])
            elif votes and (on[row] or (against[row] and held == keys[row])):
                votes -= 1
            state[slot] = held, votes, tried
        return counts


class Horizontal(Fan[Flows]):
    """On how many targets a source looked for one port, and found nothing (ATT&CK T1595.001, T1046)."""

    name: ClassVar[str] = "horizontal"

    def rows(self, facts: Flows, given: Given) -> Rows:
        """First contacts that failed, against those that did not; the port is held, the target varies."""
        first = given["contacts"] > 0
        return Rows(facts.failed & first, facts.succeeded & first, facts.port, facts.service)


class Vertical(Fan[Flows]):
    """On how many ports of one target a source found nothing (ATT&CK T1046)."""

    name: ClassVar[str] = "vertical"

    def rows(self, facts: Flows, given: Given) -> Rows:
        """First contacts that failed, against those that did not; the target is held, the port varies."""
        first = given["contacts"] > 0
        targets = facts.target.astype(np.uint32)
        return Rows(facts.failed & first, facts.succeeded & first, targets, facts.service)


class Spraying(Fan[Logins]):
    """For how many users a source tried one secret (ATT&CK T1110.003)."""

    name: ClassVar[str] = "spraying"

    def rows(self, facts: Logins, given: Given) -> Rows:  # noqa: ARG002 - the protocol of a fan
        """All logins; the secret is held, the user varies."""
        on = np.ones(facts.count, np.bool_)
        return Rows(on, ~on, facts.secret.astype(np.uint32), facts.user)


@njit(cache=True)
def _count(matter, slots, turned, rows, held, votes, bits, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in matter:
        slot, key = slots[row], rows.keys[row]
        if turned[row]:
            votes[slot] = 0
        on, against = rows.on[row], rows.against[row]
        if on and (votes[slot] == 0 or held[slot] == key):
            if votes[slot] == 0:
                held[slot] = key
                bits[slot] = 0
            if votes[slot] < MOST_VOTES:
                votes[slot] += 1
            add(bits, slot, rows.things[row])
            counts[row] = LINEAR[ones(bits[slot, 0]) + ones(bits[slot, 1])]
        elif votes[slot] and (on or (against and held[slot] == key)):
            votes[slot] -= 1
