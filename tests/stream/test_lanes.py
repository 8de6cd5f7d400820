import asyncio
import contextlib
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import counting
from counting import Counting, State
from hive import SETTINGS, connected, kill, process, running, serving, until
from propolis.clock import SystemClock
from propolis.stream import EmbeddedServer, LaneOwner, LostLane, Stored, Stream, lanes, subjects
from propolis.stream.client import Refused

SCRIPT = str(Path(counting.__file__))


class Worker:
    """A detector in a process of its own."""

    def __init__(self, server: EmbeddedServer, log: Path, count: int = 1) -> None:
        self.log = log
        self._stack = contextlib.ExitStack()
        out = self._stack.enter_context(log.open("wb"))
        self.process = self._stack.enter_context(
            process(SCRIPT, server.url, str(server.credential), str(count), stdout=out, stderr=out)
        )

    def owns(self, lane: int = 0) -> bool:
        return f"{lane} owned" in self.log.read_text()

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.close()


async def publish(stream: Stream, total: int, lanes: int = 1) -> None:
    for number in range(total):
        await stream.insist(
            f"events.interaction.{number % lanes}", b"event %d" % number, message_id=f"e{number}"
        )


async def expected(stream: Stream, lane: int = 0) -> list[dict[str, int]]:
    """What an uninterrupted run finds."""
    work, found = Counting(), []
    state = work.fresh()
    async for message in stream.history("EVENTS", subject=f"events.*.{lane}"):
        said, state = work.step(message, state)
        if said:
            found.append(json.loads(said))
    return found


async def findings(stream: Stream, lane: int = 0) -> list[dict[str, int]]:
    return [json.loads(one.data) async for one in stream.history("FINDINGS", subject=f"findings.{lane}")]


async def is_found(stream: Stream, count: int, lane: int = 0) -> bool:
    newest = await stream.last("FINDINGS", f"findings.{lane}")
    return newest is not None and json.loads(newest.data)["count"] >= count


async def stored(stream: Stream, lane: int = 0) -> tuple[int, State]:
    kept = await stream.get("states", f"lane.{lane}")
    assert kept is not None
    return int.from_bytes(kept.data[:8], "big"), Counting().load(kept.data[8:])


