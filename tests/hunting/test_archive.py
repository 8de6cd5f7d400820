import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis import notes
from propolis.clock import SECOND, ManualClock
from propolis.config import Lake
from propolis.events.interaction import SCHEMA
from propolis.hunting import Archive, read_snapshot
from propolis.hunting import archive as archive_module
from propolis.hunting.archive import HOURS_PER_FLUSH, RETRY_SECONDS, by_hour

HOUR = 3_600 * SECOND
Batch = Callable[..., pa.RecordBatch]
Commands = Callable[[Path], list[str]]


def numbered(first: int, count: int) -> list[str]:
    return [f"command {number}" for number in range(first, first + count)]


def test_rows_come_back_as_they_went_in(archive: Archive, batch: Batch) -> None:
    assert archive.add("interaction", 1, batch(3))
    assert archive.add("interaction", 2, batch(2, first=3))
    assert read_snapshot(archive.lake.root).files == ()
    assert archive.flush() == 2
    (file,) = read_snapshot(archive.lake.root).files
    stored = pq.ParquetFile(archive.lake.root / file.path)
    assert stored.read() == pa.Table.from_batches([batch(3), batch(2, first=3)])
    assert stored.schema_arrow.equals(SCHEMA, check_metadata=True)
    assert stored.metadata.row_group(0).column(1).statistics.has_min_max
    assert stored.metadata.row_group(0).column(1).compression == "ZSTD"
    assert archive.waiting_rows == 0


def test_each_class_and_hour_has_its_file(
    archive: Archive, batch: Batch, noon: int, commands: Commands
) -> None:
    archive.add("interaction", 4, batch(2, at=noon))
    archive.add("flow", 5, batch(1, first=2, at=noon))
    archive.add("interaction", 6, batch(2, first=3, at=noon + HOUR))
    assert archive.flush() == 6
    folders = [str(file.path.parent) for file in read_snapshot(archive.lake.root).files]
    assert folders == [
        "class=flow/date=2027-01-15/hour=12",
        "class=interaction/date=2027-01-15/hour=12",
        "class=interaction/date=2027-01-15/hour=13",
    ]
    assert commands(archive.lake.root) == ["command 2", *numbered(0, 2), *numbered(3, 2)]


