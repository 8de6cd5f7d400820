"""Slow scans: in how many more of the last 24 hours a source only met what was not there than met what was.

Staying below a rate is how a scan hides from one ("low and slow"; Staniford, Hoagland & McAlerney, 2002). An hour's
bit is set by a first contact that failed, and an hour with any flow that succeeded takes one away; the rings of 24 bits
forget by themselves.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.sketch import ones

HOUR = 3_600 * SECOND
HOURS = 24
_RING = (1 << HOURS) - 1
_HOURS = np.dtype([("now", np.int32), ("failed", np.uint32), ("succeeded", np.uint32)], align=True)


class Slow:
    """Counts hours. 12 bytes a source."""

    name: ClassVar[str] = "slow"
    most: ClassVar[int] = HOURS

    def columns(self, capacity: int) -> Columns:
        """``hours``: the latest hour since the epoch, and for it (bit 0) and those before a bit of each kind."""
        return {"hours": np.zeros(capacity, _HOURS)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,
        counts: Counts,
    ) -> None:
        """Write the hours after each first contact that failed."""
        _count(
            slots,
            turned,
            facts.time,
            facts.failed,
            facts.succeeded,
            given["contacts"],
            columns["hours"],
            counts,
        )

    def plain(
        self, facts: Flows, slots: NDArray[np.int32], turned: NDArray[np.bool_], given: Given
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, tuple[int, set[int], set[int]]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            hour = facts.time.item(row) // HOUR
            now, failed, succeeded = (
                (hour, set(), set()) if turned[row] else state.get(slot, (hour, set(), set()))
            )
            now = max(now, hour)
            failed = {one for one in failed if one > now - HOURS}
            succeeded = {one for one in succeeded if one > now - HOURS}
            if facts.succeeded[row] and hour > now - HOURS:
                succeeded.add(hour)
            if facts.failed[row] and given["contacts"][row] and hour > now - HOURS:
                failed.add(hour)
                counts[row] = max(0, len(failed - succeeded) - len(succeeded))
            state[slot] = now, failed, succeeded
        return counts


@njit(cache=True)
def _count(slots, turned, times, failed, succeeded, first, hours, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        own, hour = hours[slots[row]], np.int32(times[row] // HOUR)
        if turned[row]:
            own.now, own.failed, own.succeeded = hour, np.uint32(0), np.uint32(0)
        ahead = np.int64(hour) - own.now
        if ahead > 0:
            own.now = hour
            own.failed = own.failed << ahead & _RING if ahead < HOURS else 0
            own.succeeded = own.succeeded << ahead & _RING if ahead < HOURS else 0
        age = max(0, -ahead)
        if age >= HOURS:
            continue
        if succeeded[row]:
            own.succeeded |= np.uint32(1 << age)
        elif failed[row] and first[row]:
            own.failed |= np.uint32(1 << age)
            worked = ones(np.uint64(own.succeeded))
            counts[row] = max(0, ones(np.uint64(own.failed & ~own.succeeded)) - worked)
