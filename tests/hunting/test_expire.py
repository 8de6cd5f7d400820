from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from propolis import notes
from propolis.clock import SECOND
from propolis.config import Lake
from propolis.hunting import Archive, expire, read_snapshot

HOUR = 3_600 * SECOND
Batch = Callable[..., pa.RecordBatch]


@pytest.fixture
def three_hours(archive: Archive, batch: Batch, noon: int) -> Archive:
    for hour in (2, 0, 1):
        archive.add("interaction", 10 + hour if hour else 9, batch(2, at=noon + hour * HOUR))
    for sequence, hour in ((20, 0), (21, 2), (22, 1)):
        archive.add("interaction", sequence, batch(2, at=noon + hour * HOUR))
    archive.flush()
    return archive


def hours(archive: Archive, noon: int) -> list[int]:
    return [file.hour - noon // HOUR for file in read_snapshot(archive.lake.root).files]


def test_nothing_goes_before_its_time(three_hours: Archive, noon: int) -> None:
    assert expire(three_hours.lake, Lake(max_age_seconds=3_600.0), noon + 2 * HOUR - 1) == 0
    assert hours(three_hours, noon) == [0, 1, 2]


def test_what_is_too_old_goes_by_whole_hours(three_hours: Archive, noon: int) -> None:
    before = notes.counts["LakeExpired"]
    assert expire(three_hours.lake, Lake(max_age_seconds=3_600.0), noon + 2 * HOUR) == 1
    assert hours(three_hours, noon) == [1, 2]
    assert notes.counts["LakeExpired"] == before + 1
    assert three_hours.committed == 22


def test_the_oldest_hour_makes_room_first(three_hours: Archive, noon: int) -> None:
    sizes = [file.bytes for file in read_snapshot(three_hours.lake.root).files]
    assert expire(three_hours.lake, Lake(max_bytes=sum(sizes)), noon) == 0
    assert expire(three_hours.lake, Lake(max_bytes=sum(sizes) - 1), noon) == 1
    assert hours(three_hours, noon) == [1, 2]
    assert expire(three_hours.lake, Lake(max_bytes=1), noon) == 2
    assert hours(three_hours, noon) == []


def test_a_failing_disk_is_told_and_nothing_is_forgotten(three_hours: Archive, noon: int, disk: Any) -> None:
    before = notes.counts["LakeUnwritable"]
    disk.fail(after=1)
    assert expire(three_hours.lake, Lake(max_bytes=1), noon) == 0
    disk.mend()
    assert notes.counts["LakeUnwritable"] == before + 1
    assert hours(three_hours, noon) == [0, 1, 2]
