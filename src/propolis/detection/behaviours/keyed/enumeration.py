"""Enumeration: how many different names a source asked for that are not there (ATT&CK T1595.003).

A crawler follows links, so most of what it asks for exists, and a monitor asks for the same again; a word list misses
more than it hits, and never repeats itself. So the count is the number of different names missed, as long as at least
half of what was asked for was missed, and a miss is most often a new name (the misses have nearly the entropy of a list
that holds each once).
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.names import Names
from propolis.detection.behaviours.keyed.sketch import BITS, LINEAR, MOST, add, ones

MOST_ASKED = 65_535


class Enumeration:
    """Counts names. 20 bytes a source."""

    name: ClassVar[str] = "enumeration"
    most: ClassVar[int] = MOST

    def columns(self, capacity: int) -> Columns:
        """``names``: uint64 (capacity, 2), a bitmap of those missed; ``asked``, ``missed``: uint16, all of them."""
        return {
            "names": np.zeros((capacity, BITS // 64), np.uint64),
            "asked": np.zeros(capacity, np.uint16),
            "missed": np.zeros(capacity, np.uint16),
        }

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Names,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write the names after each miss."""
        names, asked, missed = columns["names"], columns["asked"], columns["missed"]
        _count(slots, turned, facts.name, facts.missed, names, asked, missed, counts)

    def plain(
        self,
        facts: Names,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, tuple[set[int], int, int]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            names, asked, missed = (set(), 0, 0) if turned[row] else state.get(slot, (set(), 0, 0))
            if asked == MOST_ASKED:
                asked, missed = asked // 2, missed // 2
            asked += 1
            if facts.missed[row]:
                missed, names = missed + 1, names | {facts.name.item(row) % BITS}
                different = int(LINEAR[len(names)])
                counts[row] = different if 2 * missed >= asked and 2 * different >= missed else 0
            state[slot] = names, asked, missed
        return counts


@njit(cache=True)
def _count(slots, turned, name, misses, names, asked, missed, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if turned[row]:
            names[slot] = 0
            asked[slot] = 0
            missed[slot] = 0
        if asked[slot] == MOST_ASKED:
            asked[slot] //= 2
            missed[slot] //= 2
        asked[slot] += 1
        if not misses[row]:
            continue
        missed[slot] += 1
        add(names, slot, name[row])
        different = LINEAR[ones(names[slot, 0]) + ones(names[slot, 1])]
        if 2 * np.int64(missed[slot]) >= asked[slot] and 2 * different >= np.int64(missed[slot]):
            counts[row] = different
