import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from batches import batch_of
from hive import config_of, connected, running, serving, until
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.detection import Engine
from propolis.detection.follow import RuleFollower
from propolis.detection.rules import RuleSet
from propolis.detection.state import State
from propolis.events import RequestReceived
from propolis.flaws import signature
from propolis.flaws.publish import Publisher
from propolis.flaws.signature import LURE, RULE, Cargo
from propolis.stream import Stream
from rule_files import rule_of, rule_text

ATTACKER = "203.0.113.9"


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as stream:
        yield stream


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = config_of(tmp_path)
    signature.ensure_own_key(config)
    return config


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with capture_logs() as notes:
        yield notes


def publisher_of(config: Config, stream: Stream, cargo: Cargo = RULE) -> Publisher:
    private = signature.read_key(signature.own_key(config))
    return Publisher(stream, private, [signature.public_text(private)], SystemClock(), cargo)


def small() -> Engine:
    return Engine(RuleSet((rule_of("bees", "hive"),)), max_sources=64)


def asks(engine: Engine, state: State, path: str) -> list[str]:
    raw = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    row = (ATTACKER, RequestReceived("GET", path, "h", "", raw, 0))
    found, _ = engine.step(batch_of([row]), state, 1, 1)
    return [finding.rule for finding in found]


async def test_a_pushed_rule_is_judged_by_and_what_was_reported_is_not_told_again(
    config: Config, stream: Stream
) -> None:
    engine = small()
    state = engine.fresh()
    assert asks(engine, state, "/hive?run=1") == ["bees"]
    changed: list[int] = []
    follower = RuleFollower(config, stream, engine, on_change=lambda: changed.append(1))
    async with running(follower.run()):
        await follower.catch_up(10)
        publisher = publisher_of(config, stream)
        pushed = await publisher.push("ants", rule_text("ants", "nest"))
        await until(lambda: follower.standing({}).sequence >= pushed.sequence)
        assert follower.standing({}).pushed == 1
        assert asks(engine, state, "/hive?run=1") == []
        assert asks(engine, state, "/nest?run=1") == ["ants"]
        back = await publisher.roll_back("ants")
        await until(lambda: follower.standing({}).sequence >= back.sequence)
        assert asks(engine, engine.fresh(), "/nest?run=1") == []
        assert asks(engine, state, "/hive?run=1") == []
    assert changed


async def test_what_is_refused_is_told_in_the_log_and_the_heartbeat(
    config: Config, stream: Stream, told: list[Any]
) -> None:
    follower = RuleFollower(config, stream, small())
    async with running(follower.run()):
        publisher = publisher_of(config, stream)
        await publisher.push("ants", rule_text("ants", proof="other"))
        await until(lambda: "ants" in follower.standing({}).refused)
        await publisher.push("ants", rule_text("ants"))
        await until(lambda: follower.standing({}).pushed == 1)
    assert follower.standing({}).refused == {}
    assert [note["event"] for note in told if note["event"].startswith("Rule")] == ["RuleRefused", "RuleLive"]


async def test_rules_that_were_pushed_before_are_there_when_it_has_caught_up(
    config: Config, stream: Stream
) -> None:
    await publisher_of(config, stream).push("ants", rule_text("ants", "nest"))
    await publisher_of(config, stream, LURE).push("wasp", "a lure is none of its business")
    engine = small()
    follower = RuleFollower(config, stream, engine)
    async with running(follower.run()):
        await follower.catch_up(10)
        assert [rule.id for rule in engine.rules.rules] == ["bees", "ants"]
        await asyncio.sleep(0)
    assert follower.standing({"ants": 3}).hits == {"ants": 3}
