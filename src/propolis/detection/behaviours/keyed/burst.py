"""Bursts: how far a source's flows a minute are above what it has taught us to expect (ATT&CK T1498, T1595).

The expectation is an exponentially weighted mean of past minutes; what goes beyond twice of it adds up (CUSUM: Page,
1954), and falls again in quiet minutes. A minute teaches no more than four times the expectation, so a burst does not
teach us to expect it. Nothing is said before :data:`WARM` minutes are known.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.flows import Flows

MINUTE = 60 * SECOND
WARM = 16
"""Minutes of a source that must be known before it can burst."""
MEMORY = 4
"""The mean forgets: each minute counts 1 in 2^4."""
ONE = 256
"""Flows are counted in parts of this many, so that the mean is a whole number."""
LEAST = 8 * ONE
"""The least that is expected of anybody, a minute."""
MOST_QUIET = 64
"""Quiet minutes that are looked at one by one; after them nothing is expected any more."""
MOST_SUM = 1 << 30
MOST_EXCESS = 10_000
_PACE = np.dtype(
    [("minute", np.int32), ("flows", np.int32), ("mean", np.int32), ("sum", np.int32), ("known", np.int32)]
)


class Burst:
    """Counts how many times the expectation of a minute is in excess. 20 bytes a source."""

    name: ClassVar[str] = "burst"
    most: ClassVar[int] = MOST_EXCESS

    def columns(self, capacity: int) -> Columns:
        """``pace``: what is expected of a source.

        ``minute``: the present one since the epoch; ``flows``: in it so far; ``mean`` and ``sum``: in parts of
        :data:`ONE`; ``known``: how many minutes are.
        """
        return {"pace": np.zeros(capacity, _PACE)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write the excess after each row."""
        _count(slots, turned, facts.time, columns["pace"], counts)

    def plain(
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, tuple[int, int, int, int, int]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            minute = facts.time.item(row) // MINUTE
            present, flows, mean, total, known = (
                (minute, 0, 0, 0, 0) if turned[row] else state.get(slot, (minute, 0, 0, 0, 0))
            )
            for ended in range(min(max(0, minute - present), MOST_QUIET + 1)):
                came = 0 if ended else flows * ONE
                if known >= WARM:
                    total = min(max(0, total + came - allowed(mean)), MOST_SUM)
                mean += (min(came, 2 * allowed(mean)) - mean) >> MEMORY
                known = min(known + 1, WARM)
            present, flows = max(minute, present), flows if minute <= present else 0
            flows = min(flows + 1, MOST_SUM // ONE)
            over = total + flows * ONE - allowed(mean)
            if known >= WARM and over > 0:
                counts[row] = min(MOST_EXCESS, over // max(mean, LEAST))
            state[slot] = present, flows, mean, total, known
        return counts


def allowed(mean: int) -> int:
    """What a minute may have, in parts of :data:`ONE`, when ``mean`` is expected."""
    return 2 * max(mean, LEAST)


@njit(cache=True)
def _close(own, flows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers
    """A minute ended with this many flows, in parts of :data:`ONE`."""
    expected = np.int64(max(own.mean, LEAST))
    if own.known >= WARM:
        own.sum = min(max(0, own.sum + flows - 2 * expected), MOST_SUM)
    own.mean += (min(flows, 4 * expected) - own.mean) >> MEMORY
    own.known = min(own.known + 1, WARM)


@njit(cache=True)
def _count(slots, turned, times, pace, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers; arrays go in by place
    for row in range(slots.size):
        own, minute = pace[slots[row]], np.int32(times[row] // MINUTE)
        if turned[row]:
            own.minute, own.flows, own.mean, own.sum, own.known = minute, 0, 0, 0, 0
        if minute > own.minute:
            quiet = min(np.int64(minute) - own.minute - 1, MOST_QUIET)
            _close(own, np.int64(own.flows) * ONE)
            for _ in range(quiet):
                _close(own, np.int64(0))
            own.minute, own.flows = minute, 0
        if own.flows < MOST_SUM // ONE:
            own.flows += 1
        expected = np.int64(max(own.mean, LEAST))
        over = np.int64(own.sum) + np.int64(own.flows) * ONE - 2 * expected
        if own.known >= WARM and over > 0:
            counts[row] = min(MOST_EXCESS, over // expected)
