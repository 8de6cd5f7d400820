import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from hive import connected, until
from propolis.clock import SystemClock
from propolis.errors import StreamError
from propolis.stream import EmbeddedServer, Msg, Pull, Pulse, Stream, Unreachable, client, credentials
from propolis.stream.heartbeat import decode

WATCH = {"deliver_policy": "last_per_subject", "filter_subject": "$KV.decisions.>"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a credential does not allow is not answered at all."""
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.7)


async def admitted(server: EmbeddedServer, owner: Stream, name: str, role: str) -> Path:
    path = server.admit(name, role)
    server.reload()

    async def is_let_in() -> bool:
        try:
            async with connected(server, path):
                return True
        except StreamError:
            return False

    await until(is_let_in)
    return path


async def all_are_refused(*work: Coroutine[Any, Any, Any]) -> None:
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unreachable] * len(work)


async def test_an_enforcer_watches_decisions_and_acknowledges_and_nothing_else(
    server: EmbeddedServer, stream: Stream
) -> None:
    path = await admitted(server, stream, "edge", "enforcer")
    await stream.put("decisions", "address.01", b"block")
    await stream.publish("findings.0", b"secret")
    await stream.publish("events.interaction.0", b"secret")
    await stream.put("states", "lane.0", b"secret")
    async with connected(server, path) as edge:
        pull = await Pull.ephemeral(edge, "KV_decisions", WATCH)
        assert [one.data for one in await pull.next()] == [b"block"]
        await stream.put("decisions", "address.02", b"also")
        assert [one.data for one in await pull.next()] == [b"also"]
        await pull.aclose()
        assert [one.data async for one in edge.keys("decisions")] == [b"block", b"also"]
        assert await edge.publish("clock.nftables", b"held") == 1
        await all_are_refused(
            *(
                edge.publish(subject, b"forged")
                for subject in ("events.a.0", "findings.0", "ledger.a", "decide.command")
            ),
            edge.put("decisions", "address.03", b"forged"),
            edge.put("policy", "decider", b"forged"),
            edge.put("states", "lane.0", b"forged"),
            edge.put("sensors", "sensor.a.0", b"forged"),
            edge.delete("decisions", "address.01"),
        )
        for name in ("FINDINGS", "EVENTS", "LEDGER", "KV_states"):
            await all_are_refused(
                edge.message(name, 1),
                Pull.ephemeral(edge, name, {}),
                edge.api(f"STREAM.PURGE.{name}"),
                edge.api(f"STREAM.INFO.{name}"),
            )
    assert len([one async for one in stream.history("EVENTS")]) == 1
    assert len([one async for one in stream.history("FINDINGS")]) == 1
    assert {one.data async for one in stream.keys("decisions")} == {b"block", b"also"}


async def test_a_sensor_reports_events_follows_lures_and_lives_under_its_own_name_only(
    server: EmbeddedServer, stream: Stream
) -> None:
    path = await admitted(server, stream, "edge-1", "sensor")
    await stream.put("lures", "flaw.one", b"signed")
    async with connected(server, path) as edge:
        pull = await Pull.ephemeral(edge, "KV_lures", {"filter_subject": "$KV.lures.>"})
        assert b"signed" in [one.data for one in await pull.next()]
        await pull.aclose()
        assert await edge.publish("events.interaction.1", b"hit", message_id="1") == 1
        pulse = Pulse(
            edge, SystemClock(), stage="sensor", name="edge-1.0", host="edge", figures=lambda: {"n": 1}
        )
        beating = asyncio.ensure_future(pulse.run())
        await until(lambda: pulse.error > 0)
        stored = await stream.get("sensors", "sensor.edge-1.0")
        beating.cancel()
        await asyncio.wait([beating])
        await all_are_refused(
            edge.put("lures", "flaw.one", b"forged"),
            edge.delete("lures", "flaw.one"),
            edge.put("sensors", "sensor.edge-2.0", b"forged"),
            edge.put("sensors", "enforcer.x.y", b"forged"),
            edge.put("decisions", "address.01", b"forged"),
            *(
                edge.publish(subject, b"forged")
                for subject in ("findings.0", "clock.a", "ledger.a", "decide.command")
            ),
            *(edge.message(name, 1) for name in ("EVENTS", "KV_decisions")),
            *(Pull.ephemeral(edge, name, {}) for name in ("EVENTS", "KV_decisions")),
        )
    assert stored is not None
    assert decode(stored).figures == {"n": 1}


async def test_nobody_reads_what_another_is_answered(server: EmbeddedServer, stream: Stream) -> None:
    path = await admitted(server, stream, "edge", "enforcer")
    heard: list[bytes] = []

    async def listen(message: Msg) -> None:
        heard.append(message.data)

    async with connected(server, path) as edge:
        for subject in (">", "_INBOX.>", "_INBOX.*.*", "events.>", f"{stream._inbox}.*"):
            await edge.client.subscribe(subject, cb=listen)
        await edge.client.flush()
        await stream.publish("events.interaction.0", b"secret")
        assert [one.data async for one in stream.history("EVENTS")] == [b"secret"]
        await edge.client.flush()
    assert heard == []


@pytest.mark.parametrize(
    "name", ["owner", "root-x", "enforcer-", "enforcer-a b", "enforcer-a.b", "enforcer-*", "x"]
)
async def test_only_the_owner_is_an_owner(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.nk"
    key = credentials.make(path)
    assert credentials.user(path) == ({"nkey": key} if name == "owner" else None)


@pytest.mark.parametrize(
    ("name", "role"),
    [("a", "owner"), ("a", "root"), ("", "sensor"), ("a.b", "sensor"), ("a/b", "enforcer"), (">", "sensor")],
)
async def test_a_name_that_would_widen_a_role_is_refused(
    server: EmbeddedServer, name: str, role: str
) -> None:
    with pytest.raises(StreamError, match="no credential for"):
        server.admit(name, role)


def test_a_seed_is_its_owner_s_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "owner.nk"
    key = credentials.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert credentials.public_key(path) == key
    assert key.startswith("U")
    with pytest.raises(FileExistsError):
        credentials.make(path)


def test_a_missing_credential_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(
        StreamError, match=r"stream\.credentials: .*none\.nk: cannot be read .*propolis credential"
    ):
        credentials.seed_of(tmp_path / "none.nk")
