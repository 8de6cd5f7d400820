import asyncio
import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hive import SETTINGS, config_of, connected, kill, process, running, until
from judging import finding
from propolis import findings
from propolis.clock import SECOND, SystemClock
from propolis.decisions import (
    Decided,
    Decision,
    Entry,
    Expired,
    Extended,
    ModeChanged,
    Refused,
    Revoked,
    commands,
    decode,
)
from propolis.decisions import stage as module
from propolis.decisions.stage import read_ledger
from propolis.errors import StreamError
from propolis.findings import Finding
from propolis.stream import EmbeddedServer, Stream, Unreachable

ARM = commands.Arm(by="test", reason="armed for the test")


def fresh(source: str, number: int = 0, **changes: Any) -> Finding:
    return finding(source, number, at=SystemClock().now(), **changes)


async def publish(stream: Stream, *found: Finding) -> None:
    await stream.insist("findings.0", findings.encode(found), message_id=f"t{random.random()}")


async def ask(stream: Stream, command: commands.Command) -> commands.Answer:
    future = await stream.ask_later(commands.SUBJECT, commands.encode(command))
    return commands.decode_answer((await asyncio.wait_for(future, 10)).data)


async def ledger(stream: Stream) -> list[Entry]:
    return [entry async for entry in read_ledger(stream)]


async def bucket(stream: Stream) -> dict[str, Decision]:
    found = [decode(stored.data) async for stored in stream.keys("decisions")]
    return {decision.target.value: decision for decision in found}


@asynccontextmanager
async def deciding(
    folder: Path, server: EmbeddedServer, stream: Stream, settings: str = ""
) -> AsyncIterator[None]:
    """A decider that answers commands while the context lasts."""
    config = config_of(folder, server, settings)
    async with running(module.run(config, SystemClock())) as tasks:

        async def answers() -> bool:
            if tasks[0].done():
                tasks[0].result()
            try:
                return bool((await ask(stream, commands.Revoke(by="t", reason="t", what="nobody"))).error)
            except StreamError:
                return False

        await until(answers)
        yield


async def holds(stream: Stream, *sources: str) -> bool:
    return (await bucket(stream)).keys() == {*sources}


