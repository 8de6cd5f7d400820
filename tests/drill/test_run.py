import ipaddress
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hive import connected, serving
from propolis.clock import MILLISECOND, ManualClock, SystemClock
from propolis.decisions import Acknowledgement, commands, encode, target_of
from propolis.drill import ENFORCER, NETWORKS, Attack, Drill, Plan, run
from propolis.errors import PropolisError
from propolis.stream import EmbeddedServer, Stream, subjects
from watching import NOW


async def nothing(source: str, target: str, port: int) -> None:
    """Somebody who attacks in thought only."""


async def cannot(source: str, target: str, port: int) -> None:
    raise ConnectionRefusedError


TOUCH, FAIL = Attack("touch", "http", nothing), Attack("fail", "http", cannot)


def plan_of(**changes: Any) -> Plan:
    plan = Plan(
        target="127.0.0.1",
        attacks=(TOUCH,),
        ports={"http": 80},
        sources=4,
        rate=1_000.0,
        patience=0.2,
        network=70,
    )
    return msgspec.structs.replace(plan, **changes)


def drill_of(
    plan: Plan, stream: Stream | None = None, progress: list[tuple[int, int]] | None = None, seed: int = 1
) -> Drill:
    told = progress if progress is not None else []
    return Drill(
        cast("Stream", stream),
        ManualClock(NOW),
        plan,
        random.Random(seed),
        lambda sent, blocked: told.append((sent, blocked)),
    )


def block(source: str, milliseconds: int = 8, **changes: Any) -> Acknowledgement:
    """Found after one, decided after two, read back after ``milliseconds``."""
    return msgspec.structs.replace(
        Acknowledgement(
            decision="d",
            revision=1,
            target=target_of(source),
            rule="r",
            enforcer=ENFORCER,
            host="edge",
            holds=True,
            first_packet=NOW,
            found=NOW + MILLISECOND,
            decided=NOW + 2 * MILLISECOND,
            applied=NOW + milliseconds * MILLISECOND,
        ),
        **changes,
    )


def test_sources_are_different_and_away_from_what_services_use() -> None:
    drill = drill_of(plan_of(sources=5_000))
    sources = drill._sources()
    assert len(set(sources)) == 5_000
    network = ipaddress.ip_network("127.70.0.0/16")
    assert all(ipaddress.ip_address(source) in network for source in sources)
    assert not {70, 64, 126} - set(NETWORKS)


def test_the_same_seed_gives_the_same_sources() -> None:
    assert drill_of(plan_of(), seed=7)._sources() == drill_of(plan_of(), seed=7)._sources()
    assert drill_of(plan_of(), seed=7)._sources() != drill_of(plan_of(), seed=8)._sources()


async def test_progress_counts_who_is_attacked_and_who_is_blocked() -> None:
    progress: list[tuple[int, int]] = []
    drill = drill_of(plan_of(sources=2), progress=progress)
    await drill._attack()
    assert progress == [(1, 0), (2, 0)]
    for source in drill._sent:
        drill._on_acknowledgement(block(source))
        drill._on_acknowledgement(block(source))
    assert progress[2:] == [(2, 1), (2, 1), (2, 2), (2, 2)]
    assert drill._all_blocked.is_set()


async def test_only_what_holds_and_was_attacked_counts() -> None:
    drill = drill_of(plan_of(sources=1))
    await drill._attack()
    (source,) = drill._sent
    drill._on_acknowledgement(block("203.0.113.7"))
    drill._on_acknowledgement(block(source, holds=False))
    assert not drill._all_blocked.is_set()
    result = drill._result("dry run")
    assert (result.blocked, result.missed, result.sent_to_block.n) == (0, (source,), 0)


async def test_a_result_times_every_stage_and_every_kind() -> None:
    drill = drill_of(plan_of(sources=4, attacks=(TOUCH, FAIL)))
    await drill._attack()
    first, second = drill._sent
    drill._on_acknowledgement(block(first, 8))
    drill._on_acknowledgement(block(first, 99))
    drill._on_acknowledgement(block(second, 12))
    result = drill._result("dry run")
    assert (result.enforcer, result.sources, result.failed, result.blocked) == ("dry run", 4, 2, 2)
    assert result.missed == ()
    means = {name: spread.mean for name, spread in result.stages.items()}
    assert means == {"detect": 1.0, "decide": 1.0, "enforce": 8.0, "total": 10.0}
    assert result.sent_to_block.max == 12.0
    assert result.attacks.keys() == {"touch"}


async def test_a_drill_where_nobody_could_connect_is_over_at_once() -> None:
    drill = drill_of(plan_of(attacks=(FAIL,)))
    await drill._attack()
    drill._check()
    assert drill._all_blocked.is_set()
    assert drill._result("x").failed == 4


@asynccontextmanager
async def decided(
    folder: Path, error: str = ""
) -> AsyncIterator[tuple[EmbeddedServer, Stream, list[commands.Command | str]]]:
    """A real stream, and somebody who answers for the decider."""
    asked: list[commands.Command | str] = []

    async def answer(data: bytes) -> bytes:
        asked.append(commands.decode_command(data))
        return commands.encode(commands.Answer(error=error))

    async with (
        serving(folder) as server,
        connected(server) as decider,
        decider.answering(commands.SUBJECT, answer),
        connected(server) as stream,
    ):
        yield server, stream, asked


async def test_a_run_asks_leave_follows_every_source_and_gives_leave_back(tmp_path: Path) -> None:
    async with decided(tmp_path) as (_, stream, asked):

        async def touch(source: str, target: str, port: int) -> None:
            for acknowledgement in (b"not one", encode(block(source))):
                await stream.publish(subjects.clock(ENFORCER), acknowledgement)

        plan = plan_of(attacks=(Attack("touch", "http", touch),), patience=30.0)
        drill = Drill(stream, SystemClock(), plan, random.Random(3), lambda *_: None)
        result = await drill.run("in thought")
    assert (result.enforcer, result.blocked, result.missed) == ("in thought", 4, ())
    rehearsals = [command for command in asked if isinstance(command, commands.Rehearse)]
    assert [(r.network, r.enforcer) for r in rehearsals] == [("127.70.0.0/16", ENFORCER)] * 2
    assert rehearsals[0].seconds > plan.patience
    assert rehearsals[1].seconds == 0


async def test_who_is_never_blocked_is_named(tmp_path: Path) -> None:
    async with decided(tmp_path) as (_, stream, asked):
        result = await drill_of(plan_of(), stream).run("in thought")
    assert len(result.missed) == 4
    assert len(asked) == 2


async def test_a_decider_may_refuse(tmp_path: Path) -> None:
    async with decided(tmp_path, error="another drill runs") as (_, stream, asked):
        with pytest.raises(PropolisError, match="another drill runs"):
            await drill_of(plan_of(), stream).run("in thought")
    assert len(asked) == 1


async def test_without_a_decider_nothing_is_attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ANSWER_SECONDS", 0.5)
    progress: list[tuple[int, int]] = []
    async with serving(tmp_path) as server, connected(server) as stream:
        with pytest.raises(PropolisError, match="no decider answers"):
            await drill_of(plan_of(), stream, progress).run("in thought")
    assert progress == []
