import asyncio
import os
from collections import Counter
from typing import Any

import msgspec

from hive import SETTINGS, kill, running, until
from propolis.clock import SystemClock
from propolis.stream import EmbeddedServer, Parcel, Publisher, Stream, Unreachable, connect, provision
from propolis.stream.publisher import WINDOW

SUBJECT = "events.interaction.0"


def parcel(number: int, stored: list[int], body: bytes = b"") -> Parcel:
    return Parcel(SUBJECT, f"m{number}", lambda: b"%d " % number + body, lambda: stored.append(number))


async def kept(stream: Stream) -> list[int]:
    return [int(one.data.split()[0]) async for one in stream.history("EVENTS")]


async def test_everything_is_stored_in_order_and_said_once(stream: Stream) -> None:
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    async with running(publisher.run()):
        for number in range(500):
            publisher.offer(parcel(number, stored))
        assert publisher.waiting == 500
        await asyncio.wait_for(publisher.drained(), 20)
    assert publisher.waiting == 0
    assert stored == await kept(stream) == [*range(500)]


async def test_no_more_is_in_flight_than_the_window(
    stream: Stream, relay: Any, server: EmbeddedServer
) -> None:
    slow = await connect(relay.url, "test", credential=server.credential)
    publisher, stored = Publisher(slow, SystemClock()), list[int]()
    relay.swallow = True
    async with running(publisher.run()):
        for number in range(3 * WINDOW):
            publisher.offer(parcel(number, stored))
        await until(lambda: publisher._sent == WINDOW)
        assert publisher.waiting == 3 * WINDOW
        assert len(slow._replies) <= WINDOW
        relay.swallow = False
        relay.cut()
        await asyncio.wait_for(publisher.drained(), 30)
    assert stored == await kept(stream) == [*range(3 * WINDOW)]
    await slow.close()


async def test_what_is_offered_twice_is_there_once(stream: Stream) -> None:
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    async with running(publisher.run()):
        for number in (1, 2, 1, 2):
            publisher.offer(parcel(number, stored))
        await asyncio.wait_for(publisher.drained(), 20)
    assert stored == [1, 2, 1, 2]
    assert await kept(stream) == [1, 2]


async def test_a_server_killed_in_flight_loses_nothing_and_repeats_nothing(
    server: EmbeddedServer, stream: Stream
) -> None:
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    total, kills = 3_000, 4
    async with running(publisher.run()):
        for number in range(total):
            publisher.offer(parcel(number, stored, os.urandom(500)))
        for turn in range(1, kills + 1):
            await until(lambda turn=turn: len(stored) >= turn * total // (kills + 1))  # type: ignore[misc]
            await until(lambda: server.pid is not None)
            kill(server)
        await asyncio.wait_for(publisher.drained(), 60)
    assert stored == [*range(total)]
    assert await kept(stream) == [*range(total)]


async def test_a_message_nobody_takes_does_not_hold_up_the_rest(stream: Stream, told: list[Any]) -> None:
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    async with running(publisher.run()):
        publisher.offer(parcel(1, stored))
        publisher.offer(parcel(2, stored, bytes(9 * 1024 * 1024)))
        publisher.offer(parcel(3, stored))
        await asyncio.wait_for(publisher.drained(), 20)
    assert stored == [1, 2, 3]
    assert await kept(stream) == [1, 3]
    limit = next(note for note in told if note["event"] == "LimitHit")
    assert limit["limit"] == "max_payload"


async def test_a_lost_server_is_told_once_and_so_is_its_return(
    server: EmbeddedServer, stream: Stream, told: list[Any]
) -> None:
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    async with running(publisher.run()):
        kill(server)
        for number in range(100):
            publisher.offer(parcel(number, stored))
        await asyncio.wait_for(publisher.drained(), 30)
    ours = [note["event"] for note in told if note["stage"] == "test"]
    assert ours == ["StreamLost", "StreamBack"]


async def test_a_cluster_loses_a_server_and_nothing_else(cluster: Any) -> None:
    settings = msgspec.structs.replace(SETTINGS, replicas=3, max_bytes=64_000_000)
    stream = await connect(cluster.url, "test")
    await asyncio.wait_for(provision(stream, settings), 60)
    info = await stream.api("STREAM.INFO.EVENTS")
    assert info["config"]["num_replicas"] == 3
    leader = int(info["cluster"]["leader"].removeprefix("node-"))
    publisher, stored = Publisher(stream, SystemClock()), list[int]()
    total = 2_000
    async with running(publisher.run()):
        for number in range(total):
            publisher.offer(parcel(number, stored, os.urandom(300)))
        await until(lambda: len(stored) > total // 4)
        cluster.kill(leader)
        await asyncio.wait_for(publisher.drained(), 60)
    assert stored == [*range(total)]

    async def is_all_there() -> bool:
        try:
            return Counter(await kept(stream)) == Counter(range(total))
        except Unreachable:  # the two that are left are still choosing who leads
            return False

    await until(is_all_there, 60)
    await stream.close()
