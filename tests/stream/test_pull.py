import asyncio
import subprocess
from typing import Any

from hive import SETTINGS, connected, kill, process, running, until
from propolis.stream import Delivery, EmbeddedServer, Pull, Stream, connect, provision, start_at
from propolis.stream.pull import BATCH

ALL = {"filter_subject": "events.>"}


async def fill(stream: Stream, numbers: range) -> None:
    for number in numbers:
        await stream.insist("events.interaction.0", b"%d" % number, message_id=f"m{number}")


async def take(pull: Pull, count: int, seconds: float = 30.0) -> list[int]:
    taken: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while len(taken) < count:
            taken += await pull.next()
    return [int(one.data) for one in taken]


async def test_everything_comes_in_order(stream: Stream) -> None:
    await fill(stream, range(3 * BATCH))
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    assert pull.pending == 3 * BATCH
    assert await take(pull, 3 * BATCH) == [*range(3 * BATCH)]
    assert pull.pending == 0
    await pull.aclose()
    assert (await stream.api("CONSUMER.LIST.EVENTS"))["consumers"] == []


async def test_what_comes_later_is_not_asked_for_but_pushed(stream: Stream) -> None:
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    waiting = asyncio.ensure_future(pull.next())
    await asyncio.sleep(0.1)
    await fill(stream, range(1))
    assert [one.data for one in await asyncio.wait_for(waiting, 5)] == [b"0"]
    await pull.aclose()


async def test_it_begins_where_it_is_told(stream: Stream) -> None:
    await fill(stream, range(10))
    pull = await Pull.ephemeral(stream, "EVENTS", {**ALL, **start_at(8)})
    assert await take(pull, 3) == [7, 8, 9]
    await pull.aclose()


async def test_the_backlog_ends(stream: Stream) -> None:
    await fill(stream, range(600))
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    got = [int(one.data) async for batch in pull.backlog() for one in batch]
    assert got == [*range(600)]
    await pull.aclose()


async def test_the_backlog_ends_though_its_last_is_gone(stream: Stream) -> None:
    await fill(stream, range(5))
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    for sequence in (4, 5):
        await stream.api("STREAM.MSG.DELETE.EVENTS", {"seq": sequence})
    async with asyncio.timeout(20):
        assert [int(one.data) async for batch in pull.backlog() for one in batch] == [0, 1, 2]
    await pull.aclose()


