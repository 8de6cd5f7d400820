"""The events of the lake once more, as the batches that detection takes, in the order of time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from propolis.clock import rfc3339
from propolis.errors import LakeError
from propolis.events.interaction import upgrade
from propolis.hunting.lake import HOUR, DataFile, read_snapshot

BATCH_ROWS = 1_000
EVENT_CLASS = "interaction"


def chosen(root: Path, since: int) -> tuple[DataFile, ...]:
    """The files with events at or after ``since`` (UTC nanoseconds), hour by hour, each hour as it came.

    Raises :class:`~propolis.errors.LakeError`.
    """
    files = (file for file in read_snapshot(root).files if file.event_class == EVENT_CLASS)
    fitting = [file for file in files if (file.hour + 1) * HOUR > since]
    return tuple(sorted(fitting, key=lambda file: (file.hour, file.generation, file.first)))


def replay(root: Path, files: tuple[DataFile, ...], since: int) -> Iterator[pa.RecordBatch]:
    """The events of these files at or after ``since``, at most :data:`BATCH_ROWS` in a batch.

    In memory is one row group at a time; within it events are in order of time. Raises
    :class:`~propolis.errors.LakeError` for a file that cannot be read, and :class:`~propolis.errors.CodecError` for one
    of newer software.
    """
    for file in files:
        try:
            with pq.ParquetFile(root / file.path) as source:
                for group in range(source.num_row_groups):
                    yield from _ordered(source.read_row_group(group), since)
        except (OSError, pa.ArrowException) as error:
            why = f"{root / file.path}: cannot be read ({error}); ask again, or for events after {rfc3339(since)}"
            raise LakeError(why) from error


def _ordered(table: pa.Table, since: int) -> Iterator[pa.RecordBatch]:
    times = table.column("time")
    table = table.filter(pc.greater_equal(times, pa.scalar(since, times.type))).sort_by("time")
    for batch in table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
        yield upgrade(batch)
