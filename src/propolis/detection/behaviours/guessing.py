"""Guessing: how many credentials a source has tried in this window (ATT&CK T1110.001)."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns, Step
from propolis.detection.columns import KIND_NAMES, Rows

_TRIED = KIND_NAMES.index("CredentialTried")


class Guessing:
    """Counts ``CredentialTried``. 2 bytes a source."""

    name: ClassVar[str] = "guessing"
    most: ClassVar[int] = 10_000

    def columns(self, capacity: int) -> Columns:
        """``tries``: uint16, how many so far; it stays at ``most``."""
        return {"tries": np.zeros(capacity, np.uint16)}

    def count(
        self,
        rows: Rows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
    ) -> NDArray[np.int32]:
        """Per row, the source's new count if this row raised it, else 0."""
        counts = np.zeros(rows.count, np.int32)
        _count(slots, turned, rows.kind, columns["tries"], _TRIED, self.most, counts)
        return counts

    def held(self, columns: Columns) -> NDArray[Any]:
        """The present count of every slot."""
        return columns["tries"]

    def plain(self, steps: Iterable[Step]) -> list[int]:
        """The same from fresh state, one step at a time."""
        tries: dict[int, int] = {}
        counts = []
        for step in steps:
            seen = 0 if step.turned else tries.get(step.slot, 0)
            raised = step.kind == _TRIED and step.slot >= 0 and seen < self.most
            tries[step.slot] = seen + raised
            counts.append(tries[step.slot] if raised else 0)
        return counts


@njit(cache=True)
def _count(slots, turned, kinds, tries, tried, most, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if slot < 0:
            continue
        if turned[row]:
            tries[slot] = 0
        if kinds[row] == tried and tries[slot] < most:
            tries[slot] += 1
            counts[row] = tries[slot]