async def test_a_restarted_server_leaves_no_gap_and_repeats_nothing(
    server: EmbeddedServer, stream: Stream
) -> None:
    total, kills = 1_500, 3
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    got: list[int] = []
    async with connected(server) as other, running(fill(other, range(total))):
        for turn in range(1, kills + 1):
            got += await take(pull, turn * total // (kills + 1) - len(got))
            await until(lambda: server.pid is not None)
            kill(server)
        got += await take(pull, total - len(got), 60)
    assert got == [*range(total)]
    await pull.aclose()


async def test_a_lost_link_leaves_no_gap_and_repeats_nothing(
    server: EmbeddedServer, stream: Stream, relay: Any
) -> None:
    """What the server sent and the link lost counts as delivered there."""
    far = await connect(relay.url, "test", credential=server.credential)
    pull = await Pull.ephemeral(far, "EVENTS", ALL)
    total = 400
    got: list[int] = []
    for start in range(0, total, 100):
        relay.swallow = False
        await fill(stream, range(start, start + 50))
        got += await take(pull, 50)
        relay.swallow = True
        await pull._ask()
        await fill(stream, range(start + 50, start + 100))
        relay.swallow = False
        relay.cut()
        got += await take(pull, 50)
    assert got == [*range(total)]
    await pull.aclose()
    await far.close()


async def test_a_consumer_that_somebody_deleted_is_made_again(stream: Stream) -> None:
    await fill(stream, range(5))
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    assert await take(pull, 5) == [*range(5)]
    await stream.api(f"CONSUMER.DELETE.EVENTS.{pull._consumer}")
    await fill(stream, range(5, 8))
    assert await take(pull, 3) == [5, 6, 7]
    await pull.aclose()


async def test_a_stream_that_is_made_anew_is_read_from_its_beginning(stream: Stream) -> None:
    await fill(stream, range(9))
    pull = await Pull.ephemeral(stream, "EVENTS", ALL)
    assert await take(pull, 9) == [*range(9)]
    await stream.api("STREAM.DELETE.EVENTS")
    await provision(stream, SETTINGS)
    await fill(stream, range(100, 103))
    assert await take(pull, 3) == [100, 101, 102]
    await pull.aclose()


async def test_a_durable_pull_goes_on_where_the_last_acknowledged(stream: Stream) -> None:
    await fill(stream, range(4))
    first = await Pull.durable(stream, "FINDINGS", "decide", {})
    await first.aclose()
    pull = await Pull.durable(stream, "EVENTS", "reader", {"ack_wait": 10**9})
    deliveries = await pull.next()
    for delivery in deliveries[:2]:
        await pull.acknowledge(delivery)
    await stream.client.flush()
    await pull.aclose()
    again = await Pull.durable(stream, "EVENTS", "reader", {"ack_wait": 10**9})
    assert sorted(await take(again, 2)) == [2, 3]
    await again.aclose()


async def test_a_durable_pull_outlives_server_and_consumer(server: EmbeddedServer, stream: Stream) -> None:
    pull = await Pull.durable(stream, "EVENTS", "reader", {"ack_wait": 10**9})
    await fill(stream, range(2))
    assert await take(pull, 2) == [0, 1]
    kill(server)
    await fill(stream, range(2, 4))
    async with asyncio.timeout(30):
        seen: set[int] = set()
        while not {2, 3} <= seen:
            for one in await pull.next():
                seen.add(int(one.data))
                await pull.acknowledge(one)
    await stream.client.flush()
    await stream.api("CONSUMER.DELETE.EVENTS.reader")
    await fill(stream, range(4, 5))
    async with asyncio.timeout(30):
        while 4 not in seen:
            seen |= {int(one.data) for one in await pull.next()}
    await pull.aclose()


WORKER = """
import asyncio, sys
from pathlib import Path
from propolis import notes
from propolis.stream import Pull, connect

async def main(url, credential):
    notes.open_log(json=True)
    stream = await connect(url, "worker", credential=Path(credential))
    config = {"filter_subject": "events.>", "ack_wait": 10**9}
    pull = await Pull.pinned(stream, "EVENTS", "pinned", config, takeover_seconds=1)
    print("ready", flush=True)
    while True:
        for delivery in await pull.next():
            print(int(delivery.data), delivery.pin, flush=True)
            await pull.acknowledge(delivery)

asyncio.run(main(*sys.argv[1:]))
"""


class Worker:
    """A worker in a process of its own, and what it has said."""

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self.process = started
        self.said: list[list[str]] = []

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await asyncio.to_thread(self.process.stdout.readline):
            self.said.append(line.decode().split())

    @property
    def numbers(self) -> list[int]:
        return [int(words[0]) for words in self.said if words[0] != "ready"]


async def test_one_of_two_workers_is_served_and_the_other_takes_over(
    server: EmbeddedServer, stream: Stream
) -> None:
    arguments = ("-c", WORKER, server.url, str(server.credential))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with process(*arguments, **options) as a, process(*arguments, **options) as b:
        workers = Worker(a), Worker(b)
        async with running(*(worker.listen() for worker in workers)):
            await until(lambda: all(worker.said for worker in workers))
            await fill(stream, range(200))
            await until(lambda: sum(len(worker.numbers) for worker in workers) == 200)
            owner, other = sorted(workers, key=lambda worker: -len(worker.numbers))
            assert owner.numbers == [*range(200)]
            assert other.numbers == []
            assert len({words[1] for words in owner.said if words[0] != "ready"}) == 1
            owner.process.kill()
            await fill(stream, range(200, 400))
            await until(lambda: len(set(other.numbers)) >= 200)
            owner.process.wait()
            other.process.kill()
            other.process.wait()
    assert {*owner.numbers, *other.numbers} == {*range(400)}
