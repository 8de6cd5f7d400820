from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.errors import QueryError
from propolis.events import pack, unpack
from propolis.events.interaction import VERSION
from propolis.hunting import Archive, Snapshot
from propolis.hunting.views import columns, open_views, quoted

HOUR = 3_600 * SECOND
Batch = Callable[..., pa.RecordBatch]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        yield con


@pytest.fixture
def three_hours(archive: Archive, batch: Batch, noon: int) -> Archive:
    for hour in range(3):
        archive.add("interaction", hour + 1, batch(10, at=noon + hour * HOUR, first=10 * hour))
    archive.flush()
    return archive


def test_columns_have_types_people_ask_in(
    con: duckdb.DuckDBPyConnection, three_hours: Archive, batch: Batch
) -> None:
    open_views(con, three_hours.lake.root, three_hours.lake.snapshot, {"interaction": [(9, batch(1))]})
    kinds = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE interaction)").fetchall())
    assert kinds["time"] == kinds["opened"] == "TIMESTAMP WITH TIME ZONE"
    assert {kinds[name] for name in ("id", "connection", "source_ip", "target_ip", "command")} == {"VARCHAR"}
    assert (kinds["payload"], kinds["date"], kinds["hour"], kinds["duration"]) == (
        "BLOB",
        "DATE",
        "INTEGER",
        "BIGINT",
    )


def test_addresses_and_ids_are_text(con: duckdb.DuckDBPyConnection, three_hours: Archive) -> None:
    open_views(con, three_hours.lake.root, three_hours.lake.snapshot, {})
    question = "SELECT connection, source_ip, target_ip, payload FROM interaction WHERE command = 'command 1'"
    assert con.execute(question).fetchall() == [
        ("00000000-0000-0000-0000-000000000001", "198.18.0.1", "2001:db8::5", b"\x00\xff")
    ]
    assert con.execute("SELECT count(*) FROM interaction WHERE id::UUID::VARCHAR = id").fetchone() == (30,)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.ip_addresses(), min_size=1, max_size=20))
def test_every_address_reads_as_the_stream_writes_it(addresses: list[object]) -> None:
    packed = [pack(str(address)) for address in addresses]
    with duckdb.connect() as con:
        open_views(con, Path("/nowhere"), Snapshot(), {})
        con.register("packed", pa.table({"ip": pa.array(packed, pa.binary(16))}))
        texts = [text for (text,) in con.execute("SELECT address_text(ip) FROM packed").fetchall()]
    assert texts == [unpack(address) for address in packed]


def test_a_time_reads_only_its_files(con: duckdb.DuckDBPyConnection, three_hours: Archive, noon: int) -> None:
    open_views(con, three_hours.lake.root, three_hours.lake.snapshot, {})
    after = f"to_timestamp({noon // SECOND + 2 * 3_600})"
    plan = con.execute(
        f"EXPLAIN ANALYZE SELECT max(payload) FROM interaction WHERE time >= {after}"
    ).fetchall()[0][1]
    assert "Row Groups Scanned: 1 / 3" in plan
    plan = con.execute("EXPLAIN ANALYZE SELECT max(payload) FROM interaction WHERE hour = 13").fetchall()[0][
        1
    ]
    assert "Scanning Files: 1/3" in plan


def test_an_empty_lake_can_be_asked(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert open_views(con, tmp_path, Snapshot(), {}) == []
    assert con.execute("SELECT count(*) FROM interaction").fetchone() == (0,)


def test_partition_of_what_waits_is_that_of_what_is_stored(
    con: duckdb.DuckDBPyConnection, three_hours: Archive, batch: Batch, noon: int
) -> None:
    waiting = [(number + 10, batch(1, at=noon + number * HOUR)) for number in range(30)]
    open_views(con, three_hours.lake.root, three_hours.lake.snapshot, {"interaction": waiting})
    wrong = "SELECT count(*) FROM interaction WHERE date != time::DATE OR hour != extract('hour' FROM time)"
    assert con.execute(wrong).fetchone() == (0,)


def test_another_class_is_a_table_of_its_own(
    con: duckdb.DuckDBPyConnection, archive: Archive, noon: int
) -> None:
    schema = pa.schema([pa.field("time", pa.timestamp("ns", tz="UTC")), pa.field('odd "name"', pa.int64())])
    rows = pa.RecordBatch.from_arrays(
        [pa.array([noon]).cast(schema.field(0).type), pa.array([7])], schema=schema
    )
    archive.add("flow", 1, rows)
    archive.flush()
    open_views(con, archive.lake.root, archive.lake.snapshot, {"flow": [(1, rows), (2, rows)]})
    assert con.execute('SELECT sum("odd ""name""") FROM flow').fetchone() == (14,)


def test_an_older_schema_has_nulls_for_what_came_later(
    con: duckdb.DuckDBPyConnection, archive: Archive, batch: Batch
) -> None:
    new = batch(2)
    older = new.drop_columns(["user_agent", "payload"]).replace_schema_metadata({"propolis.version": "0"})
    archive.add("interaction", 1, older)
    archive.add("interaction", 2, new)
    archive.flush()
    assert sorted(file.version for file in archive.lake.snapshot.files) == [0, VERSION]
    open_views(con, archive.lake.root, archive.lake.snapshot, {"interaction": [(3, new)]})
    assert con.execute("SELECT count(*), count(payload) FROM interaction").fetchone() == (6, 4)


def test_a_path_with_a_quote_works_and_one_with_a_pattern_is_refused(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, batch: Batch, archive: Archive
) -> None:
    archive.add("interaction", 1, batch(1))
    archive.flush()
    quote = tmp_path / "o'lake"
    quote.symlink_to(archive.lake.root)
    open_views(con, quote, archive.lake.snapshot, {})
    assert con.execute("SELECT count(*) FROM interaction").fetchone() == (1,)
    with pytest.raises(QueryError, match=r"set another lake\.path"):
        open_views(con, tmp_path / "lake[1]", Snapshot(), {})


def test_names_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert columns(pa.schema([pa.field('a"b', pa.int8())])) == '"a""b" AS "a""b"'


def test_a_snapshot_is_all_that_is_believed(con: duckdb.DuckDBPyConnection, three_hours: Archive) -> None:
    snapshot = three_hours.lake.snapshot
    part = msgspec.structs.replace(snapshot, files=snapshot.files[:1])
    assert len(open_views(con, three_hours.lake.root, part, {})) == 1
    assert con.execute("SELECT count(*) FROM interaction").fetchone() == (10,)
