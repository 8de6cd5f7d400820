"""One record batch of a versioned schema as a message of the stream, and back; the same for every class of event.

A message is an Arrow IPC stream (schema, one batch, end; Arrow columnar format 1.5). From :data:`COMPRESS_BYTES` on it
is one LZ4 block behind an eight-byte head: ``PLZ4`` and the length of the IPC stream (little-endian). Arrow's own
compression is refused, because it would let a few bytes claim any amount of memory.
"""

import struct

import pyarrow as pa

from propolis.errors import CodecError

MAX_ROWS = 65_536
"""Rows of one message."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes of one message once it is decompressed."""
COMPRESS_BYTES = 6_144
"""A shorter message travels as it is: the schema and a few rows."""

_END = b"\xff\xff\xff\xff\0\0\0\0"
_U16, _I32, _U32, _I64 = (struct.Struct(code) for code in ("<H", "<i", "<I", "<q"))
_HEAD = struct.Struct("<4sI")
_MAGIC = b"PLZ4"
_NAME, _VERSION = b"propolis.schema", b"propolis.version"


class Codec:
    """Batches of one schema, whose metadata name it (``propolis.schema``) and its version (``propolis.version``)."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.name: str = schema.metadata[_NAME].decode()
        self.version = int(schema.metadata[_VERSION])
        self._message = bytes(memoryview(schema.serialize()))

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """One record batch of this schema, or of an older version of it, as a message of the stream."""
        message = self._message + bytes(memoryview(self.upgrade(batch).serialize())) + _END
        if len(message) < COMPRESS_BYTES:
            return message
        return _HEAD.pack(_MAGIC, len(message)) + bytes(pa.compress(message, codec="lz4_raw", asbytes=True))

    def decode(self, data: bytes) -> pa.RecordBatch:
        """What :meth:`encode` wrote, by this version or an older one, in today's columns.

        Every offset, every character and every bound is checked, so no message can make a reader of the batch fail
        later. Raises :class:`~propolis.errors.CodecError` that names the column or the place for anything else.
        """
        try:
            batch = self._read(self._decompressed(data))
            batch.validate(full=True)
        except (pa.ArrowException, StopIteration, OSError, ValueError, EOFError, struct.error) as error:
            raise self.fault(
                f"{len(data)} bytes", f"not an Arrow IPC stream of one batch ({error})"
            ) from error
        batch = self.upgrade(batch)
        for field in self.schema:
            if not field.nullable and batch.column(field.name).null_count:
                raise self.fault(f"column {field.name}", "has nulls")
        return batch

    def upgrade(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of this or an older version in today's columns; columns that did not exist yet are null."""
        if batch.schema.equals(self.schema, check_metadata=True):
            return batch
        metadata = batch.schema.metadata or {}
        if metadata.get(_NAME) != self.name.encode():
            raise self.fault("metadata propolis.schema", f"is not {self.name!r}")
        version = metadata.get(_VERSION, b"")
        if not version.isdigit() or len(version) > 4:
            raise self.fault("metadata propolis.version", "is not a number")
        if int(version) > self.version:
            why = f"is {int(version)}, newer than {self.version}: update this host"
            raise self.fault("metadata propolis.version", why)
        return pa.RecordBatch.from_arrays(
            [self._column(batch, field) for field in self.schema], schema=self.schema
        )

    def fault(self, where: str, why: str) -> CodecError:
        """The error that says what is wrong with a batch of this class, and where."""
        return CodecError(f"{self.name} batch", where, why)

    def _decompressed(self, data: bytes) -> bytes:
        if not data.startswith(_MAGIC):
            return data
        _, length = _HEAD.unpack_from(data)
        if length > MAX_BYTES:
            raise self.fault("head", f"claims {length} bytes; the limit is {MAX_BYTES}")
        return bytes(pa.decompress(memoryview(data)[_HEAD.size :], length, codec="lz4_raw", asbytes=True))

    def _read(self, data: bytes) -> pa.RecordBatch:
        """The one batch of an IPC stream. A stream that begins with today's schema need not have it parsed."""
        if len(data) > MAX_BYTES:
            raise self.fault(f"{len(data)} bytes", f"the limit is {MAX_BYTES}")
        source = pa.BufferReader(data)
        if data.startswith(self._message):
            source.seek(len(self._message))
            schema = self.schema
        else:
            schema = pa.ipc.read_schema(source)
        message = pa.ipc.read_message(source)
        if message.type != "record batch":
            raise self.fault("second message", f"is a {message.type}, not a record batch")
        self._check_size(message.metadata)
        return pa.ipc.read_record_batch(message, schema)

    def _check_size(self, metadata: pa.Buffer) -> None:
        """Refuse a record batch that is too long, or compressed by Arrow, before Arrow reads it.

        ``metadata`` is the flatbuffer ``Message`` (Arrow ``Message.fbs``), which ``read_message`` has verified: its
        third field, the header, is a table ``RecordBatch``: its first field is the length, its fourth the compression.
        """
        message = _U32.unpack_from(metadata, 0)[0]
        header = message + _slot(metadata, message, 2)
        batch = header + _U32.unpack_from(metadata, header)[0]
        if _slot(metadata, batch, 3):
            raise self.fault("record batch", "is compressed by Arrow, not by us")
        length = _slot(metadata, batch, 0)
        rows = _I64.unpack_from(metadata, batch + length)[0] if length else 0
        if not 0 <= rows <= MAX_ROWS:
            raise self.fault("record batch", f"claims {rows} rows; the limit is {MAX_ROWS}")

    def _column(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        """The column of an older batch. Only integers are converted: another cast could cost any amount of memory."""
        places = batch.schema.get_all_field_indices(field.name)
        if len(places) > 1:
            raise self.fault(f"column {field.name}", f"is there {len(places)} times")
        if not places:
            if not field.nullable:
                raise self.fault(f"column {field.name}", "is missing")
            return pa.nulls(batch.num_rows, field.type)
        column = batch.column(places[0])
        if column.type == field.type:
            return column
        if not (pa.types.is_integer(column.type) and pa.types.is_integer(field.type)):
            raise self.fault(f"column {field.name}", f"has type {column.type}, not {field.type}")
        try:
            return column.cast(field.type)
        except pa.ArrowException as error:
            raise self.fault(f"column {field.name}", f"has type {column.type} ({error})") from error


def _slot(buffer: pa.Buffer, table: int, field: int) -> int:
    """Where in a flatbuffer table a field is, 0 if it is absent (FlatBuffers, "Tables": vtable of 16-bit offsets)."""
    vtable = table - _I32.unpack_from(buffer, table)[0]
    size = _U16.unpack_from(buffer, vtable)[0]
    entry = 4 + 2 * field
    return int(_U16.unpack_from(buffer, vtable + entry)[0]) if entry < size else 0
