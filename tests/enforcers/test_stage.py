import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hive import SETTINGS, config_of, connected, free_port, kill, process, running, serving, until
from propolis.clock import SECOND, SystemClock
from propolis.config import Config, parse
from propolis.decisions import (
    Acknowledgement,
    Decision,
    Target,
    decision_id,
    decode_acknowledgement,
    encode,
    target_of,
)
from propolis.enforcers import Active, DryRun, Enforcer, File, Nftables
from propolis.enforcers import stage as module
from propolis.errors import EnforcerError
from propolis.stream import EmbeddedServer, Publisher, Stream
from propolis.stream.heartbeat import decode as decode_heartbeat


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


def block(text: str, seconds: float = 60.0, **changes: Any) -> Decision:
    now, target = SystemClock().now(), target_of(text)
    return msgspec.structs.replace(
        Decision(
            id=decision_id(text, target, now),
            target=target,
            action="block",
            state="active",
            since=now,
            until=now + int(seconds * SECOND),
            reason="tried a credential",
            finding="00" * 16,
            rule="credential",
            grade="attempt",
            confidence=90,
            evidence_class="dialogue",
            first_packet=now - SECOND // 100,
            found=now - SECOND // 200,
            decided=now,
        ),
        **changes,
    )


async def put(stream: Stream, *decisions: Decision) -> None:
    for one in decisions:
        left = (one.until - SystemClock().now()) / SECOND
        await stream.put("decisions", one.target.key, encode(one), ttl_seconds=left + 1)


async def acknowledged(stream: Stream) -> list[Acknowledgement]:
    return [decode_acknowledgement(stored.data) async for stored in stream.history("CLOCK")]


async def is_acknowledged(stream: Stream, *wanted: tuple[str, int, bool]) -> bool:
    said = [(ack.target.value, ack.revision, ack.holds) for ack in await acknowledged(stream)]
    return sorted(said) == sorted(wanted)


@asynccontextmanager
async def enforcing(
    config: Config, enforcer: Enforcer, alias: str = ""
) -> AsyncIterator["asyncio.Future[None]"]:
    """An enforcer at work while the context lasts."""
    with capture_logs() as notes:
        async with running(module.run(config, enforcer, SystemClock(), alias=alias)) as tasks:
            await until(lambda: tasks[0].done() or any(note["event"] == "StageStarted" for note in notes))
            if tasks[0].done():
                tasks[0].result()
            yield tasks[0]


def file_of(config: Config) -> File:
    return File(config.enforcers, SystemClock(), config.state)


def lines(config: Config) -> list[str]:
    path = config.state / config.enforcers.file.path
    return path.read_text().split() if path.exists() else []


async def test_a_decision_is_carried_out_read_back_and_acknowledged(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)):
        one = block("9.9.9.9")
        await put(stream, one)
        await until(lambda: lines(config) == ["9.9.9.9"])
        await until(lambda: is_acknowledged(stream, ("9.9.9.9", 1, True)))
    (ack,) = await acknowledged(stream)
    assert (ack.decision, ack.rule, ack.enforcer, ack.host, ack.enforces) == (
        one.id,
        one.rule,
        "file",
        config.host_name,
        True,
    )
    assert (ack.first_packet, ack.found, ack.decided) == (one.first_packet, one.found, one.decided)
    assert one.decided <= ack.applied <= SystemClock().now() + SECOND
    assert lines(config) == ["9.9.9.9"], "what is enforced stays when the enforcer goes"


async def test_what_was_decided_before_is_carried_out_at_the_start(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    await put(stream, *(block(f"9.9.{number // 200}.{number % 200}") for number in range(400)))
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)):
        assert len(lines(config)) == 400


async def test_an_extension_is_acknowledged_and_an_end_too(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)):
        one = block("9.9.9.9", 1.0)
        await put(stream, one)
        await until(lambda: lines(config) == ["9.9.9.9"])
        later = msgspec.structs.replace(one, revision=2, until=one.until + SECOND)
        await put(stream, later)
        await until(lambda: is_acknowledged(stream, ("9.9.9.9", 1, True), ("9.9.9.9", 2, True)))
        await until(lambda: lines(config) == [])
        assert SystemClock().now() >= later.until
        await until(
            lambda: is_acknowledged(stream, ("9.9.9.9", 1, True), ("9.9.9.9", 2, True), ("9.9.9.9", 2, False))
        )