def test_a_batch_across_midnight_is_split_in_order(noon: int, batch: Batch) -> None:
    early, late = batch(2, at=noon), batch(2, first=2, at=noon + 12 * HOUR)
    table = pa.Table.from_batches([late, early, late.slice(1)])
    parts = list(by_hour(table, noon))
    assert [hour - noon // HOUR for hour, _ in parts] == [0, 12]
    assert parts[1][1].column("command").to_pylist() == ["command 2", "command 3", "command 3"]


def test_a_sensor_with_a_wild_clock_fills_no_disk_with_folders(noon: int, batch: Batch) -> None:
    wild = [batch(1, first=number, at=noon - (number + 100) * HOUR) for number in range(HOURS_PER_FLUSH * 2)]
    parts = list(by_hour(pa.Table.from_batches([batch(5), *wild]), noon))
    assert len(parts) <= HOURS_PER_FLUSH
    assert sum(rows.num_rows for _, rows in parts) == 5 + len(wild)


def test_a_redelivery_is_not_stored_twice(
    archive: Archive, batch: Batch, clock: ManualClock, commands: Commands
) -> None:
    archive.add("interaction", 8, batch(2))
    archive.add("interaction", 8, batch(2))
    archive.flush()
    archive.add("interaction", 8, batch(2))
    archive.add("interaction", 9, batch(1, first=2))
    archive.close()
    again = Archive(archive.lake.root, Lake(), clock)
    assert again.recover() == 8
    again.add("interaction", 8, batch(2))
    again.add("interaction", 9, batch(1, first=2))
    assert again.flush() == 9
    assert commands(again.lake.root) == numbered(0, 3)
    again.close()


def test_it_is_due_by_time_by_rows_and_by_bytes(
    tmp_path: Path, batch: Batch, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "lake", Lake(flush_seconds=30.0, flush_rows=4), clock)
    archive.recover()
    clock.advance(60 * SECOND)
    assert not archive.due()
    archive.add("interaction", 1, batch(2))
    assert not archive.due()
    clock.advance(30 * SECOND)
    assert archive.due()
    archive.flush()
    assert not archive.due()
    archive.add("interaction", 2, batch(4))
    assert archive.due()
    archive.flush()
    monkeypatch.setattr(archive_module, "FLUSH_BYTES", 100)
    archive.add("interaction", 3, batch(1))
    assert archive.due()
    archive.close()


def test_an_empty_batch_moves_the_sequence_and_makes_no_file(archive: Archive, batch: Batch) -> None:
    assert archive.flush() == 0
    archive.add("interaction", 3, batch(0))
    assert archive.flush() == 3
    assert read_snapshot(archive.lake.root).files == ()


def test_full_is_told_once_and_loses_nothing(
    archive: Archive, batch: Batch, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "PENDING_BATCHES", 2)
    before = notes.counts["LimitHit"]
    assert archive.add("interaction", 1, batch(1))
    assert archive.add("interaction", 2, batch(1, first=1))
    assert archive.is_full
    assert archive.due()
    assert not archive.add("interaction", 3, batch(1, first=2))
    assert not archive.add("interaction", 3, batch(1, first=2))
    assert notes.counts["LimitHit"] == before + 1
    assert archive.flush() == 2
    assert archive.add("interaction", 3, batch(1, first=2))
    assert archive.flush() == 3
    assert commands(archive.lake.root) == numbered(0, 3)


def test_a_failing_disk_acknowledges_nothing_and_keeps_the_rows(
    archive: Archive, batch: Batch, *, noon: int, commands: Commands, clock: ManualClock, disk: Any
) -> None:
    archive.add("interaction", 1, batch(2))
    archive.flush()
    archive.add("interaction", 2, batch(2, first=2))
    archive.add("interaction", 3, batch(2, first=4, at=noon + HOUR))
    expected = numbered(0, 2)
    for step in range(1, 100):
        disk.fail(after=step)
        before = notes.counts["LakeUnwritable"]
        acknowledged = archive.flush()
        disk.mend()
        if notes.counts["LakeUnwritable"] == before:
            break
        assert acknowledged == 1
        assert archive.waiting_rows == 4
        assert set(commands(archive.lake.root)) >= set(expected)
        assert not archive.due()
        clock.advance(int(RETRY_SECONDS * SECOND))
    else:
        pytest.fail("no attempt was left alone")
    assert step > 8
    assert acknowledged == 3
    assert commands(archive.lake.root) == numbered(0, 6)
    archive.lake.recover()
    assert len(list(archive.lake.root.rglob("*.parquet"))) == len(read_snapshot(archive.lake.root).files)


def test_killed_at_any_step_every_row_is_there_once(
    tmp_path: Path,
    batch: Batch,
    *,
    noon: int,
    clock: ManualClock,
    commands: Commands,
    disk: Any,
    killed: type[BaseException],
) -> None:
    def feed(archive: Archive) -> None:
        committed = archive.recover()
        for sequence, rows in enumerate(
            [batch(2), batch(2, first=2), batch(2, first=4, at=noon + HOUR)], start=1
        ):
            if sequence > committed:
                archive.add("interaction", sequence, rows)

    for step in range(1, 100):
        disk.mend()
        root = tmp_path / str(step)
        archive = Archive(root, Lake(), clock)
        archive.recover()
        archive.add("interaction", 1, batch(2))
        archive.flush()
        feed(archive)
        disk.kill(after=step)
        try:
            archive.flush()
            is_killed = False
        except killed:
            is_killed = True
        disk.mend()
        archive.close()
        assert set(commands(root)) >= set(numbered(0, 2))
        again = Archive(root, Lake(), clock)
        feed(again)
        assert again.flush() == 3
        assert commands(root) == numbered(0, 6)
        again.close()
        if not is_killed:
            break
    assert step > 8


LOOP = """
import sys, itertools
from pathlib import Path
from propolis.clock import SystemClock
from propolis.config import Lake
from propolis.hunting import Archive, compact
from propolis.notes import open_log
import pyarrow as pa, pyarrow.parquet as pq
open_log(json=True)
row = pq.read_table(sys.argv[2]).to_batches()[0]
archive = Archive(Path(sys.argv[1]), Lake(), SystemClock())
first = archive.recover() + 1
for sequence in itertools.count(first):
    command = pa.array([f"command {sequence}"], pa.string())
    columns = [command if name == "command" else row.column(name) for name in row.schema.names]
    archive.add("interaction", sequence, pa.RecordBatch.from_arrays(columns, schema=row.schema))
    if sequence % 3 == 0:
        print(archive.flush(), flush=True)
    if sequence % 12 == 0:
        compact(archive.lake, SystemClock().now())
"""


def test_sigkill_at_any_moment_loses_no_acknowledged_row(
    tmp_path: Path, batch: Batch, commands: Commands
) -> None:
    root = tmp_path / "lake"
    pq.write_table(pa.Table.from_batches([batch(1, at=1_700_000_000 * SECOND)]), tmp_path / "row.parquet")
    acknowledged = 0
    for pause in (0.0, 0.013, 0.101):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP, root, tmp_path / "row.parquet"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split()
        acknowledged = max([acknowledged, *map(int, lines)])
        committed = read_snapshot(root).sequence
        assert committed >= acknowledged
        assert sorted(commands(root)) == sorted(numbered(1, committed))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["add", "add", "flush", "crash", "redeliver"]), max_size=25))
