"""The tables of a question: the lake's files and what waits in memory, one view a class, in types people ask in."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb.func import PythonUDFType

from propolis.errors import QueryError
from propolis.events import unpack
from propolis.events.interaction import SCHEMA
from propolis.hunting.lake import HOUR, DataFile, Snapshot, version_of

SCHEMAS: dict[str, pa.Schema] = {"interaction": SCHEMA}
"""Classes that can be asked for before the first event came."""

_ID = pa.binary(16)


def open_views(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    snapshot: Snapshot,
    unflushed: Mapping[str, Sequence[tuple[int, pa.RecordBatch]]],
) -> list[str]:
    """One view a class over ``snapshot`` and ``unflushed`` (sequence, batch); returns the files they read.

    Batches up to the snapshot's sequence are left out: the files have them. Addresses and ids are text, times
    ``TIMESTAMPTZ`` (microseconds), ``date`` and ``hour`` name the partition and prune whole files.
    Raises :class:`~propolis.errors.QueryError` for a root that DuckDB would read as a pattern.
    """
    if any(mark in str(root) for mark in "*?["):
        raise QueryError(f"{root}: a lake whose path has *, ? or [ cannot be asked; set another lake.path")
    con.create_function("address_text", _address_text, ["BLOB"], "VARCHAR", type=PythonUDFType.ARROW)
    files: dict[str, list[DataFile]] = defaultdict(list)
    for file in snapshot.files:
        files[file.event_class].append(file)
    for name in sorted(SCHEMAS.keys() | files.keys() | unflushed.keys()):
        waiting = [batch for sequence, batch in unflushed.get(name, ()) if sequence > snapshot.sequence]
        parts = [*_waiting(con, name, waiting), *_stored(root, files[name])]
        if parts:
            con.execute(f"CREATE VIEW {quoted(name)} AS {' UNION ALL BY NAME '.join(parts)}")
    return [str(root / file.path) for file in snapshot.files]


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _waiting(con: duckdb.DuckDBPyConnection, name: str, batches: Sequence[pa.RecordBatch]) -> Iterator[str]:
    schema = batches[0].schema if batches else SCHEMAS.get(name)
    if schema is None:
        return
    con.register(f"unflushed_{name}", pa.Table.from_batches(batches, schema))
    hours = f"(epoch_ns(time) // {HOUR})"
    partition = f"DATE '1970-01-01' + ({hours} // 24)::INTEGER AS date, ({hours} % 24)::INTEGER AS hour"
    table = quoted(f"unflushed_{name}")
    yield f"SELECT {columns(schema)}, {partition} FROM {table}"  # noqa: S608 - quoted names of our own


def _stored(root: Path, files: Sequence[DataFile]) -> Iterator[str]:
    versions: dict[int, list[DataFile]] = defaultdict(list)
    for file in files:
        versions[file.version].append(file)
    for version in sorted(versions, reverse=True):
        paths = [str(root / file.path) for file in versions[version]]
        schema = SCHEMAS.get(files[0].event_class)
        if schema is None or version_of(schema) != version:
            schema = pq.read_schema(paths[0])
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        yield (
            f"SELECT {columns(schema)}, date, hour FROM read_parquet([{listed}], hive_partitioning = true,"  # noqa: S608 - our own paths, quoted
            " hive_types_autocast = false, hive_types = {'date': DATE, 'hour': INTEGER})"
        )


def columns(schema: pa.Schema) -> str:
    """The select list that shows a schema's columns in types people ask in."""
    return ", ".join(f"{_column(field)} AS {quoted(field.name)}" for field in schema)


def _column(field: pa.Field) -> str:
    name = quoted(field.name)
    if field.type == _ID and field.name.endswith("_ip"):
        return f"address_text({name})"
    if field.type == _ID:
        return f"to_hex({name})::UUID::VARCHAR"
    if pa.types.is_timestamp(field.type):
        return f"{name}::TIMESTAMPTZ"
    return name


def _address_text(packed: pa.Array) -> pa.Array:
    """16-byte addresses to text, each distinct one once: about 0.05 µs a row."""
    chunk = packed.combine_chunks() if isinstance(packed, pa.ChunkedArray) else packed
    encoded = chunk.dictionary_encode()
    texts = pa.array([unpack(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return texts.take(encoded.indices)
