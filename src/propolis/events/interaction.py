"""The ``interaction`` schema: everything decoys see, as Arrow record batches, and the codec of the stream.

One row is one :class:`~propolis.events.kinds.Interaction`. A column that a kind does not have is null.

A message is an Arrow IPC stream (schema, one batch, end; Arrow columnar format 1.5). From :data:`COMPRESS_BYTES` on
it is one LZ4 block behind an eight-byte head: ``PLZ4`` and the length of the IPC stream (little-endian). One block for
the whole message costs a tenth of Arrow's own compression, buffer by buffer, at these sizes. Arrow's own is refused,
because it would let a few bytes claim any amount of memory.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import asdict, astuple

from propolis.errors import CodecError
from propolis.events.kinds import KINDS, Connection, Event, Interaction

VERSION = 2
"""2 has :class:`~propolis.events.kinds.TlsOffered` and what is known of the flaw that a request asks for."""

MAX_ROWS = 65_536
"""Rows of one message."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes of one message once it is decompressed."""
COMPRESS_BYTES = 6_144
"""A shorter message travels as it is: the schema and a few rows."""

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
        pa.field("ja4", pa.string()),
        pa.field("ja3", pa.string()),
        pa.field("sni", pa.string()),
        pa.field("alpn", pa.string()),
        pa.field("flaws", pa.string()),
        pa.field("extracted", pa.string()),
        pa.field("answered", pa.string()),
    ],
    metadata={"propolis.schema": "interaction", "propolis.version": str(VERSION)},
)

_NAMES: dict[type[Event], str] = {kind: kind.__name__ for kind in KINDS}
_KIND_FIELDS = {kind.__name__: kind.__struct_fields__ for kind in KINDS}
# a connection's own id is the column ``connection``: the column ``id`` is the event's
_CONNECTION_COLUMNS = tuple("connection" if name == "id" else name for name in Connection.__struct_fields__)
_NUMBERS: dict[pa.DataType, Any] = {pa.uint8(): np.uint8, pa.uint16(): np.uint16, _TIME: np.int64}
_MANY = 1_000
_COLUMNS = tuple((field.name, field.type, pa.nulls(_MANY, field.type)) for field in SCHEMA)
_REQUIRED = tuple(index for index, field in enumerate(SCHEMA) if not field.nullable)

_SCHEMA_MESSAGE = bytes(memoryview(SCHEMA.serialize()))
_END = b"\xff\xff\xff\xff\0\0\0\0"
_U16, _I32, _U32, _I64 = (struct.Struct(code) for code in ("<H", "<i", "<I", "<q"))
_HEAD = struct.Struct("<4sI")
_MAGIC = b"PLZ4"


