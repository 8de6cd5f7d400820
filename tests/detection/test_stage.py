import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from batches import BEGIN, batch_of, engine_of, tries
from hive import SETTINGS, config_of, connected, process, running, serving, until
from lure_files import lure_text
from propolis import findings
from propolis.clock import SECOND, ManualClock, SystemClock
from propolis.config import load as load_config
from propolis.detection import stage as module
from propolis.detection.stage import Detecting
from propolis.events import PayloadReceived, RequestReceived, pack, shard_of
from propolis.events.interaction import encode
from propolis.findings import Finding
from propolis.flaws import signature
from propolis.flaws.publish import Publisher
from propolis.flaws.signature import RULE
from propolis.flaws.standing import RULES, Standing, standing_of
from propolis.stream import EmbeddedServer, Stored, Stream
from propolis.stream.heartbeat import decode as decode_heartbeat
from rule_files import rule_text


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


def lane(source: str) -> int:
    return shard_of(pack(source)) % SETTINGS.lanes


async def publish(stream: Stream, number: int, source: str, times: int = 1) -> None:
    data = encode(
        batch_of(tries(source, times), begin=BEGIN + number * SECOND // 100, evidence_class="dialogue")
    )
    await stream.insist(f"events.interaction.{lane(source)}", data, message_id=f"e{number}.{source}")


async def found(stream: Stream) -> list[Finding]:
    return [one async for stored in stream.history("FINDINGS") for one in findings.decode(stored.data)]


def message(data: bytes, sequence: int = 1) -> Stored:
    return Stored("events.interaction.0", sequence, 0, data, {})


def test_a_batch_is_judged_and_its_findings_are_a_message() -> None:
    work = Detecting(engine_of(), ManualClock())
    data, state = work.step(
        message(encode(batch_of(tries("198.18.0.1", 20), evidence_class="dialogue")), 7), work.fresh()
    )
    judged = findings.decode(data)
    assert {finding.source for finding in judged} == {"198.18.0.1"}
    assert all(evidence.sequence == 7 for finding in judged for evidence in finding.evidence)
    assert (work.rows, work.found) == (20, len(judged))
    again, _ = work.step(
        message(encode(batch_of(tries("198.18.0.1", 20), evidence_class="dialogue")), 8),
        work.load(work.dump(state)),
    )
    assert {finding.id for finding in judged}.isdisjoint(
        {finding.id for finding in findings.decode(again)} if again else set()
    )


async def test_a_pushed_lure_is_named_without_a_restart(tmp_path: Path, stream: Stream) -> None:
    config = config_of(tmp_path)
    signature.ensure_own_key(config)
    private = signature.read_key(signature.own_key(config))
    publisher = Publisher(stream, private, [signature.public_text(private)], SystemClock())
    work = Detecting(engine := engine_of(), ManualClock())
    follower = await module.follow(config, stream, engine)
    following = asyncio.create_task(follower.run())
    raw = b"GET /hive-box/run?cmd=id HTTP/1.1\r\nHost: h\r\n\r\n"
    asked = [("198.18.0.1", RequestReceived("GET", "/hive-box/run?cmd=id", "h", "", raw, 0))]
    try:
        await publisher.push("hive-box", lure_text())
        await until(lambda: "hive-box" in follower.live)
        data, _ = work.step(message(encode(batch_of(asked, evidence_class="dialogue"))), work.fresh())
    finally:
        following.cancel()
    assert "hive-box" in {finding.rule for finding in findings.decode(data)}


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PLZ4\xff\xff\xff\xff", bytes(1_000)])
def test_a_batch_that_is_none_is_told_and_changes_nothing(data: bytes, told: list[Any]) -> None:
    work = Detecting(engine_of(), ManualClock())
    state = work.fresh()
    before = work.dump(state)
    said, after = work.step(message(data), state)
    assert (said, work.dump(after)) == (b"", before)
    assert [note["event"] for note in told] == ["BadMessage"]


@pytest.mark.parametrize("data", [b"", b"nonsense", bytes(10_000)])
def test_a_state_that_is_none_begins_anew(data: bytes, told: list[Any]) -> None:
    work = Detecting(engine_of(), ManualClock())
    said, _ = work.step(
        message(encode(batch_of(tries("198.18.0.1", 20), evidence_class="dialogue"))), work.load(data)
    )
    assert findings.decode(said)
    assert "BadMessage" in {note["event"] for note in told}


def test_more_findings_than_a_message_carries_are_cut_and_told(
    monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    monkeypatch.setattr(module, "MAX_FINDINGS_BYTES", 20_000)
    work = Detecting(engine_of(max_sources=1_024), ManualClock())
    rows = [row for number in range(100) for row in tries(f"198.18.1.{number}", 8)]
    data, _ = work.step(message(encode(batch_of(rows, evidence_class="dialogue"))), work.fresh())
    assert 0 < len(data) <= 20_000
    assert findings.decode(data)
    assert "findings bytes" in {note.get("limit") for note in told}


async def test_events_become_findings(server: EmbeddedServer, stream: Stream, tmp_path: Path) -> None:
    config = config_of(tmp_path, server)
    async with running(module.run(config, 0, SystemClock())):
        await publish(stream, 0, "198.18.0.1", 20)
        await until(lambda: _has(stream, "198.18.0.1"), 60)

        async def says() -> bool:
            stored = await stream.get("sensors", f"detect.{config.host_name}.0")
            return stored is not None and lane("198.18.0.1") in decode_heartbeat(stored).figures["lanes"]

        await until(says)
    for finding in await found(stream):
        assert finding.found >= finding.last_seen
        for evidence in finding.evidence:
            stored = await stream.message("EVENTS", evidence.sequence)
            assert stored is not None


async def _has(stream: Stream, source: str) -> bool:
    return source in {finding.source for finding in await found(stream)}


async def test_a_hostile_message_stops_nothing(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    for number in range(2):
        await stream.publish(f"events.interaction.{number}", b"nonsense")
        await stream.publish(f"events.interaction.{number}", b"")
    async with running(module.run(config_of(tmp_path, server), 0, SystemClock())) as tasks:
        await publish(stream, 0, "198.18.0.1", 20)
        await until(lambda: _has(stream, "198.18.0.1"), 60)
        assert not tasks[0].done()
    assert "BadMessage" in {note["event"] for note in told}


def settings(server: EmbeddedServer, folder: Path) -> Path:
    """A file for two detectors of their own process."""
    path = folder / "propolis.toml"
    path.write_text(
        f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\nmax_bytes = {SETTINGS.max_bytes}\n'
        '[host]\nname = "h"\nlog_json = true\n[detection]\nworkers = 2\ncheckpoint_seconds = 0.2\n'
    )
    return path


def detector(path: Path, worker: int, log: Path) -> Any:
    arguments = ("-m", "propolis", "detect", "--worker", str(worker), "--config", str(path))
    return process(*arguments, stderr=log.open("wb"), stdout=subprocess.DEVNULL)


async def test_a_killed_detector_finds_the_same_as_one_that_lived(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    """Two workers, of whom one is killed again and again; beside it, what one engine finds in one go."""
    path = settings(server, tmp_path)

    def start(worker: int, log: str) -> Any:
        return detector(path, worker, tmp_path / log)

    def has_started(log: str) -> bool:
        return "StageStarted" in (tmp_path / log).read_text()

    sources = [f"198.18.{number // 200}.{number % 200}" for number in range(300)]
    number = 0
    with start(1, "steady"):
        await until(lambda: has_started("steady"), 60)
        for turn in range(2):
            with start(0, f"killed{turn}") as killed:
                await until(lambda turn=turn: has_started(f"killed{turn}"), 60)  # type: ignore[misc]
                for _ in range(600):
                    await publish(stream, number, sources[number % len(sources)], 2)
                    number += 1
                    if number % 600 == 300:
                        killed.send_signal(signal.SIGKILL)
                killed.wait()

        async def are_judged() -> bool:
            positions = [await stream.get("states", f"lane.{number}") for number in range(SETTINGS.lanes)]
            last = [
                await stream.last("EVENTS", f"events.interaction.{number}")
                for number in range(SETTINGS.lanes)
            ]
            return all(
                state is not None
                and event is not None
                and int.from_bytes(state.data[:8], "big") >= event.sequence
                for state, event in zip(positions, last, strict=True)
            )

        await until(are_judged, 60)
    seen = Counter(finding.id for finding in await found(stream))
    assert set(seen.values()) == {1}
    assert seen.keys() == {finding.id for finding in await in_one_go(stream)}
    assert len(seen) >= len(sources)


async def in_one_go(stream: Stream) -> list[Finding]:
    said = []
    for number in range(SETTINGS.lanes):
        work = Detecting(engine_of(max_sources=131_072), SystemClock())
        state = work.fresh()
        async for stored in stream.history("EVENTS", subject=f"events.*.{number}"):
            data, state = work.step(stored, state)
            said += findings.decode(data) if data else ()
    return said


async def test_a_yara_rule_that_is_saved_judges_from_then_on(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    folder, source = tmp_path / "yara", "198.18.0.9"
    folder.mkdir()
    config = config_of(tmp_path, server, f'[detection]\nyara = "{folder}"\n')

    async def is_found() -> bool:
        at = BEGIN + len(sent) * SECOND
        sent.append(at)
        payload = PayloadReceived(b"\0" * 40 + b"zyx-bot-marker")
        batch = batch_of([(source, payload)], begin=at, evidence_class="dialogue")
        await stream.insist(f"events.interaction.{lane(source)}", encode(batch), message_id=f"f{at}")
        await asyncio.sleep(0.2)
        return any(one.rule == "yara:bot" for one in await found(stream))

    sent: list[int] = []
    async with running(module.run(config, 0, SystemClock())):
        (folder / "bot.yar").write_text('rule bot { strings: $a = "zyx-bot-marker" condition: $a }')
        await until(is_found)


async def test_two_detectors_judge_by_a_pushed_rule_at_once_and_forget_nothing(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    """Two processes: a rule goes live in both while they run; who was reported before is not reported again."""
    path = settings(server, tmp_path)
    config = load_config(path)
    signature.ensure_own_key(config)
    private = signature.read_key(signature.own_key(config))
    publisher = Publisher(stream, private, [signature.public_text(private)], SystemClock(), RULE)
    sources = [f"198.18.0.{number}" for number in range(40)]

    async def standings() -> list[Standing]:
        beats = [await stream.get("sensors", f"detect.h.{worker}") for worker in range(2)]
        said = [standing_of(decode_heartbeat(beat).figures, RULES) for beat in beats if beat is not None]
        return [standing for standing in said if standing is not None]

    async def told(rule: str) -> bool:
        return {one.source for one in await found(stream) if one.rule == rule} >= set(sources)

    async def are_up() -> bool:
        return len(await standings()) == 2

    async def is_live() -> bool:
        said = await standings()
        return len(said) == 2 and all(one.sequence >= pushed.sequence and one.pushed == 1 for one in said)

    with detector(path, 0, tmp_path / "zero"), detector(path, 1, tmp_path / "one"):
        await until(are_up, 90)
        for source in sources:
            await publish(stream, 1, source, 5)
        await until(lambda: told("password-guessing"), 60)
        pushed = await publisher.push("ants", rule_text("ants", "nest"))
        await until(is_live, 10)
        for source in sources:
            raw = b"GET /nest?run=1 HTTP/1.1\r\nHost: h\r\n\r\n"
            asked = (source, RequestReceived("GET", "/nest", "h", "", raw, 0))
            rows = [asked, *tries(source, 5)]
            data = encode(batch_of(rows, begin=BEGIN + SECOND, evidence_class="dialogue"))
            await stream.insist(f"events.interaction.{lane(source)}", data, message_id=f"later.{source}")
        await until(lambda: told("ants"), 60)
    seen = Counter((finding.rule, finding.source) for finding in await found(stream))
    assert {seen[rule, source] for rule in ("ants", "password-guessing") for source in sources} == {1}
    (grade,) = {finding.grade for finding in await found(stream) if finding.rule == "ants"}
    assert grade == "seen"
