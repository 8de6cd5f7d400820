import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hive import connected, kill, rows_of, running, until
from propolis.clock import SECOND, SystemClock
from propolis.events import CommandRun, Connection, ConnectionClosed, Interaction, pack, shard_of
from propolis.events.interaction import decode
from propolis.sensors import batch as module
from propolis.sensors import journal as journal_module
from propolis.sensors.batch import MAX_ROWS, Batcher
from propolis.sensors.journal import Journal
from propolis.sensors.limits import Tally
from propolis.stream import EmbeddedServer, Publisher, Stream


def row(number: int, payload: bytes = b"", source: str = "198.18.0.1") -> Interaction:
    packed = pack(source)
    connection = Connection(
        number.to_bytes(16, "big"), SECOND, "edge", "ssh", packed, 4, pack("192.0.2.1"), 22, shard_of(packed)
    )
    return Interaction(number, connection, 0, CommandRun(f"{number}", payload))


class Hand:
    """A batcher with all that belongs to it."""

    def __init__(self, stream: Stream, folder: Path, journal_bytes: int = 1 << 40) -> None:
        clock = SystemClock()
        self.publisher = Publisher(stream, clock)
        self.journal = Journal(folder, journal_bytes)
        self.tally = Tally(clock, "sensor")
        self.batcher = Batcher(self.publisher, self.journal, clock, self.tally, lanes=2)
        self.recovered = self.batcher.recover()

    def add(self, *rows: Interaction) -> None:
        for one in rows:
            self.batcher.add(one)
        self.batcher.secure()

    async def drained(self) -> None:
        await until(lambda: not (self.batcher._rows or self.batcher._held or self.publisher.waiting), 60)


@pytest_asyncio.fixture
async def hand(stream: Stream, tmp_path: Path) -> AsyncIterator[Hand]:
    hand = Hand(stream, tmp_path / "journal")
    async with running(hand.publisher.run()):
        yield hand
    hand.journal.close()


async def numbers(stream: Stream) -> list[int]:
    return sorted(int(one["command"]) for one in await rows_of(stream))


async def sizes(stream: Stream) -> list[int]:
    return [decode(stored.data).num_rows async for stored in stream.history("EVENTS")]


async def test_a_lone_row_goes_at_once(hand: Hand, stream: Stream) -> None:
    hand.add(row(1))
    await hand.drained()
    assert await numbers(stream) == [1]
    assert hand.batcher.stored == 1


async def test_rows_gather_under_load(hand: Hand, stream: Stream) -> None:
    for start in range(0, 100, 10):
        hand.add(*(row(number) for number in range(start, start + 10)))
    await hand.drained()
    assert await numbers(stream) == [*range(100)]
    assert len(await sizes(stream)) < 10


async def test_a_thousand_rows_close_a_batch(hand: Hand, stream: Stream) -> None:
    hand.add(*(row(number) for number in range(2 * MAX_ROWS + 1)))
    await hand.drained()
    assert await sizes(stream) == [MAX_ROWS, MAX_ROWS, 1]


async def test_so_do_a_million_bytes(hand: Hand, stream: Stream) -> None:
    chance = random.Random(1)
    hand.add(*(row(number, chance.randbytes(250_000)) for number in range(60)))
    await hand.drained()
    assert await numbers(stream) == [*range(60)]
    assert max(await sizes(stream)) <= 5


async def test_every_source_goes_its_own_lane(hand: Hand, stream: Stream) -> None:
    sources = [f"198.18.0.{number}" for number in range(64)]
    hand.add(*(row(number, source=source) for number, source in enumerate(sources)))
    await hand.drained()
    async for stored in stream.history("EVENTS"):
        lane = int(stored.subject.rpartition(".")[2])
        assert {shard % 2 for shard in decode(stored.data).column("shard").to_pylist()} == {lane}
    assert await numbers(stream) == [*range(64)]


