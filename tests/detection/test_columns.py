import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import BEGIN, batch_of
from propolis.detection.columns import KIND_NAMES, SCAN_BYTES, SPOOFABLE, UNKNOWN_KIND, Rows, Texts
from propolis.events import CommandRun, ConnectionOpened, CredentialTried, pack


def test_columns_are_what_the_events_said() -> None:
    rows = Rows(batch_of([("192.0.2.7", ConnectionOpened(), 22), ("2001:db8::1", CommandRun("id"), 23)]))
    assert [KIND_NAMES[kind] for kind in rows.kind] == ["ConnectionOpened", "CommandRun"]
    assert rows.time.tolist() == [BEGIN, BEGIN + 1_000_000]
    assert rows.opened.tolist() == [BEGIN - 1_000_000, BEGIN]
    assert [rows.source[row].tobytes() for row in (0, 1)] == [pack("192.0.2.7"), pack("2001:db8::1")]
    assert rows.target_port.tolist() == [22, 23]
    assert rows.texts("command")[0] == b""
    assert rows.texts("command")[1] == b"id"


def test_a_slice_of_a_batch_reads_as_a_batch() -> None:
    whole = batch_of([("192.0.2.7", CredentialTried(f"user{number}", "x"), number) for number in range(9)])
    rows = Rows(whole.slice(4, 3))
    assert rows.target_port.tolist() == [4, 5, 6]
    assert [rows.texts("username")[row] for row in range(3)] == [b"user4", b"user5", b"user6"]
    assert rows.id.tolist() == Rows(whole).id[4:7].tolist()


def test_a_kind_of_a_newer_sensor_has_a_code_of_its_own() -> None:
    batch = batch_of([("192.0.2.7", ConnectionOpened()), ("192.0.2.7", ConnectionOpened())])
    index = batch.schema.get_field_index("kind")
    rows = Rows(
        batch.set_column(index, batch.schema.field(index), pa.array(["Foretold", "ConnectionOpened"]))
    )
    assert rows.kind.tolist() == [UNKNOWN_KIND, 0]


def test_what_is_not_a_known_class_of_evidence_counts_as_forgeable() -> None:
    assert Rows(
        batch_of([("192.0.2.7", ConnectionOpened())], evidence_class="hearsay")
    ).evidence_class.tolist() == [SPOOFABLE]


def test_an_empty_batch_has_no_rows() -> None:
    rows = Rows(batch_of([]))
    assert rows.count == 0
    assert rows.kind.dtype == np.int8


@given(st.lists(st.none() | st.binary(max_size=12)), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_texts_equal_arrow_s_own(values: list[bytes | None], skip: int) -> None:
    column = pa.array(values, pa.binary()).slice(skip)
    texts = Texts(column)
    assert [texts[row] for row in range(len(column))] == [value or b"" for value in values[skip:]]


def test_a_text_is_read_up_to_its_bound() -> None:
    assert len(Texts(pa.array([b"a" * (SCAN_BYTES + 5)], pa.binary()))[0]) == SCAN_BYTES
