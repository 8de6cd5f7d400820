"""A batch of flows as the arrays that counters read."""

from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from propolis.detection.behaviours.keyed.siphash import Key, hash_pairs
from propolis.events import unpack
from propolis.events.flow import CLASSES, OUTCOMES

_TCP = 6
_ESTABLISHED, _REFUSED, _NO_ANSWER = (
    OUTCOMES.index(name) for name in ("established", "refused", "no answer")
)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Flows:
    """The columns of a batch of :data:`propolis.events.flow.SCHEMA`, counted by source.

    ``port``: uint32, the target port and above it the protocol; ``target`` and ``service``: uint64, keyed hashes of the
    target, and of target, port and protocol. ``failed``: nobody was there; ``succeeded``: somebody was. A datagram
    that nobody answered says neither (a log server never answers), nor does a handshake that was broken off at once
    (so scanners probe, and so load balancers look after their servers), nor a code that is not known here. O(rows).
    """

    def __init__(self, batch: pa.RecordBatch, key: Key) -> None:
        self._batch = batch
        self.count: int = batch.num_rows
        self.time: NDArray[np.int64] = _fixed(batch, "time", np.int64)
        self.source = self.key = _fixed(batch, "source_ip", np.uint64, 2).reshape(-1, 2)
        evidence = _fixed(batch, "evidence_class", np.uint8)
        self.evidence: NDArray[np.uint8] = np.where(evidence < len(CLASSES), evidence, np.uint8(0))
        self._shard = _fixed(batch, "shard", np.uint8)
        self._outcome = _fixed(batch, "outcome", np.uint8)
        self._target_ip = _fixed(batch, "target_ip", np.uint64, 2).reshape(-1, 2)
        self.target = hash_pairs(self._target_ip, key)
        self.port = np.empty(self.count, np.uint32)
        self.service = np.empty(self.count, np.uint64)
        self.failed = np.empty(self.count, np.bool_)
        self.succeeded = np.empty(self.count, np.bool_)
        _describe(
            self.target,
            _fixed(batch, "target_port", np.uint16),
            _fixed(batch, "protocol", np.uint8),
            self._outcome,
            self.port,
            self.service,
            self.failed,
            self.succeeded,
        )

    def event(self, row: int) -> tuple[bytes, int]:
        """The flow's id, and its row."""
        return bytes(self._batch.column("id")[row].as_py()), row

    def place(self, row: int) -> tuple[str, int, str]:
        """The sensor, the shard, and no lure."""
        return self._batch.column("sensor")[row].as_py(), int(self._shard[row]), ""

    def summary(self, row: int) -> str:
        """Target, port and outcome."""
        outcome = self._outcome.item(row)
        named = OUTCOMES[outcome] if outcome < len(OUTCOMES) else OUTCOMES[0]
        target = unpack(self._target_ip[row].tobytes())
        return f"{target} port {self.port.item(row) & 0xFFFF}: {named}"


def _fixed(batch: pa.RecordBatch, name: str, kind: Any, words: int = 1) -> NDArray[Any]:
    column = batch.column(name)
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.empty(0, kind)
    return np.frombuffer(buffer, kind)[column.offset * words : (column.offset + len(column)) * words]


# The kernels below carry no annotations: numba infers their types, and arrays go in by place.
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"


@njit(cache=True)
def mixed(word):
    """A 64-bit word so mixed that each bit of it decides each bit of the result (MurmurHash3's finaliser)."""
    word = (word ^ word >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    word = (word ^ word >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return word ^ word >> np.uint64(33)


@njit(cache=True)
def _describe(targets, numbers, protocols, outcomes, ports, services, failed, succeeded):
    for row in range(outcomes.size):
        outcome, tcp = outcomes[row], protocols[row] == _TCP
        ports[row] = np.uint32(numbers[row]) | np.uint32(protocols[row]) << np.uint32(16)
        services[row] = mixed(targets[row] + np.uint64(ports[row]) * _SPREAD)
        succeeded[row] = outcome == _ESTABLISHED
        failed[row] = outcome == _REFUSED or (tcp and outcome == _NO_ANSWER)
