"""Sequence: how far a source went along scan, attempt, confirmed, in this order and within a day.

The order is what an intruder cannot skip (Hutchins, Cloppert & Amin, 2011: the kill chain): one who looks, then tries,
then uses what a decoy gave is the same hand at work, whatever each step was worth alone.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.siphash import Key
from propolis.events import pack
from propolis.events.flow import CLASSES
from propolis.findings import GRADES, Finding


class Grades:
    """Findings, counted by their source. ``grade``: uint8, the place in :data:`~propolis.findings.GRADES`."""

    def __init__(self, batch: tuple[Finding, ...], key: Key) -> None:  # noqa: ARG002 - every reader of facts has it
        self._batch = batch
        self.count = len(batch)
        packed = b"".join(pack(finding.source) for finding in batch)
        self.source = self.key = np.frombuffer(packed, np.uint64).reshape(-1, 2)
        self.time = np.array([finding.last_seen for finding in batch], np.int64)
        self.grade = np.array([GRADES.index(finding.grade) for finding in batch], np.uint8)
        self.evidence = np.array([CLASSES.index(finding.evidence_class) for finding in batch], np.uint8)

    def event(self, row: int) -> tuple[bytes, int]:
        """The finding's id, and its place."""
        return bytes.fromhex(self._batch[row].id), row

    def place(self, row: int) -> tuple[str, int, str]:
        """Where the finding's evidence is from."""
        finding = self._batch[row]
        return next(iter(finding.sensors), ""), finding.shard, next(iter(finding.lures), "")

    def summary(self, row: int) -> str:
        """The rule, and its grade."""
        return f"{self._batch[row].rule} ({self._batch[row].grade})"


class Sequence:
    """Counts steps. 1 byte a source."""

    name: ClassVar[str] = "sequence"
    most: ClassVar[int] = len(GRADES) - 1

    def columns(self, capacity: int) -> Columns:
        """``stage``: uint8, how many steps were taken."""
        return {"stage": np.zeros(capacity, np.uint8)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Grades,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write the steps after each that was the next."""
        _count(slots, turned, facts.grade, columns["stage"], counts)

    def plain(
        self,
        facts: Grades,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        stages: dict[int, int] = {}
        counts = []
        for row, slot in enumerate(slots.tolist()):
            stage = 0 if turned[row] else stages.get(slot, 0)
            taken = facts.grade.item(row) == stage + 1
            stages[slot] = stage + taken
            counts.append(stages[slot] if taken else 0)
        return counts


@njit(cache=True)
def _count(slots, turned, grades, stage, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if turned[row]:
            stage[slot] = 0
        if grades[row] == stage[slot] + 1:
            stage[slot] += 1
            counts[row] = stage[slot]
