import contextlib
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis import notes
from propolis.clock import SECOND, ManualClock
from propolis.errors import LakeError
from propolis.events.interaction import SCHEMA, VERSION
from propolis.hunting.lake import (
    RETIRE_SECONDS,
    DataFile,
    LakeWriter,
    Snapshot,
    read_snapshot,
    version_of,
)

FILE = DataFile("interaction", 500_003, 0, 7, 12, 1, 1, 0)


def write(lake: LakeWriter, place: DataFile, batch: Callable[..., pa.RecordBatch]) -> DataFile:
    table = pa.Table.from_batches([batch(3)])
    return lake.write(place, table.schema, [table])


@pytest.fixture
def lake(tmp_path: Path, clock: ManualClock) -> LakeWriter:
    writer = LakeWriter(tmp_path / "lake", clock)
    writer.recover()
    return writer


def test_a_file_lies_by_class_date_and_hour() -> None:
    assert str(FILE.path) == ("class=interaction/date=2027-01-15/hour=11/0.000000000007-000000000012.parquet")


@given(st.builds(DataFile, st.just("flow"), st.integers(-2_600_000, 2_600_000), *[st.integers(0, 2**63)] * 6))
def test_no_file_lies_elsewhere(file: DataFile) -> None:
    assert file.path.parts[0] == "class=flow"
    assert ".." not in file.path.parts
    assert len(file.path.parts) == 4


def test_captured_data_is_not_world_readable(lake: LakeWriter, batch: Callable[..., pa.RecordBatch]) -> None:
    lake.commit(add=[write(lake, FILE, batch)], sequence=12)
    for path in [lake.root, *lake.root.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o007, path
        assert not stat.S_IMODE(path.stat().st_mode) & 0o020, path


def test_a_file_counts_once_it_is_committed(lake: LakeWriter, batch: Callable[..., pa.RecordBatch]) -> None:
    file = write(lake, FILE, batch)
    assert read_snapshot(lake.root) == Snapshot()
    assert lake.commit(add=[file], sequence=12)
    assert read_snapshot(lake.root) == Snapshot(sequence=12, files=(file,))
    assert (file.rows, file.bytes) == (3, (lake.root / file.path).stat().st_size)


def test_a_second_writer_is_refused_and_a_later_one_is_not(lake: LakeWriter, clock: ManualClock) -> None:
    with pytest.raises(LakeError, match="another archive writes here"):
        LakeWriter(lake.root, clock)
    lake.close()
    LakeWriter(lake.root, clock).close()


def test_what_a_crash_left_behind_is_removed(lake: LakeWriter, batch: Callable[..., pa.RecordBatch]) -> None:
    kept = write(lake, FILE, batch)
    lake.commit(add=[kept], sequence=12)
    litter = write(lake, msgspec.structs.replace(FILE, first=13, last=20), batch)
    (lake.root / kept.path).with_name(".half.parquet.tmp").write_bytes(b"PAR1")
    lake.recover()
    assert [path.name for path in lake.root.rglob("*.*") if path.is_file() and path.parent != lake.root] == [
        kept.path.name
    ]
    assert not (lake.root / litter.path).exists()


def test_a_file_that_is_gone_is_told_and_forgotten(
    lake: LakeWriter, batch: Callable[..., pa.RecordBatch]
) -> None:
    file = write(lake, FILE, batch)
    lake.commit(add=[file], sequence=12)
    (lake.root / file.path).unlink()
    before = notes.counts["LakeFileLost"]
    assert lake.recover() == Snapshot(sequence=12)
    assert notes.counts["LakeFileLost"] == before + 1


def test_files_without_their_manifest_are_not_taken_for_litter(
    lake: LakeWriter, batch: Callable[..., pa.RecordBatch], clock: ManualClock
) -> None:
    lake.commit(add=[write(lake, FILE, batch)], sequence=12)
    (lake.root / "manifest.json").unlink()
    lake.close()
    with pytest.raises(LakeError, match="restore it"):
        LakeWriter(lake.root, clock).recover()
    assert (lake.root / FILE.path).exists()


def test_a_stream_made_anew_counts_from_zero_and_overwrites_nothing(
    lake: LakeWriter, batch: Callable[..., pa.RecordBatch]
) -> None:
    lake.recover("2026-11-24")
    old = write(lake, msgspec.structs.replace(FILE, generation=lake.snapshot.generation), batch)
    lake.commit(add=[old], sequence=12)
    assert lake.recover("2026-11-24").sequence == 12
    state = lake.recover("2026-11-25")
    assert (state.sequence, state.generation, state.files) == (0, old.generation + 1, (old,))
    new = msgspec.structs.replace(old, generation=state.generation)
    assert new.path != old.path


def test_a_replaced_file_stays_for_those_who_read_it_and_then_goes(
    lake: LakeWriter, batch: Callable[..., pa.RecordBatch], clock: ManualClock
) -> None:
    file = write(lake, FILE, batch)
    lake.commit(add=[file], sequence=12)
    assert lake.commit(remove=[file])
    assert (lake.root / file.path).exists()
    clock.advance(RETIRE_SECONDS * SECOND)
    lake.commit()
    assert not (lake.root / file.path).exists()
    assert not (lake.root / "class=interaction").exists()


def test_what_is_gone_is_not_removed_twice(lake: LakeWriter, batch: Callable[..., pa.RecordBatch]) -> None:
    file = write(lake, FILE, batch)
    lake.commit(add=[file], sequence=12)
    assert lake.commit(remove=[file])
    assert not lake.commit(remove=[file], sequence=99)
    assert read_snapshot(lake.root).sequence == 12


def test_a_newer_manifest_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(Snapshot(version=2)))
    with pytest.raises(LakeError, match="update this host"):
        read_snapshot(tmp_path)


def test_a_root_that_is_a_file_is_named(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(LakeError, match=r"lake\.path"):
        LakeWriter(tmp_path / "lake", clock)


@settings(max_examples=60)
@given(
    st.binary(max_size=200)
    | st.builds(lambda cut: msgspec.json.encode(Snapshot(files=(FILE,)))[:cut], st.integers(0, 150))
)
def test_a_damaged_manifest_is_an_error_with_a_cure(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = tmp_path_factory.mktemp("lake")
    (root / "manifest.json").write_bytes(data)
    with contextlib.suppress(LakeError):
        assert isinstance(read_snapshot(root), Snapshot)


def test_a_schema_says_its_version() -> None:
    assert version_of(SCHEMA) == VERSION
    assert version_of(pa.schema([], metadata={"propolis.version": "12"})) == 12
    assert version_of(pa.schema([], metadata={"propolis.version": "x"})) == 1
    assert version_of(pa.schema([])) == 1