async def test_a_finding_becomes_an_entry_and_a_block_that_ends(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    async with deciding(tmp_path, server, stream):
        assert isinstance((await ask(stream, ARM)).entries[0], ModeChanged)
        found = fresh("9.9.9.9")
        await publish(stream, found)
        await until(lambda: holds(stream, "9.9.9.9"))
        decision = (await bucket(stream))["9.9.9.9"]
    assert (decision.action, decision.state, decision.finding) == ("block", "active", found.id)
    assert (decision.first_packet, decision.found) == (found.first_seen, found.found)
    assert found.found <= decision.decided < decision.until
    armed, decided = await ledger(stream)
    assert isinstance(armed, ModeChanged)
    assert isinstance(decided, Decided)
    assert decided.decision == decision


async def test_in_shadow_nothing_reaches_the_bucket(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    async with deciding(tmp_path, server, stream):
        await publish(stream, fresh("9.9.9.9"))

        async def is_written() -> bool:
            return len(await ledger(stream)) == 1

        await until(is_written)
    (entry,) = await ledger(stream)
    assert isinstance(entry, Decided)
    assert entry.decision.state == "shadow"
    assert await bucket(stream) == {}


async def test_fresh_evidence_prolongs_the_key(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    policy = '[[decisions.policy]]\ngrade = "attempt"\naction = "block"\nttl_seconds = 3.0\n'
    async with deciding(tmp_path, server, stream, policy):
        await ask(stream, ARM)
        await publish(stream, fresh("9.9.9.9", 0))
        await until(lambda: holds(stream, "9.9.9.9"))
        first = (await bucket(stream))["9.9.9.9"]
        await asyncio.sleep(1.5)
        await publish(stream, fresh("9.9.9.9", 1))

        async def is_prolonged() -> bool:
            held = (await bucket(stream)).get("9.9.9.9")
            return held is not None and held.revision == 2

        await until(is_prolonged)
        second = (await bucket(stream))["9.9.9.9"]
        assert (second.id, second.since) == (first.id, first.since)
        assert second.until > first.until + SECOND
        await until(lambda: holds(stream))
    kinds = [type(entry) for entry in await ledger(stream)]
    assert kinds == [ModeChanged, Decided, Extended, Expired]


async def test_an_operator_s_word_is_done_at_once(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    async with deciding(tmp_path, server, stream):
        add = commands.Add(by="ann", reason="looks bad", target="9.9.9.0/24", ttl_seconds=60)
        (decided,) = (await ask(stream, add)).entries
        assert isinstance(decided, Decided)
        assert await holds(stream, "9.9.9.0/24")
        assert (await ask(stream, add)).error == "held already for at least as long"
        (revoked,) = (
            await ask(stream, commands.Revoke(by="bob", reason="a mistake", what=decided.decision.id))
        ).entries
        assert isinstance(revoked, Revoked)
        assert (revoked.by, revoked.reason) == ("bob", "a mistake")
        assert await holds(stream)
        await ask(stream, ARM)
        assert (await ask(stream, ARM)).error == "armed already"
        for number in range(5):
            await publish(stream, fresh(f"9.9.9.{number + 1}"))
        await until(lambda: holds(stream, *(f"9.9.9.{number + 1}" for number in range(5))))
        down = await ask(stream, commands.StandDown(by="ann", reason="too many"))
        assert [type(entry) for entry in down.entries] == [ModeChanged, *[Revoked] * 5]
        assert await holds(stream)
        (refused,) = (
            await ask(stream, commands.Add(by="ann", reason="r", target="127.0.0.1", ttl_seconds=60))
        ).entries
        assert isinstance(refused, Refused)


async def test_nonsense_is_answered_and_changes_nothing(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    async with deciding(tmp_path, server, stream):
        for data in (
            b"",
            b"\xff" * 100,
            b"{}",
            b"[" * 10_000,
            b'{"type": "Add"}',
            json.dumps({"type": "Arm", "by": 1, "reason": ""}).encode(),
        ):
            future = await stream.ask_later(commands.SUBJECT, data)
            answer = commands.decode_answer((await asyncio.wait_for(future, 10)).data)
            assert answer.error.startswith("not a command")
        await stream.client.publish(commands.SUBJECT, commands.encode(ARM))
        for text in (
            "",
            " ",
            "\0",
            "1.2.3.4%eth0",
            "a" * 100_000,
            "0.0.0.0/0",
            "::/0",
            "9.9.9.9/33",
            "\U0001f41d",
        ):
            for seconds in (1.0, 1e308, -1e308, 0.0):
                await ask(
                    stream, commands.Add(by="\0", reason="\0" * 1_000, target=text, ttl_seconds=seconds)
                )
                await ask(stream, commands.Revoke(by="", reason="", what=text))
                await ask(
                    stream,
                    commands.Rehearse(by="", reason="", network=text, enforcer="drill", seconds=seconds),
                )
        (held,) = (
            await ask(stream, commands.Add(by="a", reason="r", target="9.9.9.9", ttl_seconds=1e308))
        ).entries
        assert isinstance(held, Decided)
        assert held.decision.until - held.decision.since <= 86_400 * SECOND
        assert await holds(stream, "9.9.9.9")


async def test_hostile_findings_are_passed_over(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
        for data in (b"", b"\xff", b"[" * 10_000, b"{}", b"[{}]"):
            await stream.publish("findings.0", data)
        hostile = [
            fresh(source, number)
            for number, source in enumerate(
                ("", "nonsense", "0.0.0.0", "fe80::1%\r\n", "9.9.9.9 ", "a" * 5_000)
            )
        ]
        await publish(stream, *hostile)
        await publish(stream, fresh("9.9.9.9", 99))
        await until(lambda: holds(stream, "9.9.9.9"))
    assert sum(note["event"] == "BadMessage" for note in told) == 5


async def test_a_restart_repeats_nothing_and_puts_the_bucket_right(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    sources = [f"9.9.8.{number}" for number in range(20)]
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
        await publish(stream, *(fresh(source, number) for number, source in enumerate(sources)))
        await until(lambda: holds(stream, *sources))
    before = await ledger(stream)
    held = await bucket(stream)
    # what a crash in the middle could leave, and an enemy of order
    await stream.delete("decisions", held[sources[0]].target.key)
    await stream.put("decisions", held[sources[1]].target.key, b"nonsense")
    stray = "address." + "00" * 15 + "ff"
    await stream.put("decisions", stray, msgspec.json.encode(held[sources[2]]))
    again = [one async for one in stream.history("FINDINGS")]
    for number, stored in enumerate(again):
        await stream.publish("findings.0", stored.data, message_id=f"again{number}")
    async with deciding(tmp_path, server, stream):
        await until(lambda: holds(stream, *sources))
        assert await bucket(stream) == held
        assert await stream.get("decisions", stray) is None
        assert (await ask(stream, ARM)).error == "armed already"
        await publish(stream, fresh("9.9.9.9", 99))
        await until(lambda: holds(stream, *sources, "9.9.9.9"))
    assert await ledger(stream) == [*before, (await ledger(stream))[-1]]


async def test_a_full_ledger_is_told_and_waited_for(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
        info = await stream.api("STREAM.INFO.LEDGER")
        await stream.api("STREAM.UPDATE.LEDGER", {**info["config"], "max_msgs": 1, "discard": "new"})
        await publish(stream, fresh("9.9.9.9"))
        await until(lambda: any(note["event"] == "StreamLost" for note in told))
        await stream.api("STREAM.UPDATE.LEDGER", info["config"])
        await until(lambda: holds(stream, "9.9.9.9"))
        await until(lambda: any(note["event"] == "StreamBack" for note in told))
    assert [type(entry) for entry in await ledger(stream)] == [ModeChanged, Decided]


async def test_a_crashed_server_costs_no_decision(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    sources = [f"9.9.{number // 200}.{number % 200 + 1}" for number in range(300)]
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
        async with connected(server) as other, running(publish_all(other, sources)):
            for _ in range(2):
                await asyncio.sleep(0.15)
                await until(lambda: server.pid is not None)
                kill(server)
            await until(lambda: holds_all(stream, sources), 60)
    decided = Counter(
        entry.decision.target.value for entry in await ledger(stream) if isinstance(entry, Decided)
    )
    assert decided == Counter(sources)


async def publish_all(stream: Stream, sources: list[str]) -> None:
    for number, source in enumerate(sources):
        found = findings.encode((fresh(source, number),))
        await stream.insist("findings.0", found, message_id=f"f{number}")


async def holds_all(stream: Stream, sources: list[str]) -> bool:
    try:
        return await holds(stream, *sources)
    except Unreachable:
        return False


async def test_a_second_decider_stands_by_and_takes_over(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text(
        f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\n'
        f"max_bytes = {SETTINGS.max_bytes}\n[host]\nlog_json = true\n"
    )

    def start(name: str) -> Any:
        return process(
            "-m",
            "propolis",
            "decide",
            "--config",
            str(path),
            stderr=(tmp_path / name).open("wb"),
            stdout=subprocess.DEVNULL,
        )

    def said(name: str) -> list[str]:
        return [json.loads(line)["event"] for line in (tmp_path / name).read_text().splitlines()]

    with start("a") as first:
        await until(lambda: "StageStarted" in said("a"))
        with start("b"):
            await until(lambda: "StandingBy" in said("b"))
            await ask(stream, ARM)
            await publish(stream, *(fresh(f"9.9.9.{number + 1}", number) for number in range(50)))
            await until(lambda: is_any(stream))
            first.send_signal(signal.SIGKILL)
            first.wait()
            await publish(stream, *(fresh(f"9.9.8.{number + 1}", number) for number in range(50)))
            everybody = [f"9.9.{net}.{number + 1}" for net in (9, 8) for number in range(50)]
            await until(lambda: holds(stream, *everybody))
            assert "StageStarted" in said("b")
    decided = Counter(
        entry.decision.target.value for entry in await ledger(stream) if isinstance(entry, Decided)
    )
    assert decided == Counter(everybody)


async def is_any(stream: Stream) -> bool:
    return bool(await bucket(stream))


async def test_a_decider_that_lost_its_lease_reads_the_ledger_anew(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
        await stream.put(
            "policy",
            "decider",
            msgspec.json.encode({"host": "x", "pid": 1, "boot": "", "nonce": ""}),
            ttl_seconds=1,
        )
        await until(
            lambda: (
                sum(note["event"] == "StageStarted" for note in told if note.get("stage") == "decide") == 2
            )
        )
        await publish(stream, fresh("9.9.9.9"))
        await until(lambda: holds(stream, "9.9.9.9"))


async def test_a_drill_is_its_enforcer_s_alone_and_ends(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    async with deciding(tmp_path, server, stream):
        assert (
            await ask(
                stream,
                commands.Rehearse(by="d", reason="d", network="127.70.0.0/16", enforcer="drill", seconds=60),
            )
            == commands.Answer()
        )
        await publish(stream, fresh("127.70.1.1"))
        await until(lambda: holds(stream, "127.70.1.1"))
        assert (await bucket(stream))["127.70.1.1"].scope == ("drill",)
        assert (
            await ask(stream, commands.Rehearse(by="d", reason="d", network="", enforcer="", seconds=0))
            == commands.Answer()
        )
        await publish(stream, fresh("127.70.1.2"), fresh("9.9.9.9"))

        async def is_over() -> bool:
            return any(
                isinstance(entry, Decided) and entry.decision.target.value == "9.9.9.9"
                for entry in await ledger(stream)
            )

        await until(is_over)
        assert await holds(stream, "127.70.1.1")
        assert (
            await ask(
                stream,
                commands.Rehearse(by="d", reason="d", network="10.0.0.0/8", enforcer="drill", seconds=60),
            )
        ).error


async def test_an_entry_that_cannot_be_read_is_told_and_passed_over(
    server: EmbeddedServer, stream: Stream, tmp_path: Path, told: list[Any]
) -> None:
    await stream.publish("ledger.Decided", b"nonsense")
    async with deciding(tmp_path, server, stream):
        await ask(stream, ARM)
    assert [type(entry) for entry in await ledger(stream)] == [ModeChanged]
    assert "BadMessage" in {note["event"] for note in told}
