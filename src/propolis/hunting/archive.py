"""Batches from the stream into the lake: kept as they come, written together, acknowledged once they are durable."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from propolis.clock import SECOND, Clock
from propolis.config import Lake
from propolis.hunting.lake import HOUR, DataFile, LakeWriter, version_of
from propolis.memory import give_back
from propolis.notes import LakeUnwritable, LimitHit, tell

FLUSH_BYTES = 32_000_000
"""Waiting bytes that make a file sooner than ``lake.flush_rows`` does."""
PENDING_BYTES = 256_000_000
PENDING_BATCHES = 20_000
HOURS_PER_FLUSH = 48
"""Hours one flush may fill. A sensor with a wild clock fills no disk with folders."""
RETRY_SECONDS = 5.0


class _Pending(msgspec.Struct, frozen=True):
    event_class: str
    sequence: int
    batch: pa.RecordBatch
    since: int


class Archive:
    """Takes batches in the order of the stream's sequence and writes them to the lake.

    :meth:`add` and :meth:`flush` may run in different threads. Memory: the batches themselves, bounded by
    :data:`PENDING_BYTES` and :data:`PENDING_BATCHES`. Cost of a flush: about 1 µs a row.
    """

    def __init__(self, root: Path, settings: Lake, clock: Clock) -> None:
        self.lake = LakeWriter(root, clock)
        self._settings = settings
        self._clock = clock
        self._last = self.lake.snapshot.sequence
        self._pending: list[_Pending] = []
        self._rows = 0
        self._bytes = 0
        self._is_told = False
        self._retry_at = 0
        self._state = threading.Lock()
        self._flushing = threading.Lock()

    def recover(self, stream: str = "") -> int:
        """Make a lake that crashed whole again, and return the highest sequence committed: go on after it.

        ``stream`` is any text that changes when the stream is made anew (see :meth:`LakeWriter.recover`).
        """
        self._last = self.lake.recover(stream).sequence
        return self._last

    def close(self) -> None:
        """Release the lake. What was not flushed was not acknowledged, and comes again."""
        self.lake.close()

    @property
    def committed(self) -> int:
        """The highest sequence that may be acknowledged."""
        return self.lake.snapshot.sequence

    @property
    def waiting_rows(self) -> int:
        """Rows taken but not yet durable."""
        return self._rows

    @property
    def is_full(self) -> bool:
        """Whether :meth:`add` would refuse: flush first, and read no more until it worked."""
        return self._bytes >= PENDING_BYTES or len(self._pending) >= PENDING_BATCHES

    def add(self, event_class: str, sequence: int, batch: pa.RecordBatch) -> bool:
        """Take one batch, by reference. A sequence that was seen before is a redelivery and is not stored twice.

        False when full: offer the same batch again before any later one.
        """
        if sequence <= self._last:
            return True
        if self.is_full:
            self._tell_full()
            return False
        with self._state:
            self._last = sequence
            self._pending.append(_Pending(event_class, sequence, batch, self._clock.monotonic()))
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
        return True

    def due(self) -> bool:
        """Whether it is time to flush: waited long enough, or enough waits; after a failure, only after a pause."""
        now = self._clock.monotonic()
        if not self._pending or now < self._retry_at:
            return False
        return (
            self._rows >= self._settings.flush_rows
            or self._bytes >= FLUSH_BYTES
            or self.is_full
            or now - self._pending[0].since >= self._settings.flush_seconds * SECOND
        )

    def flush(self) -> int:
        """Write what waits and commit it. Returns the sequence up to which everything may be acknowledged.

        A disk that is full or failing is told (:class:`~propolis.notes.LakeUnwritable`) and acknowledges nothing;
        the batches stay and the next flush tries again.
        """
        with self._flushing:
            taken = tuple(self._pending)
            if not taken:
                return self.committed
            try:
                files = self._write(taken)
                self.lake.commit(add=files, sequence=taken[-1].sequence)
            except OSError as error:
                self._retry_at = self._clock.monotonic() + int(RETRY_SECONDS * SECOND)
                tell(LakeUnwritable(root=str(self.lake.root), why=str(error), waiting_rows=self._rows))
                return self.committed
            with self._state:
                del self._pending[: len(taken)]
                self._rows -= sum(item.batch.num_rows for item in taken)
                self._bytes -= sum(item.batch.nbytes for item in taken)
                self._is_told = False
            del taken
            give_back()
            return self.committed

    def _write(self, taken: tuple[_Pending, ...]) -> list[DataFile]:
        files: list[DataFile] = []
        try:
            for file in self._files(taken):
                files.append(file)  # noqa: PERF402 - what was written before a failure is to be known
        except OSError:
            # a nearly full disk takes some files of the flush and not the others, at every attempt
            self.lake.discard(files)
            raise
        return files

    def _files(self, taken: tuple[_Pending, ...]) -> Iterator[DataFile]:
        groups: dict[tuple[str, int], list[_Pending]] = defaultdict(list)
        for item in taken:
            groups[item.event_class, version_of(item.batch.schema)].append(item)
        generation = self.lake.snapshot.generation
        for (event_class, version), items in groups.items():
            table = pa.Table.from_batches([item.batch for item in items])
            for hour, rows in by_hour(table, self._clock.now()):
                place = DataFile(
                    event_class,
                    hour,
                    generation,
                    items[0].sequence,
                    items[-1].sequence,
                    version,
                    rows.num_rows,
                    0,
                )
                yield self.lake.write(place, table.schema, [rows])

    def _tell_full(self) -> None:
        if not self._is_told:
            self._is_told = True
            tell(
                LimitHit(
                    stage="archive",
                    limit="PENDING_BYTES",
                    cost="the stream is read no further until the disk takes it",
                )
            )


def by_hour(table: pa.Table, now: int) -> Iterator[tuple[int, pa.Table]]:
    """Split rows by the hour (since the epoch) of their ``time`` column, each part in the order of arrival.

    At most :data:`HOURS_PER_FLUSH` parts: those with most rows; what is over is filed under ``now``, and told.
    O(rows) when all fall into one hour, else O(rows log rows).
    """
    if not table.num_rows:
        return
    hours = table.column("time").cast(pa.int64()).to_numpy() // HOUR
    lowest, highest = int(hours.min()), int(hours.max())
    if lowest == highest:
        yield lowest, table
        return
    names, counts = np.unique(hours, return_counts=True)
    if len(names) > HOURS_PER_FLUSH:
        kept = names[np.argsort(-counts, kind="stable")[: HOURS_PER_FLUSH - 1]]
        strays = ~np.isin(hours, kept)
        tell(
            LimitHit(
                stage="archive",
                limit="HOURS_PER_FLUSH",
                cost=f"{int(strays.sum())} rows filed under the present hour",
            )
        )
        hours = np.where(strays, now // HOUR, hours)
        names = np.unique(hours)
    order = np.argsort(hours, kind="stable")
    bounds = np.searchsorted(hours[order], names, side="right")
    start = 0
    for hour, end in zip(names.tolist(), bounds.tolist(), strict=True):
        yield hour, table.take(pa.array(order[start:end]))
        start = end
