import asyncio
import json
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from batches import BEGIN, batch_of, tries
from hive import SETTINGS, config_of, connected, kill, process, running, serving, until
from propolis.clock import SECOND, SystemClock
from propolis.config import Config
from propolis.events.interaction import encode
from propolis.hunting import read_snapshot
from propolis.hunting import stage as module
from propolis.hunting.hunt import committed
from propolis.stream import EmbeddedServer, Stream
from propolis.stream.heartbeat import decode as decode_heartbeat

QUICK = "[lake]\nflush_seconds = 0.2\n"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with serving(tmp_path / "stream") as server:
        yield server


@pytest_asyncio.fixture
async def stream(server: EmbeddedServer) -> AsyncIterator[Stream]:
    async with connected(server) as stream:
        yield stream


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with capture_logs() as notes:
        yield notes


async def publish(stream: Stream, numbers: range) -> None:
    """One batch of two rows a number."""
    for number in numbers:
        batch = batch_of(tries(f"198.18.0.{number % 250}", 2), begin=BEGIN + number * SECOND)
        await stream.insist(f"events.interaction.{number % 2}", encode(batch), message_id=f"e{number}")


def rows(config: Config) -> tuple[int, int]:
    """Rows in the committed lake, and distinct ones."""
    root = config.state / config.lake.path
    if not root.exists():
        return 0, 0
    files = [str(root / file.path) for file in read_snapshot(root).files]
    if not files:
        return 0, 0
    ((all_, distinct),) = duckdb.sql(
        f"SELECT count(*), count(DISTINCT id) FROM read_parquet({files})"
    ).fetchall()
    return all_, distinct


async def test_every_event_is_in_the_lake_once(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server, QUICK)
    await publish(stream, range(20))
    async with running(module.run(config, SystemClock())):
        await until(lambda: rows(config) == (40, 40))
        await publish(stream, range(20, 30))
        await until(lambda: rows(config) == (60, 60))
    async with running(module.run(config, SystemClock())):
        await publish(stream, range(30, 31))
        await until(lambda: rows(config) == (62, 62))


async def test_what_is_not_flushed_yet_is_when_it_ends(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server, "[lake]\nflush_seconds = 3600.0\n")
    async with running(module.run(config, SystemClock())):
        await publish(stream, range(5))

        async def is_taken() -> bool:
            stored = await stream.get("sensors", f"archive.{config.host_name}")
            return stored is not None and decode_heartbeat(stored).figures["waiting_rows"] == 10

        await until(is_taken)
        assert rows(config) == (0, 0)
    assert rows(config) == (10, 10)
    assert committed(config.state / config.lake.path) == 5


async def test_a_batch_that_is_none_is_told_and_passed_over(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    config = config_of(tmp_path, server, QUICK)
    await stream.publish("events.interaction.0", b"nonsense")
    await stream.publish("events.interaction", b"nonsense")
    await publish(stream, range(2))
    async with running(module.run(config, SystemClock())):
        await until(lambda: rows(config) == (4, 4))
    assert sum(note["event"] == "BadMessage" for note in told) == 2
    assert "EventsMissed" not in {note["event"] for note in told}


async def test_what_the_stream_dropped_before_it_was_taken_is_told(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    config = config_of(tmp_path, server, QUICK)
    await publish(stream, range(10))
    async with running(module.run(config, SystemClock())):
        await until(lambda: rows(config) == (20, 20))
    await publish(stream, range(10, 20))
    await stream.api("STREAM.PURGE.EVENTS", {"seq": 16})
    async with running(module.run(config, SystemClock())):
        await until(lambda: rows(config) == (30, 30))
        for sequence in (21, 22):
            await stream.api("STREAM.PURGE.EVENTS", {"seq": sequence})
    missed = [(note["first"], note["last"]) for note in told if note["event"] == "EventsMissed"]
    assert missed == [(11, 15)]


async def test_a_server_that_crashes_costs_nothing(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server, QUICK)
    async with (
        connected(server) as other,
        running(module.run(config, SystemClock()), publish(other, range(200))),
    ):
        for share in (60, 180):
            await until(lambda share=share: rows(config)[0] >= share)  # type: ignore[misc]
            await until(lambda: server.pid is not None)
            kill(server)
        await until(lambda: rows(config) == (400, 400), 60)


async def test_a_killed_archive_loses_nothing_and_stores_nothing_twice(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text(
        f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\nmax_bytes = {SETTINGS.max_bytes}\n'
        f"[host]\nlog_json = true\n[lake]\nflush_seconds = 0.1\nflush_rows = 20\n"
    )
    config = config_of(tmp_path, server, QUICK)
    chance = random.Random(5)

    def start() -> Any:
        return process(
            "-m",
            "propolis",
            "archive",
            "--config",
            str(path),
            stderr=(tmp_path / "log").open("ab"),
            stdout=subprocess.DEVNULL,
        )

    for turn in range(3):
        with start() as archive:
            async with running(publish(stream, range(turn * 200, turn * 200 + 200))):
                before = rows(config)[0]
                await until(lambda before=before: rows(config)[0] > before, 60)  # type: ignore[misc]
                await asyncio.sleep(chance.random() / 3)
                archive.send_signal(signal.SIGKILL)
                archive.wait()
                await until(lambda turn=turn: _is_published(stream, turn * 200 + 200))  # type: ignore[misc]
    with start():
        await until(lambda: rows(config) == (1_200, 1_200), 60)
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert not {"EventsMissed", "StageFailed", "BadMessage"} & set(events)


async def _is_published(stream: Stream, count: int) -> bool:
    return (await stream.api("STREAM.INFO.EVENTS"))["state"]["messages"] == count


class Notebook:
    """An onlooker that writes down what it was told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.seen: list[tuple[int, int]] = []

    def begin(self, created: str) -> None:
        self.words.append(f"begin {bool(created)}")

    def take(self, sequence: int, batch: pa.RecordBatch) -> None:
        self.seen.append((sequence, batch.num_rows))

    async def keep(self) -> None:
        self.words.append(f"keep {len(self.seen)}")

    async def run(self, stream: Stream) -> None:
        self.words.append(f"run {stream.client.is_connected}")
        await asyncio.Event().wait()


async def test_an_onlooker_sees_every_batch_of_every_lane_in_order(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config, notebook = config_of(tmp_path, server, QUICK), Notebook()
    await publish(stream, range(10))
    async with running(module.run(config, SystemClock(), (notebook,))):
        await until(lambda: rows(config) == (20, 20))
    assert notebook.seen == [(number, 2) for number in range(1, 11)]
    assert {"begin True", "run True", "keep 10"} <= set(notebook.words)
