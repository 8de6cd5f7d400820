"""Stuffing: how many users a source tried with a secret of their own, each about once (ATT&CK T1110.004).

Whoever holds pairs stolen elsewhere has one secret a user; who guesses has many a user, who sprays one for all. So the
count is the smaller of different users and different secrets, as long as there are not many more tries than either.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.logins import Logins
from propolis.detection.behaviours.keyed.sketch import BITS, LINEAR, MOST, add, ones

MOST_TRIES = 65_535


class Stuffing:
    """Counts users. 34 bytes a source."""

    name: ClassVar[str] = "stuffing"
    most: ClassVar[int] = MOST

    def columns(self, capacity: int) -> Columns:
        """``users``, ``secrets``: uint64 (capacity, 2), bitmaps; ``tries``: uint16."""
        return {
            "users": np.zeros((capacity, BITS // 64), np.uint64),
            "secrets": np.zeros((capacity, BITS // 64), np.uint64),
            "tries": np.zeros(capacity, np.uint16),
        }

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Logins,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write the users after each try that still looks like one of a list of pairs."""
        users, secrets, tries = columns["users"], columns["secrets"], columns["tries"]
        _count(slots, turned, facts.user, facts.secret, users, secrets, tries, counts)

    def plain(
        self,
        facts: Logins,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, tuple[set[int], set[int], int]] = {}
        counts = []
        for row, slot in enumerate(slots.tolist()):
            users, secrets, tries = (set(), set(), 0) if turned[row] else state.get(slot, (set(), set(), 0))
            users = users | {facts.user.item(row) % BITS}
            secrets = secrets | {facts.secret.item(row) % BITS}
            tries = min(tries + 1, MOST_TRIES)
            state[slot] = users, secrets, tries
            fewer = int(min(LINEAR[len(users)], LINEAR[len(secrets)]))
            counts.append(fewer if 2 * tries <= 3 * fewer else 0)
        return counts


@njit(cache=True)
def _count(slots, turned, user, secret, users, secrets, tries, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if turned[row]:
            users[slot] = 0
            secrets[slot] = 0
            tries[slot] = 0
        add(users, slot, user[row])
        add(secrets, slot, secret[row])
        if tries[slot] < MOST_TRIES:
            tries[slot] += 1
        fewer = min(
            LINEAR[ones(users[slot, 0]) + ones(users[slot, 1])],
            LINEAR[ones(secrets[slot, 0]) + ones(secrets[slot, 1])],
        )
        if 2 * np.int64(tries[slot]) <= 3 * fewer:
            counts[row] = fewer