def event_id(row: Interaction) -> bytes:
    """UUIDv7 (RFC 9562, 5.7) of an event, the same however often it is computed.

    48 bits of the event's milliseconds, the version, and the random part of its connection's id with the
    event's ordinal in the low 16 bits: a replay of a journal gives every event the id it had.
    """
    connection = row.connection.id
    return (
        (row.time // 1_000_000).to_bytes(6, "big")
        + connection[6:14]
        + (row.ordinal & 0xFFFF).to_bytes(2, "big")
    )


def reference_batch(rows: Sequence[Interaction]) -> pa.RecordBatch:
    """What :func:`to_batch` makes, said plainly."""
    return pa.RecordBatch.from_pylist([_cells(row) for row in rows], schema=SCHEMA)


def _cells(row: Interaction) -> dict[str, Any]:
    connection = dict(zip(_CONNECTION_COLUMNS, astuple(row.connection), strict=True))
    event = {"id": event_id(row), "time": row.time, "kind": _NAMES[type(row.event)]}
    return {**connection, **event, **asdict(row.event)}


def to_batch(rows: Sequence[Interaction]) -> pa.RecordBatch:
    """Rows to one record batch of :data:`SCHEMA`, in the order given; equal to :func:`reference_batch`.

    Cost: about 80 µs a batch and 1.3 µs a row (``bench/codec.py``). Structs become tuples and tuples become columns
    in C, ids are computed for all rows at once, and a column that no kind in the batch has costs nothing a row.
    """
    if not rows:
        return reference_batch(rows)
    times, connections, ordinals, events = zip(*map(astuple, rows), strict=True)
    columns: dict[str, Any] = dict(
        zip(_CONNECTION_COLUMNS, zip(*map(astuple, connections), strict=True), strict=True)
    )
    columns["time"] = times
    columns["id"] = _event_ids(times, columns["connection"], ordinals)
    columns["kind"] = [_NAMES[type(event)] for event in events]
    columns.update(_event_columns(events))
    count = len(rows)
    arrays = [
        _array(columns[name], kind, count) if name in columns else _nulls(nulls, count)
        for name, kind, nulls in _COLUMNS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _event_ids(
    times: Sequence[int], connections: Sequence[bytes], ordinals: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """:func:`event_id` of every row, as an array of rows by 16 bytes."""
    ids = np.frombuffer(bytearray(b"".join(connections)), np.uint8).reshape(len(times), 16)
    milliseconds = (np.array(times, np.int64) // 1_000_000).astype(">i8").view(np.uint8).reshape(-1, 8)
    ids[:, :6] = milliseconds[:, 2:]
    ids[:, 14:] = (np.array(ordinals, np.int64) & 0xFFFF).astype(">u2").view(np.uint8).reshape(-1, 2)
    return ids


def _event_columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    """The columns that the kinds present have, null where another kind has none. O(values present)."""
    places: dict[type[Event], list[int]] = {}
    for place, event in enumerate(events):
        places.setdefault(type(event), []).append(place)
    columns: dict[str, list[Any]] = {}
    for kind, mine in places.items():
        values = zip(*[astuple(events[place]) for place in mine], strict=True)
        for name, cells in zip(kind.__struct_fields__, values, strict=True):
            column = columns.setdefault(name, [None] * len(events))
            for place, cell in zip(mine, cells, strict=True):
                column[place] = cell
    return columns


def _nulls(nulls: pa.Array, count: int) -> pa.Array:
    """That many nulls: a slice of some made before, which is four times as quick as making them."""
    return nulls.slice(0, count) if count <= _MANY else pa.nulls(count, nulls.type)


def _array(values: Any, kind: pa.DataType, count: int) -> pa.Array:
    """One column. What is never null and has a width goes in through its buffer, twice to four times as quick."""
    if kind == _UUID:
        data: Any = values if isinstance(values, np.ndarray) else b"".join(values)
        if memoryview(data).nbytes != 16 * count:
            raise ValueError("ids and addresses have 16 bytes")
    elif kind in _NUMBERS:
        data = np.array(values, _NUMBERS[kind])
    elif values.count(values[0]) == count:
        return pa.repeat(pa.scalar(values[0], kind), count)
    else:
        return pa.array(values, kind)
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(data)])


def encode(batch: pa.RecordBatch) -> bytes:
    """One record batch of :data:`SCHEMA` as a message of the stream."""
    message = _SCHEMA_MESSAGE + bytes(memoryview(upgrade(batch).serialize())) + _END
    if len(message) < COMPRESS_BYTES:
        return message
    return _HEAD.pack(_MAGIC, len(message)) + bytes(pa.compress(message, codec="lz4_raw", asbytes=True))


def decode(data: bytes) -> pa.RecordBatch:
    """What :func:`encode` wrote, by this version or an older one, as a batch of :data:`SCHEMA`.

    Every offset, every character and every bound is checked, so no message can make a reader of the batch fail later.
    Raises :class:`~propolis.errors.CodecError` that names the column or the place for anything else.
    """
    try:
        batch = _read(_decompressed(data))
        batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError, ValueError, EOFError, struct.error) as error:
        raise _fault(f"{len(data)} bytes", f"not an Arrow IPC stream of one batch ({error})") from error
    batch = upgrade(batch)
    for index in _REQUIRED:
        if batch.column(index).null_count:
            raise _fault(f"column {SCHEMA.field(index).name}", "has nulls")
    return batch


def _fault(where: str, why: str) -> CodecError:
    return CodecError("interaction batch", where, why)


def _decompressed(data: bytes) -> bytes:
    if not data.startswith(_MAGIC):
        return data
    _, length = _HEAD.unpack_from(data)
    if length > MAX_BYTES:
        raise _fault("head", f"claims {length} bytes; the limit is {MAX_BYTES}")
    return bytes(pa.decompress(memoryview(data)[_HEAD.size :], length, codec="lz4_raw", asbytes=True))


def _read(data: bytes) -> pa.RecordBatch:
    """The one batch of an IPC stream. A stream that begins with today's schema, byte for byte, need not parse it."""
    if len(data) > MAX_BYTES:
        raise _fault(f"{len(data)} bytes", f"the limit is {MAX_BYTES}")
    source = pa.BufferReader(data)
    if data.startswith(_SCHEMA_MESSAGE):
        source.seek(len(_SCHEMA_MESSAGE))
        schema = SCHEMA
    else:
        schema = pa.ipc.read_schema(source)
    message = pa.ipc.read_message(source)
    if message.type != "record batch":
        raise _fault("second message", f"is a {message.type}, not a record batch")
    _check_size(message.metadata)
    return pa.ipc.read_record_batch(message, schema)


def _check_size(metadata: pa.Buffer) -> None:
    """Refuse a record batch that is too long, or compressed by Arrow, before Arrow reads it.

    ``metadata`` is the flatbuffer ``Message`` (Arrow ``Message.fbs``), which ``read_message`` has verified: its third
    field, the header, is a table ``RecordBatch`` whose first field is the length and whose fourth the compression.
    """
    message = _U32.unpack_from(metadata, 0)[0]
    header = message + _slot(metadata, message, 2)
    batch = header + _U32.unpack_from(metadata, header)[0]
    if _slot(metadata, batch, 3):
        raise _fault("record batch", "is compressed by Arrow, not by us")
    length = _slot(metadata, batch, 0)
    rows = _I64.unpack_from(metadata, batch + length)[0] if length else 0
    if not 0 <= rows <= MAX_ROWS:
        raise _fault("record batch", f"claims {rows} rows; the limit is {MAX_ROWS}")


def _slot(buffer: pa.Buffer, table: int, field: int) -> int:
    """Where in a flatbuffer table a field is, 0 if it is absent (FlatBuffers, "Tables": vtable of 16-bit offsets)."""
    vtable = table - _I32.unpack_from(buffer, table)[0]
    size = _U16.unpack_from(buffer, vtable)[0]
    entry = 4 + 2 * field
    return int(_U16.unpack_from(buffer, vtable + entry)[0]) if entry < size else 0


def upgrade(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of this or an older version in today's columns; columns that did not exist yet are null."""
    if batch.schema.equals(SCHEMA, check_metadata=True):
        return batch
    metadata = batch.schema.metadata or {}
    if metadata.get(b"propolis.schema") != b"interaction":
        raise _fault("metadata propolis.schema", "is not 'interaction'")
    version = metadata.get(b"propolis.version", b"")
    if not version.isdigit() or len(version) > 4:
        raise _fault("metadata propolis.version", "is not a number")
    if int(version) > VERSION:
        raise _fault(
            "metadata propolis.version", f"is {int(version)}, newer than {VERSION}: update this host"
        )
    return pa.RecordBatch.from_arrays([_column(batch, field) for field in SCHEMA], schema=SCHEMA)


def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    """The column of an older batch. Only integers are converted: another cast could cost any amount of memory."""
    places = batch.schema.get_all_field_indices(field.name)
    if len(places) > 1:
        raise _fault(f"column {field.name}", f"is there {len(places)} times")
    if not places:
        if not field.nullable:
            raise _fault(f"column {field.name}", "is missing")
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(places[0])
    if column.type == field.type:
        return column
    if not (pa.types.is_integer(column.type) and pa.types.is_integer(field.type)):
        raise _fault(f"column {field.name}", f"has type {column.type}, not {field.type}")
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise _fault(f"column {field.name}", f"has type {column.type} ({error})") from error


def rows_of(batch: pa.RecordBatch) -> Iterator[Interaction]:
    """The rows of a batch of :data:`SCHEMA` as events again, for people and for export; about 10 µs a row.

    Raises :class:`~propolis.errors.CodecError` that names the row for a kind or a value this version does not know.
    """
    columns = {name: _values(batch.column(name)) for name in SCHEMA.names}
    for index in range(batch.num_rows):
        kind = columns["kind"][index]
        fields = _KIND_FIELDS.get(kind, ())
        event = {name: columns[name][index] for name in fields if columns[name][index] is not None}
        connection = tuple(columns[name][index] for name in _CONNECTION_COLUMNS)
        ordinal = int.from_bytes(columns["id"][index][14:], "big")
        row = (columns["time"][index], connection, ordinal, {"type": kind, **event})
        try:
            yield msgspec.convert(row, Interaction)
        except msgspec.ValidationError as error:
            raise _fault(f"row {index}", str(error)) from error


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = (
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    ).to_pylist()
    return values