async def test_a_revoked_decision_is_let_go_within_a_second(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)):
        one, other = block("9.9.9.9"), block("9.9.9.8")
        await put(stream, one, other)
        await until(lambda: len(lines(config)) == 2)
        await stream.delete("decisions", one.target.key)
        await until(lambda: lines(config) == ["9.9.9.8"], 1.0)
        await until(
            lambda: is_acknowledged(stream, ("9.9.9.9", 1, True), ("9.9.9.8", 1, True), ("9.9.9.9", 1, False))
        )


async def test_a_decision_that_takes_another_s_place_ends_it(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)):
        one = block("9.9.9.9")
        await put(stream, one)
        await until(lambda: is_acknowledged(stream, ("9.9.9.9", 1, True)))
        two = block("9.9.9.9", 90)
        await put(stream, two)
        await until(
            lambda: is_acknowledged(stream, ("9.9.9.9", 1, True), ("9.9.9.9", 1, True), ("9.9.9.9", 1, False))
        )
    assert [ack.decision for ack in await acknowledged(stream)] == [one.id, one.id, two.id]


async def test_only_what_is_for_it_is_carried_out(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    decisions = (
        block("9.9.9.1"),
        block("9.9.9.2", scope=("nftables",)),
        block("9.9.9.3", scope=("file",)),
        block("9.9.9.4", scope=("drill",)),
        block("9.9.9.5", action="monitor"),
        block("9.9.9.6", state="shadow"),
    )
    async with enforcing(config, file_of(config)):
        await put(stream, *decisions)
        await until(lambda: lines(config) == ["9.9.9.1", "9.9.9.3"])
        await put(stream, msgspec.structs.replace(decisions[0], scope=("nftables",), revision=2))
        await until(lambda: lines(config) == ["9.9.9.3"])
    async with enforcing(config, file_of(config), alias="drill"):
        await until(lambda: lines(config) == ["9.9.9.4"])


async def test_hostile_keys_are_told_and_passed_over(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    config = config_of(tmp_path, server)
    good = block("9.9.9.9")
    tree = msgspec.to_builtins(good)
    hostile = [
        b"",
        b"nonsense",
        b"\xff" * 50,
        b"[" * 10_000,
        b"{}",
        msgspec.json.encode(tree | {"version": 99}),
        msgspec.json.encode(tree | {"until": 0}),
        *(
            msgspec.json.encode(tree | {"target": {"kind": kind, "value": value}})
            for kind, value in (
                ("address", ""),
                ("address", "9.9.9.9/33"),
                ("address", "nonsense; flush ruleset"),
                ("prefix", "9.9.9.9"),
                ("address", "9.9.9.9\n8.8.8.8"),
                ("prefix", "0.0.0.0/0 "),
            )
        ),
    ]
    for number, data in enumerate(hostile):
        await stream.put("decisions", f"address.{number}", data)
    async with running(module.run(config, file_of(config), SystemClock())) as tasks:
        for number, data in enumerate(hostile):
            await stream.put("decisions", f"address.x{number}", data)
        await put(stream, good)
        await until(lambda: lines(config) == ["9.9.9.9"])
        assert not tasks[0].done()
    assert {"BadMessage", "NotHeld"} <= {note["event"] for note in told}


async def test_what_is_over_is_forgotten(server: EmbeddedServer, stream: Stream, tmp_path: Path) -> None:
    """Decisions that only watch come by the hundred thousand."""
    config = config_of(tmp_path, server)
    async with connected(server) as own:
        stage = module.Stage(
            config, file_of(config), own, Publisher(own, SystemClock()), SystemClock(), name="file"
        )
        stage._enforcer.open()
        await put(
            stream,
            *(block(f"9.9.{number // 200}.{number % 200}", 1.0, action="monitor") for number in range(400)),
        )
        await put(stream, *(block(f"9.8.{number // 200}.{number % 200}", 1.0) for number in range(400)))
        pull = await module._watch(own)
        await stage.catch_up(pull)
        assert len(stage.active) > 0
        async with running(stage.follow(pull), stage.tick()):
            await until(lambda: not (stage.active or stage._by_key or stage._applied))


async def test_a_lost_stream_is_outlived_and_what_was_revoked_meanwhile_is_let_go(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    revoked, kept, fresh = block("9.9.9.1"), block("9.9.9.2"), block("9.9.9.3")
    async with enforcing(config, file_of(config)) as task:
        await put(stream, revoked, kept)
        await until(lambda: len(lines(config)) == 2)
        await until(lambda: is_acknowledged(stream, ("9.9.9.1", 1, True), ("9.9.9.2", 1, True)))
        # somewhere the enforcer cannot reach, the stream lives on
        await server.stop()
        again = EmbeddedServer(server.folder, (server.host, server.port), SystemClock())
        lonely = EmbeddedServer(server.folder, (server.host, free_port()), SystemClock())
        await lonely.start()
        async with connected(lonely) as elsewhere:
            await elsewhere.api(
                "STREAM.PURGE.KV_decisions", {"filter": f"$KV.decisions.{revoked.target.key}"}
            )
            await put(elsewhere, fresh)
        await asyncio.sleep(2)
        await lonely.stop()
        assert sorted(lines(config)) == ["9.9.9.1", "9.9.9.2"], "without a stream everything stays as it is"
        await again.start()
        await until(lambda: sorted(lines(config)) == ["9.9.9.2", "9.9.9.3"])
        assert not task.done()
        async with connected(again) as reader:
            await until(
                lambda: is_acknowledged(
                    reader,
                    ("9.9.9.1", 1, True),
                    ("9.9.9.2", 1, True),
                    ("9.9.9.1", 1, False),
                    ("9.9.9.3", 1, True),
                )
            )
        await again.stop()


async def test_it_goes_on_when_the_server_crashes(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    async with enforcing(config, file_of(config)) as task:
        for number in range(3):
            one = block(f"9.9.9.{number}")
            await stream.insist(f"$KV.decisions.{one.target.key}", encode(one), message_id=one.id)
            await until(lambda number=number: len(lines(config)) == number + 1)  # type: ignore[misc]
            await until(lambda: server.pid is not None)
            kill(server)
        await until(lambda: server.pid is not None)
        await until(lambda: stream.client.is_connected)
        assert not task.done()


class Forgetful(DryRun):
    """Says it has done what it has not."""

    enforces = True

    def apply(self, active: Active, *, whole: bool = False) -> None:
        if whole:
            super().apply(active, whole=whole)


async def test_what_the_world_does_not_hold_is_not_acknowledged_but_told_and_repaired(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    config = config_of(tmp_path, server, "[enforcers]\nreconcile_seconds = 1.0\n")
    async with running(
        module.run(config, Forgetful(config.enforcers, SystemClock(), tmp_path), SystemClock())
    ):
        await until(lambda: any(note["event"] == "StageStarted" for note in told))
        await put(stream, block("9.9.9.9"))
        await until(lambda: any(note["event"] == "NotHeld" for note in told))
        await until(lambda: any(note["event"] == "DriftSeen" and note["missing"] == 1 for note in told))
        await until(lambda: is_acknowledged(stream, ("9.9.9.9", 1, True)))


async def test_its_heartbeat_says_what_it_holds(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    config = config_of(tmp_path, server)
    await put(stream, block("9.9.9.9"))
    async with enforcing(config, DryRun(config.enforcers, SystemClock(), tmp_path)):

        async def figures() -> dict[str, Any]:
            stored = await stream.get("sensors", f"enforcer.dry-run.{config.host_name}")
            return decode_heartbeat(stored).figures if stored else {}

        async def says() -> bool:
            return (await figures()).get("active") == 1

        await until(says)
        assert (await figures())["enforces"] is False
    (ack,) = await acknowledged(stream)
    assert not ack.enforces


class Broken(DryRun):
    """A machine that cannot."""

    def read_back(self, targets: Collection[Target] | None = None) -> dict[Target, int]:
        raise EnforcerError(f"no nft to ask about {targets}; use dry-run")


async def test_an_enforcer_that_cannot_ends_its_stage(server: EmbeddedServer, tmp_path: Path) -> None:
    config = config_of(tmp_path, server)
    with pytest.raises(EnforcerError, match="use dry-run"):
        await module.run(config, Broken(config.enforcers, SystemClock(), tmp_path), SystemClock())


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"ps-{os.getpid():x}{os.urandom(2).hex()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def nft(namespace: str, *words: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, "nft", *words], capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.root
async def test_in_the_kernel_what_somebody_took_away_is_noticed_and_put_back(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, namespace: str, told: list[Any]
) -> None:
    text = f'[enforcers]\nreconcile_seconds = 1.0\n[enforcers.nftables]\nnamespace = "{namespace}"\n'
    config = config_of(tmp_path, server, text)
    async with running(
        module.run(config, Nftables(config.enforcers, SystemClock(), tmp_path), SystemClock())
    ):
        await put(stream, block("9.9.9.9"))
        await until(lambda: is_acknowledged(stream, ("9.9.9.9", 1, True)))
        assert "9.9.9.9" in nft(namespace, "list", "set", "inet", "propolis", "v4")
        nft(namespace, "delete", "element", "inet", "propolis", "v4", "{ 9.9.9.9 }")
        nft(namespace, "add", "element", "inet", "propolis", "v4", "{ 8.8.8.8 timeout 1h }")

        def is_repaired() -> bool:
            listed = nft(namespace, "list", "set", "inet", "propolis", "v4")
            return "9.9.9.9" in listed and "8.8.8.8" not in listed

        await until(is_repaired)
    assert {note["event"] for note in told} & {"DriftSeen", "WorldChanged"}


@pytest.mark.root
async def test_a_killed_enforcer_leaves_its_work_and_its_successor_adopts_it(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, namespace: str
) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text(
        f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\nmax_bytes = {SETTINGS.max_bytes}\n'
        f'[host]\nlog_json = true\n[enforcers.nftables]\nnamespace = "{namespace}"\n'
    )

    def start(log: str) -> Any:
        return process(
            "-m",
            "propolis",
            "enforce",
            "nftables",
            "--config",
            str(path),
            stderr=(tmp_path / log).open("wb"),
            stdout=subprocess.DEVNULL,
        )

    def said(log: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (tmp_path / log).read_text().splitlines()]

    def listed() -> str:
        return nft(namespace, "list", "set", "inet", "propolis", "v4")

    with start("first") as first:
        await put(stream, block("9.9.9.1", 300), block("9.9.9.2", 300))
        await until(lambda: is_acknowledged(stream, ("9.9.9.1", 1, True), ("9.9.9.2", 1, True)))
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert "9.9.9.1" in listed()
    await stream.delete("decisions", target_of("9.9.9.2").key)
    await put(stream, block("9.9.9.3", 300))
    with start("second"):
        await until(lambda: any(note["event"] == "StageStarted" for note in said("second")))
        await until(lambda: "9.9.9.3" in listed() and "9.9.9.2" not in listed() and "9.9.9.1" in listed())
    assert not [note for note in said("second") if note["event"] in {"NotHeld", "StageFailed"}]


async def test_an_enforcer_on_another_host_needs_no_more_than_its_credential(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    credential = server.admit("edge", "enforcer")
    server.reload()
    text = f'[stream]\nurl = "{server.url}"\ncredentials = "{credential}"\n'
    config = parse(text.encode(), tmp_path / "propolis.toml")
    kept, revoked = block("9.9.9.9"), block("9.9.9.8")
    await put(stream, kept, revoked)

    async def beats() -> bool:
        return await stream.get("sensors", f"enforcer.file.{config.host_name}") is not None

    async with enforcing(config, file_of(config)):
        await until(lambda: len(lines(config)) == 2)
        await until(beats)
        pid = kill(server)
        await until(lambda: server.pid not in (None, pid))
        await until(lambda: stream.client.is_connected)
        await stream.delete("decisions", revoked.target.key)
        await until(lambda: lines(config) == ["9.9.9.9"])
        wanted = ("9.9.9.9", 1, True), ("9.9.9.8", 1, True), ("9.9.9.8", 1, False)
        await until(lambda: is_acknowledged(stream, *wanted))
    assert not [note for note in told if "ermission" in note.get("why", "")]
