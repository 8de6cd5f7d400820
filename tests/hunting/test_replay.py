from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from propolis.clock import SECOND
from propolis.errors import LakeError
from propolis.events.interaction import SCHEMA
from propolis.hunting.archive import Archive
from propolis.hunting.replay import BATCH_ROWS, chosen, replay

Batch = Callable[..., pa.RecordBatch]


def commands(root: Path, since: int = 0) -> list[str]:
    batches = list(replay(root, chosen(root, since), since))
    assert all(batch.schema.equals(SCHEMA, check_metadata=True) for batch in batches)
    assert all(batch.num_rows <= BATCH_ROWS for batch in batches)
    return [command for batch in batches for command in batch.column("command").to_pylist()]


def test_events_come_in_the_order_of_time(archive: Archive, batch: Batch, noon: int) -> None:
    archive.add("interaction", 1, batch(1, first=1))
    archive.add("interaction", 2, batch(1))
    archive.add("interaction", 3, batch(1, first=2, at=noon + 3_600 * SECOND))
    archive.add("interaction", 4, batch(1, first=3, at=noon - 3_600 * SECOND))
    archive.flush()
    assert commands(archive.lake.root) == ["command 3", "command 0", "command 1", "command 2"]
    assert commands(archive.lake.root, noon + 1_000_000) == ["command 1", "command 2"]
    assert commands(archive.lake.root, noon + 7_200 * SECOND) == []


def test_a_batch_is_no_longer_than_one_of_a_sensor(archive: Archive, batch: Batch) -> None:
    archive.add("interaction", 1, batch(BATCH_ROWS + 1))
    archive.flush()
    assert len(commands(archive.lake.root)) == BATCH_ROWS + 1


def test_no_lake_is_no_event_and_a_file_that_is_gone_is_told(
    tmp_path: Path, archive: Archive, batch: Batch
) -> None:
    assert commands(tmp_path / "nowhere") == []
    archive.add("interaction", 1, batch(1))
    archive.flush()
    files = chosen(archive.lake.root, 0)
    (archive.lake.root / files[0].path).unlink()
    with pytest.raises(LakeError, match="cannot be read"):
        list(replay(archive.lake.root, files, 0))