async def test_what_only_came_or_went_waits_a_little_for_company(hand: Hand, stream: Stream) -> None:
    connection = row(1).connection
    hand.batcher.add(Interaction(1, connection, 0, ConnectionClosed(0, 0, 0, "peer")), can_wait=True)
    hand.add(row(2))
    await hand.drained()
    assert await sizes(stream) == [2]


async def test_what_was_not_acknowledged_comes_again_after_a_crash_and_is_there_once(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream took the second batch, and the journal died before it was told."""
    first = Hand(stream, tmp_path / "journal")
    monkeypatch.setattr(
        first.journal, "kept", lambda number: number == 2 or Journal.kept(first.journal, number)
    )
    first.add(*(row(number) for number in range(1_500)))
    async with running(first.publisher.run()):
        await until(lambda: first.batcher.stored == 1_500)
    first.journal.close()
    again = Hand(stream, tmp_path / "journal")
    assert again.recovered == 1
    again.add(row(9_999))
    async with running(again.publisher.run()):
        await again.drained()
    again.journal.close()
    assert await numbers(stream) == [*range(1_500), 9_999]
    third = Hand(stream, tmp_path / "journal")
    assert third.recovered == 0
    third.journal.close()


async def test_a_lost_stream_is_bridged_by_the_journal(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    """The server stays away while more comes than memory may hold."""
    monkeypatch.setattr(module, "MAX_WAITING", 8)
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 50_000)
    async with connected(server) as stream:
        hand = Hand(stream, tmp_path / "journal")
        await server.stop()
        async with running(hand.publisher.run()):
            for start in range(0, 6_000, 100):
                hand.add(*(row(number, bytes(50)) for number in range(start, start + 100)))
                hand.batcher.close_batch()
                assert hand.publisher.waiting <= 8 + 1
            assert len(hand.batcher._held) >= 50
            revived = EmbeddedServer(server.folder, (server.host, server.port), SystemClock())
            await revived.start()
            await hand.drained()
            assert await numbers(stream) == [*range(6_000)]
        await revived.stop()
        hand.journal.close()
    assert hand.batcher.dropped == 0
    assert "stream backlog" in {note.get("limit") for note in told}
    assert len([*(tmp_path / "journal").glob("*.journal")]) == 1


async def test_memory_is_bounded_by_bytes_too(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 3_000_000)
    chance = random.Random(1)
    async with connected(server) as stream:
        hand = Hand(stream, tmp_path / "journal")
        for number in range(40):
            hand.add(row(number, chance.randbytes(500_000)))
        hand.batcher.close_batch()
        assert hand.batcher._waiting_bytes < 3_000_000 + 2_200_000
        async with running(hand.publisher.run()):
            await hand.drained()
        assert await numbers(stream) == [*range(40)]
        assert hand.batcher._waiting_bytes == 0
        hand.journal.close()


async def test_beyond_the_journal_s_bound_the_oldest_are_lost_and_counted(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 4)
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 20_000)
    async with connected(server) as stream:
        hand = Hand(stream, tmp_path / "journal", 100_000)
        pid = kill(server)
        assert pid
        for number in range(400):
            hand.add(row(number, bytes(900)))
            hand.batcher.close_batch()
        assert hand.journal.bytes_used <= 100_000
        async with running(hand.publisher.run()):
            await hand.drained()
        kept = await numbers(stream)
        hand.journal.close()
    assert hand.batcher.dropped == 400 - len(kept)
    assert hand.batcher.dropped > 200
    assert kept[-1] == 399
    assert "sensors.journal_bytes" in {note.get("limit") for note in told}


async def test_without_disk_and_stream_the_newest_are_lost_and_counted(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    async with connected(server) as stream:
        hand = Hand(stream, tmp_path / "journal")
        hand.journal.close()
        for number in range(30):
            hand.add(row(number))
            hand.batcher.close_batch()
        async with running(hand.publisher.run()):
            await hand.drained()
        assert await numbers(stream) == [*range(10)]
    assert hand.batcher.dropped == 20
    assert {"journal"} <= {note.get("limit") for note in told}