def test_whatever_happens_each_row_is_stored_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    make = _rows()
    root = tmp_path_factory.mktemp("lake")
    archive = Archive(root, Lake(), ManualClock())
    acknowledged, sent = archive.recover(), 0
    for step in [*steps, "crash", "flush"]:
        match step:
            case "add":
                sent += 1
                archive.add("interaction", sent, make(sent))
            case "flush":
                acknowledged = archive.flush()
            case "redeliver":
                for sequence in range(max(1, acknowledged - 1), sent + 1):
                    archive.add("interaction", sequence, make(sequence))
            case _:
                archive.close()
                archive = Archive(root, Lake(), ManualClock())
                assert archive.recover() == acknowledged
                for sequence in range(acknowledged + 1, sent + 1):
                    archive.add("interaction", sequence, make(sequence))
    archive.close()
    files = read_snapshot(root).files
    stored = [
        n
        for file in files
        for n in pq.read_table(root / file.path, columns=["n"], partitioning=None)["n"].to_pylist()
    ]
    assert stored == list(range(1, sent + 1))


def _rows() -> Callable[[int], pa.RecordBatch]:
    schema = pa.schema([pa.field("time", pa.timestamp("ns", tz="UTC")), pa.field("n", pa.int64())])
    return lambda n: pa.RecordBatch.from_arrays(
        [pa.array([n], pa.int64()).cast(schema.field(0).type), pa.array([n])], schema=schema
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "propolis-test", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.root
def test_a_full_disk_is_told_and_recovers_once_there_is_room(
    small_disk: Path, batch: Batch, clock: ManualClock, commands: Commands
) -> None:
    ballast = small_disk / "ballast"
    archive = Archive(small_disk / "lake", Lake(), clock)
    archive.recover()
    archive.add("interaction", 1, batch(10))
    assert archive.flush() == 1
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 1_000_000)
    archive.add("interaction", 2, batch(10, first=10))
    before = notes.counts["LakeUnwritable"]
    assert archive.flush() == 1
    assert notes.counts["LakeUnwritable"] == before + 1
    assert archive.waiting_rows == 10
    assert commands(archive.lake.root) == numbered(0, 10)
    ballast.unlink()
    assert archive.flush() == 2
    assert commands(archive.lake.root) == numbered(0, 20)
    archive.close()
