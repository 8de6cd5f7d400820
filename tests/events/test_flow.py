"""The codec of flows: what goes in comes out; what is not ours is refused by its place."""

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nouns import NOW, addresses, classes, counts, nanoseconds, ports
from propolis.errors import CodecError
from propolis.events import pack
from propolis.events.flow import OUTCOMES, SCHEMA, VERSION, Flow, decode, encode, rows_of, to_batch

UNHURRIED = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
flows = st.builds(
    Flow,
    id=st.binary(min_size=16, max_size=16),
    time=nanoseconds,
    end=nanoseconds,
    sensor=st.sampled_from(("edge-1", "border")),
    shard=st.integers(0, 63),
    source_ip=addresses,
    source_port=ports,
    target_ip=addresses,
    target_port=ports,
    protocol=st.integers(0, 255),
    source_packets=counts,
    source_bytes=counts,
    target_packets=counts,
    target_bytes=counts,
    outcome=st.sampled_from(OUTCOMES),
    evidence_class=classes,
)
FLOW = Flow(
    bytes(16), NOW, NOW + 5, "edge-1", 3, pack("198.18.0.7"), 40_000, pack("10.0.0.1"), 22, 6, 1, 60, 1, 40,
    "refused", "spoofable",
)  # fmt: skip


def stream(batch: pa.RecordBatch) -> bytes:
    """The batch as Arrow's own writer writes it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def with_version(batch: pa.RecordBatch, version: object, schema: str = "flow") -> pa.RecordBatch:
    return batch.replace_schema_metadata({"propolis.schema": schema, "propolis.version": str(version)})


@UNHURRIED
@given(rows=st.lists(flows, max_size=12))
def test_flows_come_back_as_they_went(rows: list[Flow]) -> None:
    batch = to_batch(rows)
    batch.validate(full=True)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    assert list(rows_of(decode(encode(batch)))) == rows


def test_every_field_is_a_column_in_its_order() -> None:
    assert list(Flow.__struct_fields__) == SCHEMA.names


def test_a_code_of_a_newer_sensor_is_unknown() -> None:
    batch = to_batch([FLOW])
    place = SCHEMA.get_field_index("outcome")
    batch = batch.set_column(place, SCHEMA.field(place), pa.array([77], pa.uint8()))
    (read,) = rows_of(decode(encode(batch)))
    assert read == msgspec.structs.replace(FLOW, outcome="unknown")


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda b: with_version(b, VERSION + 1), "flow batch.*propolis.version.*newer"),
        (lambda b: with_version(b, "soon"), "propolis.version.*not a number"),
        (lambda b: with_version(b, 0, "interaction"), "propolis.schema"),
        (lambda b: b.replace_schema_metadata(None), "propolis.schema"),
        (lambda b: with_version(b.drop_columns(["source_ip"]), 0), "column source_ip.*missing"),
        (lambda b: with_version(b.append_column("shard", b.column("shard")), 0), "column shard.*2 times"),
        (lambda b: with_version(b.set_column(3, "sensor", pa.array([3])), 0), "column sensor.*int64"),
        (lambda b: with_version(b.set_column(8, "target_port", pa.array([70_000])), 0), "column target_port"),
        (lambda b: with_version(b.set_column(3, "sensor", pa.nulls(1, pa.string())), 0), "sensor.*nulls"),
    ],
)
def test_a_message_that_is_not_ours_is_refused_by_its_place(spoil: object, where: str) -> None:
    with pytest.raises(CodecError, match=where):
        decode(stream(spoil(to_batch([FLOW]))))  # type: ignore[operator]


SOUND = encode(to_batch([FLOW] * 3))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    damage=st.lists(
        st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
    ),
    end=st.integers(0, len(SOUND)) | st.just(len(SOUND)),
)
def test_a_damaged_message_is_refused_or_sound(damage: list[tuple[int, bytes]], end: int) -> None:
    data = bytearray(SOUND)
    for place, patch in damage:
        data[place : place + len(patch)] = patch
    refused_or_sound(bytes(data[:end]))


@settings(max_examples=200)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    for message in (data, b"PLZ4\0\1\0\0" + data, SOUND[:-200] + data):
        refused_or_sound(message)


def refused_or_sound(message: bytes) -> None:
    try:
        batch = decode(message)
    except CodecError as error:
        assert error.where  # noqa: PT017 - refused or sound: either is right
        return
    batch.validate(full=True)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    assert np.asarray(batch.column("outcome")).dtype == np.uint8
    list(rows_of(batch))
