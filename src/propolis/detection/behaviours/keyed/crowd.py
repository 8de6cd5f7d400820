"""Crowds: from how many sources the same thing came. Distributed scans and guessing (ATT&CK T1595, T1110; T1583.005).

A source of a botnet does too little to be noticed; what its sources have in common does not. Counted by the key
(:mod:`propolis.events.key`), not by the source.
"""

from typing import ClassVar

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.said import words
from propolis.detection.behaviours.keyed.siphash import Key, hash_pairs
from propolis.detection.behaviours.keyed.sketch import MOST_CROWD, REGISTERS, crowd, estimate, register
from propolis.events.flow import CLASSES
from propolis.events.key import KEY_KINDS


class Keys:
    """The rows of a batch of :data:`propolis.events.key.SCHEMA`, counted by key.

    ``member``: uint64, the source's keyed hash.
    """

    def __init__(self, batch: pa.RecordBatch, key: Key) -> None:
        self._batch = batch
        self.count: int = batch.num_rows
        self.key = words(batch.column("key"))
        self.time: NDArray[np.int64] = np.asarray(batch.column("time").cast(pa.int64()))
        self.source = words(batch.column("source_ip"))
        self.member = hash_pairs(self.source, key)
        evidence = np.asarray(batch.column("evidence_class"))
        self.evidence: NDArray[np.uint8] = np.where(evidence < len(CLASSES), evidence, np.uint8(0))

    def event(self, row: int) -> tuple[bytes, int]:
        """The id of the event that the key is from, and the row of the key."""
        return self._batch.column("id")[row].as_py(), row

    def place(self, row: int) -> tuple[str, int, str]:
        """The sensor, the shard of the source, and no lure."""
        return self._batch.column("sensor")[row].as_py(), self._batch.column("shard")[row].as_py(), ""

    def summary(self, row: int) -> str:
        """What is shared."""
        kind = self._batch.column("kind")[row].as_py()
        named = KEY_KINDS[kind] if kind < len(KEY_KINDS) else "key"
        return f"{named} {self._batch.column('key')[row].as_py().hex()}"


class Crowd:
    """Counts sources. 64 bytes a key; 13 % off beyond a hundred or so."""

    name: ClassVar[str] = "crowd"
    most: ClassVar[int] = MOST_CROWD

    def columns(self, capacity: int) -> Columns:
        """``registers``: uint8 (capacity, 64)."""
        return {"registers": np.zeros((capacity, REGISTERS), np.uint8)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Keys,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,  # noqa: ARG002 - the same
        counts: Counts,
    ) -> None:
        """Write the sources after each row that told of a new one."""
        _count(slots, turned, facts.member, columns["registers"], counts)

    def plain(
        self,
        facts: Keys,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        given: Given,  # noqa: ARG002 - the same
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, NDArray[np.uint8]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            if turned[row] or slot not in state:
                state[slot] = np.zeros(REGISTERS, np.uint8)
            member = facts.member.item(row)
            place, rest = member % REGISTERS, member // REGISTERS
            rank = min(59, (rest & -rest).bit_length() or 59)  # the lowest set bit, counted from 1
            if rank > state[slot][place]:
                state[slot][place] = rank
                counts[row] = estimate(state[slot])
        return counts


@njit(cache=True)
def _count(slots, turned, members, registers, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot = slots[row]
        if turned[row]:
            registers[slot] = 0
        if register(registers, slot, members[row]):
            counts[row] = crowd(registers, slot)
