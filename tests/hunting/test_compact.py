from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis import notes
from propolis.clock import SECOND, ManualClock
from propolis.config import Lake
from propolis.events.interaction import SCHEMA
from propolis.hunting import Archive, DataFile, LakeWriter, compact, read_snapshot
from propolis.hunting.compact import COMPACT_AFTER_SECONDS, COMPACT_BYTES, mergeable
from propolis.hunting.lake import RETIRE_SECONDS

HOUR = 3_600 * SECOND
Batch = Callable[..., pa.RecordBatch]
Commands = Callable[[Path], list[str]]


def numbered(first: int, count: int) -> list[str]:
    return [f"command {number}" for number in range(first, first + count)]


def fill(archive: Archive, batch: Batch) -> int:
    """Three files of two rows in one hour, and when that hour is settled."""
    for sequence in (1, 2, 3):
        archive.add("interaction", sequence, batch(2, first=2 * sequence - 2))
        archive.flush()
    return archive.lake.snapshot.files[0].hour * HOUR + HOUR + COMPACT_AFTER_SECONDS * SECOND


def test_small_files_of_a_past_hour_become_one(archive: Archive, batch: Batch, commands: Commands) -> None:
    settled = fill(archive, batch)
    assert compact(archive.lake, settled) == 3
    (file,) = read_snapshot(archive.lake.root).files
    assert (file.first, file.last, file.rows) == (1, 3, 6)
    assert commands(archive.lake.root) == numbered(0, 6)
    stored = pq.ParquetFile(archive.lake.root / file.path)
    assert stored.schema_arrow.equals(SCHEMA, check_metadata=True)
    assert stored.num_row_groups == 1
    assert compact(archive.lake, settled) == 0
    assert archive.committed == 3


def test_the_present_hour_is_left_alone(archive: Archive, batch: Batch) -> None:
    settled = fill(archive, batch)
    assert compact(archive.lake, settled - 1) == 0


def test_a_late_batch_joins_its_hour(archive: Archive, batch: Batch, commands: Commands) -> None:
    settled = fill(archive, batch)
    compact(archive.lake, settled)
    archive.add("interaction", 4, batch(1, first=6))
    archive.flush()
    assert compact(archive.lake, settled) == 2
    assert commands(archive.lake.root) == numbered(0, 7)


def test_a_reader_of_before_can_finish(archive: Archive, batch: Batch, clock: ManualClock) -> None:
    settled = fill(archive, batch)
    before = read_snapshot(archive.lake.root).files
    compact(archive.lake, settled)
    assert all((archive.lake.root / file.path).exists() for file in before)
    clock.advance(RETIRE_SECONDS * SECOND)
    archive.add("interaction", 4, batch(1))
    archive.flush()
    assert not any((archive.lake.root / file.path).exists() for file in before)


def test_a_damaged_file_is_told_and_nothing_is_lost(archive: Archive, batch: Batch) -> None:
    settled = fill(archive, batch)
    state = read_snapshot(archive.lake.root)
    (archive.lake.root / state.files[1].path).write_bytes(b"PAR1 no more")
    before = notes.counts["LakeFileLost"]
    assert compact(archive.lake, settled) == 0
    assert notes.counts["LakeFileLost"] == before + 1
    assert read_snapshot(archive.lake.root) == state
    assert len(list(archive.lake.root.rglob("*.parquet"))) == 3


def test_what_expires_during_a_merge_does_not_come_back(
    archive: Archive, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = fill(archive, batch)
    write = LakeWriter.write

    def slow(lake: LakeWriter, *arguments: Any) -> DataFile:
        merged = write(lake, *arguments)
        lake.commit(remove=lake.snapshot.files[:1])
        return merged

    monkeypatch.setattr(LakeWriter, "write", slow)
    assert compact(archive.lake, settled) == 0
    assert [file.first for file in read_snapshot(archive.lake.root).files] == [2, 3]


def test_a_failing_disk_leaves_the_small_files(
    archive: Archive, batch: Batch, commands: Commands, disk: Any
) -> None:
    settled = fill(archive, batch)
    for step in range(1, 100):
        disk.fail(after=step)
        replaced = compact(archive.lake, settled)
        disk.mend()
        assert commands(archive.lake.root) == numbered(0, 6)
        if replaced:
            break
    assert step > 4
    archive.lake.recover()
    assert len(list(archive.lake.root.rglob("*.parquet"))) == 1


def test_killed_at_any_step_every_row_is_there_once(
    tmp_path: Path,
    batch: Batch,
    *,
    clock: ManualClock,
    commands: Commands,
    disk: Any,
    killed: type[BaseException],
) -> None:
    for step in range(1, 100):
        archive = Archive(tmp_path / str(step), Lake(), clock)
        archive.recover()
        settled = fill(archive, batch)
        disk.kill(after=step)
        try:
            compact(archive.lake, settled)
            is_killed = False
        except killed:
            is_killed = True
        disk.mend()
        archive.close()
        assert commands(archive.lake.root) == numbered(0, 6)
        again = Archive(archive.lake.root, Lake(), clock)
        assert again.recover() == 3
        assert commands(again.lake.root) == numbered(0, 6)
        files = read_snapshot(again.lake.root).files
        assert len(list(again.lake.root.rglob("*.parquet"))) == len(files)
        again.close()
        if not is_killed:
            break
    assert step > 4


@given(
    st.lists(
        st.builds(
            DataFile,
            st.sampled_from(["flow", "interaction"]),
            st.integers(0, 3),
            st.integers(0, 1),
            st.integers(1, 1_000),
            st.just(1_000),
            st.integers(1, 2),
            st.just(1),
            st.integers(0, 2 * COMPACT_BYTES),
        ),
        max_size=20,
        unique_by=lambda file: file.path,
    )
)
def test_only_small_files_of_one_place_are_merged(files: list[DataFile]) -> None:
    now = 3 * HOUR + COMPACT_AFTER_SECONDS * SECOND
    for run in mergeable(files, now):
        assert len(run) > 1
        assert len({(file.event_class, file.hour, file.generation, file.version) for file in run}) == 1
        assert run[0].hour < 3
        assert [file.first for file in run] == sorted(file.first for file in run)
        assert sum(file.bytes for file in run) <= COMPACT_BYTES
