import csv
import io
import json
import stat
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.errors import QueryError
from propolis.hunting.export import rows, save, text_of, write

TABLE = pa.table(
    {
        "time": pa.array([1_800_000_000_123_456_789], pa.timestamp("ns", tz="UTC")),
        "command": ["rm -rf /\x1b[2J"],
        "payload": pa.array([b"\x00a\xff"], pa.binary()),
        "rows": pa.array([Decimal(5)], pa.decimal128(38, 0)),
        "nothing": pa.nulls(1, pa.string()),
    }
)


def written(table: pa.Table, form: str) -> str:
    file = io.BytesIO()
    write(table, file, form)  # type: ignore[arg-type]
    return file.getvalue().decode()


def test_csv_is_safe_to_show() -> None:
    assert written(TABLE, "csv") == (
        "time,command,payload,rows,nothing\r\n"
        "2027-01-15 08:00:00.123456789Z,rm -rf /\\x1b[2J,\\x00a\\xff,5,\r\n"
    )


def test_json_is_one_object_a_line() -> None:
    assert json.loads(written(TABLE, "json")) == {
        "time": "2027-01-15 08:00:00.123456789Z",
        "command": "rm -rf /\x1b[2J",
        "payload": "AGH/",
        "rows": 5,
        "nothing": None,
    }


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_file_is_replaced_whole_and_is_not_world_readable(tmp_path: Path, form: str) -> None:
    path = tmp_path / "answer"
    path.write_text("what was here before")
    path.chmod(0o644)
    save(TABLE, path, form)  # type: ignore[arg-type]
    assert not stat.S_IMODE(path.stat().st_mode) & 0o007
    assert path.read_bytes() != b"what was here before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["answer"]


def test_parquet_keeps_every_value(tmp_path: Path) -> None:
    save(TABLE, tmp_path / "answer.parquet", "parquet")
    assert pq.ParquetFile(tmp_path / "answer.parquet").read() == TABLE


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="--to"):
        save(TABLE, tmp_path / "nowhere" / "answer.csv", "csv")


def test_what_parquet_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "answer.parquet"
    path.write_text("before")
    spans = pa.table({"span": pa.array([None], pa.month_day_nano_interval())})
    with pytest.raises(QueryError, match="cast the column"):
        save(spans, path, "parquet")
    assert path.read_text() == "before"


def test_times_beyond_any_calendar_are_shown() -> None:
    far = pa.table({"t": pa.array([2**62, -(2**62), None], pa.timestamp("us", tz="UTC"))})
    assert len(list(rows(far))) == 3
    nested = pa.table({"t": pa.array([[2**62]], pa.list_(pa.timestamp("us")))})
    with pytest.raises(QueryError, match=r"column t: .*cast it to VARCHAR"):
        list(rows(nested))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (7, "7"),
        (1.5, "1.5"),
        (b"'\"\n\xff", "\\'\"\\n\\xff"),
        ("tab\there\u202e", "tab\\there\\u202e"),
        (["a\x1b"], "['a\\x1b']"),
        (datetime(2027, 1, 15, tzinfo=UTC), "2027-01-15 00:00:00+00:00"),
    ],
)
def test_a_value_reads_as_text(value: object, text: str) -> None:
    assert text_of(value) == text


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(), st.binary(), st.integers(-(2**63), 2**63 - 1)), max_size=5))
def test_any_capture_is_written_and_read_back(captured: list[tuple[str, bytes, int]]) -> None:
    columns = list(zip(*captured, strict=True)) or [(), (), ()]
    kinds = (pa.string(), pa.binary(), pa.int64())
    clean = [text.encode(errors="replace").decode() for text in columns[0]]
    table = pa.table(
        {
            name: pa.array(values, kind)
            for name, values, kind in zip("abc", (clean, *columns[1:]), kinds, strict=True)
        }
    )
    lines = list(csv.reader(io.StringIO(written(table, "csv"), newline="")))
    assert len(lines) == len(captured) + 1
    objects = [json.loads(line) for line in written(table, "json").splitlines()]
    assert all(line.isprintable() for line in written(table, "json").splitlines())
    assert [item["a"] for item in objects] == clean
    assert [item["c"] for item in objects] == list(columns[2])
