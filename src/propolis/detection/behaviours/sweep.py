"""Sweep: on how many different ports of ours a source has opened a connection in this window (ATT&CK T1046)."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns, Step
from propolis.detection.columns import Rows


class Sweep:
    """Counts the distinct target ports of a source's rows, of any kind: each proves a connection. 33 bytes a source."""

    name: ClassVar[str] = "sweep"
    most: ClassVar[int] = 16

    def columns(self, capacity: int) -> Columns:
        """``ports``: uint16 of shape (capacity, most), the ports met; ``met``: uint8, how many of them are set."""
        return {"ports": np.zeros((capacity, self.most), np.uint16), "met": np.zeros(capacity, np.uint8)}

    def count(
        self,
        rows: Rows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
    ) -> NDArray[np.int32]:
        """Per row, the source's new count if this row raised it, else 0."""
        counts = np.zeros(rows.count, np.int32)
        _count(slots, turned, rows.target_port, columns["ports"], columns["met"], counts)
        return counts

    def held(self, columns: Columns) -> NDArray[Any]:
        """The present count of every slot."""
        return columns["met"]

    def plain(self, steps: Iterable[Step]) -> list[int]:
        """The same from fresh state, one step at a time."""
        ports: dict[int, set[int]] = {}
        counts = []
        for step in steps:
            met = set() if step.turned else ports.get(step.slot, set())
            raised = step.slot >= 0 and step.port not in met and len(met) < self.most
            ports[step.slot] = met | {step.port} if raised else met
            counts.append(len(ports[step.slot]) if raised else 0)
        return counts


@njit(cache=True)
def _count(slots, turned, targets, ports, met, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if slot < 0:
            continue
        if turned[row]:
            met[slot] = 0
            ports[slot] = 0
        if met[slot] == ports.shape[1]:
            continue
        known = False
        for place in range(met[slot]):
            known |= ports[slot, place] == targets[row]
        if not known:
            ports[slot, met[slot]] = targets[row]
            met[slot] += 1
            counts[row] = met[slot]
