"""The codec of the stream: what goes in comes out, older messages are read, hostile ones refused."""

import struct

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nouns import NOW, interactions
from propolis.errors import CodecError
from propolis.events import (
    KINDS,
    CommandRun,
    Connection,
    ConnectionOpened,
    Interaction,
    RequestReceived,
    pack,
)
from propolis.events.interaction import (
    COMPRESS_BYTES,
    MAX_BYTES,
    MAX_ROWS,
    SCHEMA,
    VERSION,
    decode,
    encode,
    event_id,
    reference_batch,
    rows_of,
    to_batch,
)

UNHURRIED = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
HEAD = struct.Struct("<4sI")


def row(ordinal: int = 0, **connection: int) -> Interaction:
    where = {"source_port": 40_000, "shard": 3, **connection}
    return Interaction(
        NOW + ordinal,
        Connection(
            id=bytes(range(16)),
            opened=NOW,
            sensor="edge-1",
            lure="ssh",
            source_ip=pack("198.18.0.7"),
            target_ip=pack("10.0.0.1"),
            target_port=22,
            **where,
        ),
        ordinal,
        CommandRun(f"id {ordinal}", b"id\n"),
    )


def stream(batch: pa.RecordBatch, **options: object) -> bytes:
    """The batch as Arrow's own writer writes it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def raw(message: bytes) -> bytes:
    """The IPC stream inside a message."""
    if not message.startswith(b"PLZ4"):
        return message
    _, length = HEAD.unpack_from(message)
    return bytes(pa.decompress(message[HEAD.size :], length, codec="lz4_raw", asbytes=True))


def packed(data: bytes) -> bytes:
    return HEAD.pack(b"PLZ4", len(data)) + bytes(pa.compress(data, codec="lz4_raw", asbytes=True))


def with_version(batch: pa.RecordBatch, version: object, schema: str = "interaction") -> pa.RecordBatch:
    return batch.replace_schema_metadata({"propolis.schema": schema, "propolis.version": str(version)})


def test_every_field_of_every_kind_is_a_column() -> None:
    assert {field for kind in KINDS for field in kind.__struct_fields__} <= set(SCHEMA.names)
    assert {name if name != "id" else "connection" for name in Connection.__struct_fields__} <= set(
        SCHEMA.names
    )


@UNHURRIED
@given(rows=st.lists(interactions(), max_size=12))
def test_the_fast_batch_is_the_plain_one(rows: list[Interaction]) -> None:
    batch = to_batch(rows)
    batch.validate(full=True)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    assert batch.equals(reference_batch(rows), check_metadata=True)


@UNHURRIED
@given(rows=st.lists(interactions(), max_size=12))
def test_events_come_back_as_they_went(rows: list[Interaction]) -> None:
    assert list(rows_of(decode(encode(to_batch(rows))))) == rows


def test_a_long_message_is_compressed_and_a_short_one_is_an_arrow_stream() -> None:
    short, long = encode(to_batch([row()])), encode(to_batch([row(i) for i in range(1_000)]))
    assert len(short) < COMPRESS_BYTES
    assert pa.ipc.open_stream(short).read_next_batch().num_rows == 1
    assert len(long) < len(raw(long)) // 2
    assert raw(long) == stream(to_batch([row(i) for i in range(1_000)]))
    assert decode(long).num_rows == 1_000


def test_a_slice_travels_alone() -> None:
    batch = to_batch([row(i) for i in range(10)])
    assert list(rows_of(decode(encode(batch.slice(3, 2))))) == [row(3), row(4)]


def test_an_id_is_a_uuid_of_its_time_and_the_same_on_every_computation() -> None:
    first, second = event_id(row(1)), event_id(row(2))
    assert int.from_bytes(first[:6], "big") == NOW // 1_000_000
    assert (first[6:14], first[14:]) == (bytes(range(6, 14)), b"\0\1")
    assert first != second
    assert to_batch([row(1), row(2)]).column("id").to_pylist() == [first, second]


def test_an_identifier_of_another_length_is_our_own_fault_and_loud() -> None:
    broken = msgspec.structs.replace(
        row(), connection=msgspec.structs.replace(row().connection, source_ip=b"\1")
    )
    with pytest.raises(ValueError, match="16 bytes"):
        to_batch([broken])


# --- older and newer ---------------------------------------------------------------------------------------------


def test_an_older_message_lacks_later_columns_and_they_read_as_null() -> None:
    batch = to_batch([row()]).drop_columns(["fingerprint", "body_offset", "payload"])
    narrow = batch.set_column(
        batch.schema.get_field_index("bytes_in"), pa.field("bytes_in", pa.int32()), pa.nulls(1, pa.int32())
    )
    read = decode(stream(with_version(narrow, 0)))
    assert read.schema.equals(SCHEMA, check_metadata=True)
    assert read.column("fingerprint").to_pylist() == [None]
    assert read.column("command").to_pylist() == ["id 0"]


LATER = ("ja4", "ja3", "sni", "alpn", "flaws", "extracted", "answered")
"""What version 2 brought."""


def test_a_message_of_version_1_reads_as_the_events_it_was_made_of() -> None:
    request = RequestReceived("GET", "/x", "h", "zgrab", b"GET /x HTTP/1.1\r\n\r\n", 19)
    rows = [row(0), msgspec.structs.replace(row(1), event=request)]
    first = with_version(to_batch(rows).drop_columns(list(LATER)), 1)
    read = decode(stream(first))
    assert read.schema.equals(SCHEMA, check_metadata=True)
    assert all(read.column(name).null_count == 2 for name in LATER)
    assert list(rows_of(read)) == rows


def test_a_journal_of_version_1_is_read() -> None:
    old = {"type": "RequestReceived", "method": "GET", "path": "/", "host": "", "user_agent": ""}
    event = msgspec.msgpack.encode({**old, "payload": b"", "body_offset": 0, "fingerprint": "x"})
    read = msgspec.msgpack.decode(event, type=RequestReceived)
    assert (read.fingerprint, read.flaws, read.extracted, read.answered) == ("x", "", "", "")


def test_columns_may_stand_in_another_order_and_beside_unknown_ones() -> None:
    batch = to_batch([row()])
    names = [*reversed(SCHEMA.names)]
    shuffled = batch.select(names).append_column("mood", pa.array(["calm"]))
    assert decode(stream(with_version(shuffled, VERSION))).equals(batch)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda b: with_version(b, VERSION + 1), "propolis.version.*newer"),
        (lambda b: with_version(b, "soon"), "propolis.version.*not a number"),
        (lambda b: with_version(b, 0, "flow"), "propolis.schema"),
        (lambda b: b.replace_schema_metadata(None), "propolis.schema"),
        (lambda b: with_version(b.drop_columns(["source_ip"]), 0), "column source_ip.*missing"),
        (lambda b: with_version(b.append_column("kind", b.column("kind")), 0), "column kind.*2 times"),
        (lambda b: with_version(b.set_column(2, "kind", pa.array([3])), 0), "column kind.*int64"),
        (lambda b: with_version(b.set_column(9, "source_port", pa.array([70_000])), 0), "column source_port"),
        (lambda b: with_version(b.set_column(2, "kind", pa.nulls(1, pa.string())), 0), "column kind.*nulls"),
    ],
)
def test_a_message_that_is_not_ours_is_refused_by_its_place(spoil: object, where: str) -> None:
    with pytest.raises(CodecError, match=where):
        decode(stream(spoil(to_batch([row()]))))  # type: ignore[operator]


# --- hostile -----------------------------------------------------------------------------------------------------


def test_arrows_own_compression_is_refused_before_it_is_undone() -> None:
    with pytest.raises(CodecError, match="compressed by Arrow"):
        decode(stream(to_batch([row()]), compression="lz4"))


def test_a_claim_of_too_many_bytes_is_refused_before_they_are_made() -> None:
    with pytest.raises(CodecError, match=f"the limit is {MAX_BYTES}"):
        decode(HEAD.pack(b"PLZ4", MAX_BYTES + 1) + b"\0" * 8)


def test_a_claim_of_too_many_rows_is_refused() -> None:
    many = pa.RecordBatch.from_arrays([pa.nulls(MAX_ROWS + 1)], schema=pa.schema([("nothing", pa.null())]))
    with pytest.raises(CodecError, match=f"the limit is {MAX_ROWS}"):
        decode(stream(with_version(many, 0)))


def test_text_that_is_not_utf8_is_refused() -> None:
    message = raw(encode(to_batch([row()]))).replace(b"edge-1", b"edge-\xff")
    with pytest.raises(CodecError, match="UTF8"):
        decode(message)


def test_a_stream_without_a_batch_is_refused() -> None:
    with pytest.raises(CodecError):
        decode(bytes(memoryview(SCHEMA.serialize())))
    with pytest.raises(CodecError, match="not a record batch"):
        decode(bytes(memoryview(SCHEMA.serialize())) * 2)


@settings(max_examples=300)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    for message in (
        data,
        HEAD.pack(b"PLZ4", 1_000) + data,
        packed(data),
        raw(encode(to_batch([])))[:-8] + data,
    ):
        refused_or_sound(message)


SOUND = raw(encode(to_batch([row(i) for i in range(3)])))
DAMAGED = st.lists(
    st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(damage=DAMAGED, end=st.integers(0, len(SOUND)) | st.just(len(SOUND)), compressed=st.booleans())
def test_a_damaged_message_is_refused_or_sound(
    damage: list[tuple[int, bytes]], end: int, *, compressed: bool
) -> None:
    data = bytearray(SOUND)
    for place, patch in damage:
        data[place : place + len(patch)] = patch
    message = bytes(data[:end])
    refused_or_sound(packed(message) if compressed else message)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(bit=st.integers(0, 8 * len(SOUND) - 1))
def test_one_flipped_bit_is_refused_or_sound(bit: int) -> None:
    data = bytearray(SOUND)
    data[bit // 8] ^= 1 << bit % 8
    refused_or_sound(bytes(data))


def refused_or_sound(message: bytes) -> None:
    try:
        batch = decode(message)
    except CodecError as error:
        assert error.where  # noqa: PT017 - refused or sound: either is right
        return
    batch.validate(full=True)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    try:
        list(rows_of(batch))
    except CodecError as error:
        assert error.where.startswith("row ")  # noqa: PT017 - the same


# --- the sensor's journal ----------------------------------------------------------------------------------------


@UNHURRIED
@given(one=interactions())
def test_an_event_survives_the_journal(one: Interaction) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Interaction) == one


def test_a_connection_without_an_event_class_is_a_handshake() -> None:
    assert row().connection.evidence_class == "handshake"
    read = next(rows_of(to_batch([msgspec.structs.replace(row(), event=ConnectionOpened())])))
    assert read.event == ConnectionOpened()
