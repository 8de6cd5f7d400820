"""Messages of any class: long ones are compressed, and no claim of size is believed before it is checked."""

import struct

import pyarrow as pa
import pytest

from propolis.errors import CodecError
from propolis.events.message import COMPRESS_BYTES, MAX_BYTES, MAX_ROWS, Codec

SCHEMA = pa.schema(
    [pa.field("number", pa.int64(), nullable=False), pa.field("later", pa.string())],
    metadata={"propolis.schema": "thing", "propolis.version": "2"},
)
CODEC = Codec(SCHEMA)


def batch(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([7] * rows, pa.int64()), pa.nulls(rows, pa.string())], schema=SCHEMA
    )


def stream(made: pa.RecordBatch, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, made.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(made)
    return bytes(memoryview(sink.getvalue()))


@pytest.mark.parametrize("rows", [0, 1, 5_000])
def test_a_batch_comes_back(rows: int) -> None:
    message = CODEC.encode(batch(rows))
    assert len(message) < COMPRESS_BYTES
    assert CODEC.decode(message).equals(batch(rows), check_metadata=True)


def test_an_older_batch_lacks_later_columns() -> None:
    older = batch(2).drop_columns(["later"])
    older = older.replace_schema_metadata({"propolis.schema": "thing", "propolis.version": "1"})
    assert CODEC.decode(stream(older)).equals(batch(2))


def test_arrows_own_compression_is_refused_before_it_is_undone() -> None:
    with pytest.raises(CodecError, match="compressed by Arrow"):
        CODEC.decode(stream(batch(1), compression="lz4"))


def test_a_claim_of_too_many_bytes_is_refused_before_they_are_made() -> None:
    with pytest.raises(CodecError, match=f"thing batch: head.*the limit is {MAX_BYTES}"):
        CODEC.decode(struct.pack("<4sI", b"PLZ4", MAX_BYTES + 1) + b"\0" * 8)


def test_a_claim_of_too_many_rows_is_refused() -> None:
    with pytest.raises(CodecError, match=f"the limit is {MAX_ROWS}"):
        CODEC.decode(stream(batch(MAX_ROWS + 1)))


def test_a_second_schema_is_no_batch() -> None:
    with pytest.raises(CodecError, match="not a record batch"):
        CODEC.decode(bytes(memoryview(SCHEMA.serialize())) * 2)