async def test_a_killed_owner_loses_nothing_and_repeats_nothing(
    server: EmbeddedServer, stream: Stream, workers: list[Worker], tmp_path: Path
) -> None:
    total, kills = 2_000, 4

    def start() -> None:
        workers.append(Worker(server, tmp_path / f"worker{len(workers)}.log"))

    start()
    start()
    chance = random.Random(7)
    async with connected(server) as other, running(publish(other, total)):
        for turn in range(1, kills + 1):
            await until(lambda turn=turn: is_found(stream, turn * total // (kills + 2)), 60)  # type: ignore[misc]
            await asyncio.sleep(chance.random() / 20)
            alive = [worker for worker in workers if worker.process.poll() is None]
            await until(lambda alive=alive: any(worker.owns() for worker in alive))  # type: ignore[misc]
            owner = next(worker for worker in alive if worker.owns())
            owner.process.send_signal(signal.SIGKILL)
            owner.process.wait()
            start()
        await until(lambda: is_found(stream, total // 3 * 3), 60)
    wanted = await expected(stream)
    assert len(wanted) == total // 3
    assert await findings(stream) == wanted

    async def is_stored() -> bool:
        return (await stored(stream))[0] == total

    await until(is_stored)
    assert (await stored(stream))[1]["count"] == total


async def test_two_workers_share_the_lanes_in_any_way_and_find_the_same(
    server: EmbeddedServer, stream: Stream, workers: list[Worker], tmp_path: Path
) -> None:
    workers += [Worker(server, tmp_path / f"{number}.log", 2) for number in range(2)]
    await publish(stream, 300, lanes=2)
    for lane in range(2):
        await until(lambda lane=lane: is_found(stream, 150, lane))  # type: ignore[misc]
        assert await findings(stream, lane) == await expected(stream, lane)
        assert sum(worker.owns(lane) for worker in workers) == 1


def owner_of(stream: Stream, checkpoint_seconds: float = 0.05) -> LaneOwner[State]:
    return LaneOwner(stream, 0, Counting(), SystemClock(), checkpoint_seconds=checkpoint_seconds)


async def test_it_owns_nothing_before_there_is_something(stream: Stream) -> None:
    owner = owner_of(stream)
    async with running(owner.run()):
        await asyncio.sleep(0.2)
        assert not owner.owns
        await publish(stream, 3)
        await until(lambda: owner.owns)


async def test_state_is_stored_with_the_sequence_it_belongs_to(stream: Stream) -> None:
    owner = owner_of(stream)
    async with running(owner.run()):
        await publish(stream, 10)

        async def is_stored() -> bool:
            kept = await stream.get("states", "lane.0")
            return kept is not None and int.from_bytes(kept.data[:8], "big") == 10

        await until(is_stored)
    assert (await stored(stream))[1]["count"] == 10


async def test_a_crashed_server_changes_nothing(server: EmbeddedServer, stream: Stream) -> None:
    owner = owner_of(stream)
    total = 900
    async with connected(server) as other, running(owner.run(), publish(other, total)):
        for turn in (1, 2):
            await until(lambda turn=turn: is_found_through(stream, turn * total // 3), 60)  # type: ignore[misc]
            await until(lambda: server.pid is not None)
            kill(server)
        await until(lambda: is_found_through(stream, total), 60)
    assert await findings(stream) == await expected(stream)


async def is_found_through(stream: Stream, count: int) -> bool:
    with contextlib.suppress(lanes.Unreachable, Refused):
        return await is_found(stream, count)
    return False


async def test_who_was_overtaken_gives_up_and_begins_again(stream: Stream) -> None:
    owner = owner_of(stream, checkpoint_seconds=3600)
    async with running(owner.run()):
        await publish(stream, 6)
        await until(lambda: is_found(stream, 6))
        successor = owner_of(stream)
        await successor._load()
        await successor._catch_up()
        await successor.store()
        with pytest.raises(LostLane):
            await owner.store()
    assert (await stored(stream))[0] == 6


async def test_a_late_owner_cannot_publish_behind_its_successor(stream: Stream) -> None:
    """A process that was stopped for longer than the stream remembers message ids."""
    await publish(stream, 6)
    late, successor = owner_of(stream), owner_of(stream)
    await late._load()
    await successor._load()
    await successor._catch_up()
    before = await findings(stream)
    info = await stream.api("STREAM.INFO.FINDINGS")
    await stream.api("STREAM.UPDATE.FINDINGS", {**info["config"], "duplicate_window": 100_000_000})
    await asyncio.sleep(0.5)
    with pytest.raises(LostLane):
        await late._catch_up()
    assert await findings(stream) == before
    assert before == await expected(stream)


async def test_a_lost_lane_is_taken_again_from_what_is_stored(stream: Stream) -> None:
    owner = owner_of(stream)
    async with running(owner.run()):
        await publish(stream, 6)
        await until(lambda: is_found(stream, 6))
        await stream.put("states", "lane.0", (0).to_bytes(8, "big") + Counting().dump(Counting().fresh()))

        async def is_owned_again() -> bool:
            """Whoever lost a lane comes back to it at the next message."""
            last = await stream.publish("events.interaction.0", b"more")
            await asyncio.sleep(0.1)
            return (await stored(stream))[0] >= last - 1

        await until(is_owned_again)
        last = (await stream.api("STREAM.INFO.EVENTS"))["state"]["last_seq"]
        await until(lambda: is_found(stream, last // 3 * 3))
    assert await findings(stream) == await expected(stream)


class Verbose(Counting):
    """Finds more than a message may carry, now and then, and has a state to match."""

    def step(self, message: Stored, state: State) -> tuple[bytes, State]:
        found, state = super().step(message, state)
        return (bytes(9_000_000) if state["count"] == 3 else found), state

    def dump(self, state: State) -> bytes:
        return super().dump(state) + (b" " * 9_000_000 if state["count"] < 6 else b"")


async def test_what_is_too_large_is_told_and_passed_over(stream: Stream, told: list[Any]) -> None:
    owner = LaneOwner(stream, 0, Verbose(), SystemClock(), checkpoint_seconds=0.01)
    async with running(owner.run()):
        for number in range(9):
            await stream.publish("events.interaction.0", b"%d" % number)
            await asyncio.sleep(0.02)
        await until(lambda: is_found(stream, 9))

        async def is_stored() -> bool:
            kept = await stream.get("states", "lane.0")
            return kept is not None and int.from_bytes(kept.data[:8], "big") == 9

        await until(is_stored)
    assert [found["count"] for found in await findings(stream)] == [6, 9]
    assert "max_payload" in {note.get("limit") for note in told}


async def test_a_stream_that_refuses_is_waited_for(stream: Stream, told: list[Any]) -> None:
    await publish(stream, 3)
    info = await stream.api("STREAM.INFO.KV_states")
    await stream.api("STREAM.UPDATE.KV_states", {**info["config"], "max_bytes": 1})
    owner = owner_of(stream)
    async with running(owner.run()) as tasks:
        await until(lambda: is_found(stream, 3))
        await until(lambda: "StreamLost" in {note["event"] for note in told})
        await stream.api("STREAM.UPDATE.KV_states", info["config"])

        async def is_stored() -> bool:
            kept = await stream.get("states", "lane.0")
            return kept is not None

        await until(is_stored)
        assert not tasks[0].done()
    assert "StreamBack" in {note["event"] for note in told}


async def test_takeover_is_by_the_server_s_own_time_out(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, lanes=1)
    async with serving(tmp_path, settings=settings) as server, connected(server) as stream:
        owner = owner_of(stream)
        async with running(owner.run()):
            await publish(stream, 1)
            await until(lambda: owner.owns)
        info = await stream.api(f"CONSUMER.INFO.{subjects.EVENTS}.detect-0")
        assert info["config"]["priority_policy"] == "pinned_client"
        assert info["config"]["priority_timeout"] == int(lanes.TAKEOVER_SECONDS * 1e9)


class Slow(LaneOwner[State]):
    """Takes its time over every message, as a detector does that has a long way to catch up."""

    async def _step(self, message: Stored) -> None:
        await asyncio.sleep(0.02)
        await super()._step(message)


async def test_who_catches_up_for_long_keeps_the_lane(
    server: EmbeddedServer, stream: Stream, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times as long as a silent owner is waited for, while another waits for its turn and more comes."""
    monkeypatch.setattr(lanes, "TAKEOVER_SECONDS", 0.5)
    total = 99
    await publish(stream, 75)

    async def go_on() -> None:
        for number in range(75, total):
            await asyncio.sleep(0.1)
            await stream.insist("events.interaction.0", b"event %d" % number, message_id=f"e{number}")

    async with connected(server) as other, running(go_on()):
        owners = [
            Slow(each, 0, Counting(), SystemClock(), checkpoint_seconds=5.0) for each in (stream, other)
        ]
        async with running(*(owner.run() for owner in owners)):
            await until(lambda: is_found(stream, total))
            assert sum(owner.owns for owner in owners) == 1
    assert [note["event"] for note in told].count("LaneTaken") == 1
    assert await findings(stream) == await expected(stream)


async def test_a_new_owner_stores_what_it_caught_up_with_before_its_first_checkpoint_is_due(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "FIRST_CHECKPOINT_SECONDS", 0.05)
    await publish(stream, 9)
    async with running(owner_of(stream, checkpoint_seconds=3_600.0).run()):
        await until(lambda: is_found(stream, 9))

        async def is_stored() -> bool:
            await stream.publish("events.interaction.0", b"more")
            kept = await stream.get("states", "lane.0")
            return kept is not None and int.from_bytes(kept.data[:8], "big") >= 9

        await until(is_stored)
