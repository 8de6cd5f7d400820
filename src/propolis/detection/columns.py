"""A batch of interactions as the arrays and byte strings that detection reads; only what is asked for is copied."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from propolis.events import KINDS, EvidenceClass

KIND_NAMES: tuple[str, ...] = tuple(kind.__name__ for kind in KINDS)
"""A kind's code in :attr:`Rows.kind` is its place here."""

UNKNOWN_KIND = len(KIND_NAMES)
"""The code of a kind that a newer sensor knows and we do not; no rule speaks of it."""

SPOOFABLE, HANDSHAKE, DIALOGUE = range(3)
"""Codes of :attr:`Rows.evidence_class`."""

EVIDENCE_CLASSES: tuple[EvidenceClass, ...] = ("spoofable", "handshake", "dialogue")

SCAN_BYTES = 65_536
"""How much of one field is looked at; what an attacker sends beyond it is stored, but not judged."""

_KIND_SET = pa.array(KIND_NAMES, pa.string())
_CLASS_SET = pa.array(EVIDENCE_CLASSES, pa.string())


class Texts:
    """One string or binary column.

    ``texts[row]`` is that row's bytes (UTF-8 for strings), cut at ``SCAN_BYTES``; null is empty.
    """

    __slots__ = ("_absent", "_column", "_data", "_offsets")

    def __init__(self, column: pa.Array) -> None:
        self._column = column
        self._absent: NDArray[np.bool_] | None = None
        _, offsets, data = column.buffers()
        self._offsets = (
            memoryview(offsets)[column.offset * 4 :].cast("i")
            if offsets is not None and offsets.size
            else None
        )
        self._data = memoryview(data) if data is not None else memoryview(b"")

    def __getitem__(self, row: int) -> bytes:
        if self._offsets is None:
            return b""
        start, end = self._offsets[row], self._offsets[row + 1]
        return bytes(self._data[start : min(end, start + SCAN_BYTES)])

    def is_absent(self, row: int) -> bool:
        """Whether the row has nothing there, not even an empty text."""
        if self._absent is None:
            self._absent = np.asarray(self._column.is_null())
        return bool(self._absent[row])


class Rows:
    """The columns of one record batch of :data:`propolis.events.interaction.SCHEMA`, O(1) for those of fixed width.

    ``time`` and ``opened``: int64 UTC nanoseconds; ``source``, ``id``: uint64 of shape (rows, 2), the 16 bytes as two
    native words; ``kind``: int8 codes of :data:`KIND_NAMES`; ``evidence_class``: int8 codes; ``shard``: uint8;
    ``target_port``: uint16.
    """

    __slots__ = (
        "_batch",
        "_texts",
        "count",
        "evidence_class",
        "id",
        "kind",
        "opened",
        "shard",
        "source",
        "target_port",
        "time",
    )

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._texts: dict[str, Texts] = {}
        self.count: int = batch.num_rows
        self.time: NDArray[np.int64] = _fixed(batch.column("time"), np.int64)
        self.opened: NDArray[np.int64] = _fixed(batch.column("opened"), np.int64)
        self.source: NDArray[np.uint64] = _fixed(batch.column("source_ip"), np.uint64, 2).reshape(-1, 2)
        self.id: NDArray[np.uint64] = _fixed(batch.column("id"), np.uint64, 2).reshape(-1, 2)
        self.shard: NDArray[np.uint8] = _fixed(batch.column("shard"), np.uint8)
        self.target_port: NDArray[np.uint16] = _fixed(batch.column("target_port"), np.uint16)
        self.kind = _codes(batch.column("kind"), _KIND_SET, UNKNOWN_KIND)
        self.evidence_class = _codes(batch.column("evidence_class"), _CLASS_SET, SPOOFABLE)

    def texts(self, name: str) -> Texts:
        """A string or binary column by name."""
        texts = self._texts.get(name)
        if texts is None:
            texts = self._texts[name] = Texts(self._batch.column(name))
        return texts


def _fixed(column: pa.Array, kind: Any, words: int = 1) -> NDArray[Any]:
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.empty(0, kind)
    return np.frombuffer(buffer, kind)[column.offset * words : (column.offset + len(column)) * words]


def _codes(column: pa.Array, names: pa.Array, other: int) -> NDArray[np.int8]:
    places = pc.index_in(column, names)
    if places.null_count:
        places = places.fill_null(other)
    return _fixed(places, np.int32).astype(np.int8)
