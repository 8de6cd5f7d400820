"""Small files of a past hour become one, while questions go on being answered from the old ones."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from propolis.clock import SECOND
from propolis.hunting.lake import HOUR, ROW_GROUP_ROWS, DataFile, LakeWriter
from propolis.notes import LakeCompacted, LakeFileLost, LakeUnwritable, tell

COMPACT_AFTER_SECONDS = 600
"""An hour is left alone this long after it ended: late batches still come."""
COMPACT_BYTES = 256_000_000
"""A file of this size is not small any more; no merged file is made of more."""
ROW_GROUP_BYTES = 64_000_000
GROUPS_PER_CALL = 8
_READ_ROWS = 10_000


def compact(lake: LakeWriter, now: int, *, groups: int = GROUPS_PER_CALL) -> int:
    """Merge up to ``groups`` hours that have ended by ``now`` (UTC nanoseconds); call again until it returns 0.

    Returns how many files were replaced. The swap is one commit, so every row is there exactly once at any moment,
    whatever fails. Memory: one row group. A file that cannot be read is told and left as it is.
    """
    replaced = 0
    for files in islice(mergeable(lake.snapshot.files, now), groups):
        try:
            replaced += _merge(lake, files)
        except OSError as error:
            tell(LakeUnwritable(root=str(lake.root), why=str(error), waiting_rows=0))
            return replaced
    return replaced


def mergeable(files: Sequence[DataFile], now: int) -> Iterator[tuple[DataFile, ...]]:
    """Runs of two and more small files of the same class, hour, stream and schema version, in the order they came."""
    settled = (now - COMPACT_AFTER_SECONDS * SECOND) // HOUR
    by_place: dict[tuple[str, int, int, int], list[DataFile]] = defaultdict(list)
    for file in files:
        if file.hour < settled and file.bytes < COMPACT_BYTES:
            by_place[file.event_class, file.hour, file.generation, file.version].append(file)
    for place in by_place.values():
        run: list[DataFile] = []
        for file in sorted(place, key=lambda file: file.first):
            if sum(member.bytes for member in run) + file.bytes > COMPACT_BYTES:
                break
            run.append(file)
        if len(run) > 1:
            yield tuple(run)


def _merge(lake: LakeWriter, files: tuple[DataFile, ...]) -> int:
    head, rows = files[0], sum(file.rows for file in files)
    place = DataFile(
        head.event_class, head.hour, head.generation, head.first, files[-1].last, head.version, rows, 0
    )
    try:
        schema = pq.read_schema(lake.root / head.path)
        merged = lake.write(place, schema, _row_groups(lake, files, schema))
    except (pa.ArrowException, FileNotFoundError) as error:
        tell(LakeFileLost(path=str(place.path.parent), rows=rows, why=f"cannot be compacted: {error}"))
        return 0
    if not lake.commit(add=[merged], remove=files):
        lake.discard([merged])  # its rows expired while we merged
        return 0
    tell(LakeCompacted(path=str(merged.path), files=len(files), rows=rows))
    return len(files)


def _row_groups(lake: LakeWriter, files: Sequence[DataFile], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for file in files:
        read = 0
        with pq.ParquetFile(lake.root / file.path) as source:
            for batch in source.iter_batches(_READ_ROWS):
                waiting.append(batch)
                read, rows, size = read + batch.num_rows, rows + batch.num_rows, size + batch.nbytes
                if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
                    yield pa.Table.from_batches(waiting, schema)
                    waiting, rows, size = [], 0, 0
        if read != file.rows:
            raise pa.ArrowInvalid(f"{file.path}: {read} rows where the manifest says {file.rows}")
    if waiting:
        yield pa.Table.from_batches(waiting, schema)
