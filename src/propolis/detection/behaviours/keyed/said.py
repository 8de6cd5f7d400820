"""The rows of one kind in a batch of interactions, as facts; what logins and names have in common."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from propolis.events.flow import CLASSES

_CLASSES = pa.array(CLASSES, pa.string())
_FORGEABLE = pa.scalar(CLASSES[0])
_UNKNOWN = pa.scalar(0, pa.int32())
_CITED = ("id", "time", "source_ip", "evidence_class", "sensor", "shard", "lure")


class Said:
    """Rows of ``kind`` of :data:`propolis.events.interaction.SCHEMA`, counted by source; none that could be forged.

    ``columns`` are kept of the batch beside those that are cited. O(rows of the batch) to choose, the rest O(rows of
    the kind); 100 µs for a few. Constants are Arrow's before they are compared: making one costs 60 µs.
    """

    def __init__(self, batch: pa.RecordBatch, kind: pa.Scalar, columns: tuple[str, ...]) -> None:
        wanted = pc.and_(
            pc.equal(batch.column("kind"), kind), pc.not_equal(batch.column("evidence_class"), _FORGEABLE)
        )
        self.rows: NDArray[np.int64] = np.flatnonzero(np.asarray(wanted))
        self.batch: pa.RecordBatch = batch.select([*_CITED, *columns]).take(pa.array(self.rows))
        self.count = len(self.rows)
        self.time: NDArray[np.int64] = np.asarray(self.batch.column("time").view(pa.int64()))
        self.source = self.key = words(self.batch.column("source_ip"))
        codes = pc.index_in(self.batch.column("evidence_class"), _CLASSES).fill_null(_UNKNOWN)
        self.evidence: NDArray[np.uint8] = np.asarray(codes).astype(np.uint8)

    def event(self, row: int) -> tuple[bytes, int]:
        """The event's id, and its row in the batch that was given."""
        return self.batch.column("id")[row].as_py(), self.rows.item(row)

    def place(self, row: int) -> tuple[str, int, str]:
        """The sensor, the shard and the lure."""
        sensor, shard, lure = (self.text(name, row) for name in ("sensor", "shard", "lure"))
        return str(sensor), int(shard), str(lure)

    def text(self, name: str, row: int) -> str:
        """The value of a column as text; null is empty."""
        value = self.batch.column(name)[row].as_py()
        return "" if value is None else str(value)


def words(column: pa.Array) -> NDArray[np.uint64]:
    """A column of 16 bytes as uint64 (rows, 2)."""
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.empty((0, 2), np.uint64)
    return np.frombuffer(buffer, np.uint64)[2 * column.offset : 2 * (column.offset + len(column))].reshape(
        -1, 2
    )
