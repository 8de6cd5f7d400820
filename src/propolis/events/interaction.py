"""The ``interaction`` schema: everything decoys see, as Arrow record batches, and the codec of the stream.

One row is one :class:`~propolis.events.kinds.Interaction`. A column that a kind does not have is null.
Cost: about 2 µs a row to encode, O(columns) beside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from propolis.errors import CodecError
from propolis.events.kinds import KINDS, Interaction

VERSION = 1

_ADDRESS = pa.binary(16)
_UUID = pa.binary(16)
_TIME = pa.timestamp("ns", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("id", _UUID, nullable=False),
        pa.field("time", _TIME, nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("sensor", pa.string(), nullable=False),
        pa.field("lure", pa.string(), nullable=False),
        pa.field("connection", _UUID, nullable=False),
        pa.field("opened", _TIME, nullable=False),
        pa.field("shard", pa.uint8(), nullable=False),
        pa.field("source_ip", _ADDRESS, nullable=False),
        pa.field("source_port", pa.uint16(), nullable=False),
        pa.field("target_ip", _ADDRESS, nullable=False),
        pa.field("target_port", pa.uint16(), nullable=False),
        pa.field("evidence_class", pa.string(), nullable=False),
        pa.field("username", pa.string()),
        pa.field("secret", pa.string()),
        pa.field("method", pa.string()),
        pa.field("accepted", pa.bool_()),
        pa.field("command", pa.string()),
        pa.field("path", pa.string()),
        pa.field("host", pa.string()),
        pa.field("user_agent", pa.string()),
        pa.field("software", pa.string()),
        pa.field("fingerprint", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("bytes_in", pa.int64()),
        pa.field("bytes_out", pa.int64()),
        pa.field("duration", pa.int64()),
        pa.field("body_offset", pa.int32()),
        pa.field("payload", pa.binary()),
    ],
    metadata={"propolis.schema": "interaction", "propolis.version": str(VERSION)},
)

_KIND_FIELDS = {kind: tuple(kind.__struct_fields__) for kind in KINDS}
_KIND_NAMES = {kind: kind.__name__ for kind in KINDS}
_CONNECTION_COLUMNS = ("sensor", "lure", "source_ip", "source_port", "target_ip", "target_port", "shard", "evidence_class")
_OPTIONAL = frozenset(name for fields in _KIND_FIELDS.values() for name in fields)
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")


def to_batch(rows: Sequence[Interaction]) -> pa.RecordBatch:
    """Rows to one record batch of :data:`SCHEMA`, in the order given."""
    count = len(rows)
    columns: dict[str, Any] = {name: [getattr(row.connection, name) for row in rows] for name in _CONNECTION_COLUMNS}
    columns["connection"] = [row.connection.id for row in rows]
    columns["opened"] = np.fromiter((row.connection.opened for row in rows), np.int64, count)
    columns["time"] = np.fromiter((row.time for row in rows), np.int64, count)
    columns["id"] = [event_id(row) for row in rows]
    columns["kind"] = [_KIND_NAMES[type(row.event)] for row in rows]
    for index, row in enumerate(rows):
        event = row.event
        for name in _KIND_FIELDS[type(event)]:
            if name not in columns:
                columns[name] = [None] * count
            columns[name][index] = getattr(event, name)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
            for field in SCHEMA
        ],
        schema=SCHEMA,
    )


def event_id(row: Interaction) -> bytes:
    """UUIDv7 (RFC 9562, 5.7) of an event, the same however often it is computed.

    48 bits of the event's milliseconds, the version, and the random part of its connection's id with the
    event's ordinal in the low 16 bits: a replay of a journal gives every event the id it had.
    """
    connection = row.connection.id
    return (row.time // 1_000_000).to_bytes(6, "big") + connection[6:14] + (row.ordinal & 0xFFFF).to_bytes(2, "big")


def encode(batch: pa.RecordBatch) -> bytes:
    """One record batch as an Arrow IPC stream (schema, batch, end), LZ4 inside."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_IPC) as writer:
        writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def decode(data: bytes) -> pa.RecordBatch:
    """What :func:`encode` wrote, by this version or an older one, as a batch of :data:`SCHEMA`.

    Raises :class:`~propolis.errors.CodecError` that names the column or the place for anything else.
    """
    try:
        with pa.ipc.open_stream(data) as reader:
            batch = reader.read_next_batch()
            batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError, ValueError, EOFError) as error:
        raise CodecError("interaction batch", f"{len(data)} bytes", f"not an Arrow IPC stream ({error})") from error
    return upgrade(batch)


def upgrade(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of this or an older version in today's columns; columns that did not exist yet are null."""
    if batch.schema.equals(SCHEMA, check_metadata=True):
        return batch
    metadata = batch.schema.metadata or {}
    if metadata.get(b"propolis.schema") != b"interaction":
        raise CodecError("interaction batch", "metadata propolis.schema", "is not 'interaction'")
    version = metadata.get(b"propolis.version", b"")
    if not version.isdigit() or len(version) > 4:
        raise CodecError("interaction batch", "metadata propolis.version", "is not a number")
    if int(version) > VERSION:
        raise CodecError(
            "interaction batch", "metadata propolis.version", f"is {int(version)}, newer than {VERSION}: update this host"
        )
    arrays = []
    for field in SCHEMA:
        index = batch.schema.get_field_index(field.name)
        if index < 0 and not field.nullable:
            raise CodecError("interaction batch", f"column {field.name}", "is missing")
        column = pa.nulls(batch.num_rows, field.type) if index < 0 else batch.column(index)
        if column.type != field.type:
            try:
                column = column.cast(field.type)
            except pa.ArrowException as error:
                raise CodecError("interaction batch", f"column {field.name}", f"has type {column.type} ({error})") from error
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
