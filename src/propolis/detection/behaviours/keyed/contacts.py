"""Contacts: whether a source meets a service (target, port, protocol) for the first time.

Only first contacts tell a scan from a client that tries again (Jung, Paxson, Berger & Balakrishnan, 2004). Like the
connection cache of Weaver, Staniford & Paxson (2004) the memory is a hash table of bits without chains: two services
that share a bit count as one, which can hide a contact but never invent one. With more than half of its bits set it
begins anew.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.sketch import add, ones

WORDS = 4
FULL = 32 * WORDS
"""Bits set beyond which a source's memory begins anew."""


class Contacts:
    """1 where a source's flow met a service first, be it there or not. 32 bytes a source; no rule asks for it."""

    name: ClassVar[str] = "contacts"
    most: ClassVar[int] = 1

    def columns(self, capacity: int) -> Columns:
        """``bits``: uint64 (capacity, 4), the services met."""
        return {"bits": np.zeros((capacity, WORDS), np.uint64)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write 1 for each first contact."""
        _count(slots, turned, facts.failed, facts.succeeded, facts.service, columns["bits"], counts)

    def plain(
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        met: dict[int, set[int]] = {}
        counts = []
        for row, slot in enumerate(slots.tolist()):
            services = set() if turned[row] else met.get(slot, set())
            bit = facts.service.item(row) % (64 * WORDS)
            first = bool(facts.failed[row] or facts.succeeded[row]) and bit not in services
            met[slot] = services | {bit} if first else services
            if len(met[slot]) > FULL:
                met[slot] = {bit}
            counts.append(int(first))
        return counts


@njit(cache=True)
def _count(slots, turned, failed, succeeded, services, bits, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if turned[row]:
            bits[slot] = 0
        if not (failed[row] or succeeded[row]) or not add(bits, slot, services[row]):
            continue
        counts[row] = 1
        total = 0
        for word in range(WORDS):
            total += ones(bits[slot, word])
        if total > FULL:
            bits[slot] = 0
            add(bits, slot, services[row])
