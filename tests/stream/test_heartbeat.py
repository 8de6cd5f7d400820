import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive import kill, running, until
from propolis.clock import SECOND, SystemClock
from propolis.errors import CodecError
from propolis.stream import EmbeddedServer, Heartbeat, Pulse, Stored, Stream, heartbeat
from propolis.stream.heartbeat import decode

BEAT = Heartbeat(
    stage="detect",
    name="host.0",
    host="host",
    pid=7,
    started=1,
    time=2,
    rss_bytes=3,
    clock_offset=4,
    clock_error=5,
    notes={"LimitHit": 1},
    figures={"rows": 9},
)


class Skewed(SystemClock):
    """A host whose clock is ahead."""

    def now(self) -> int:
        return super().now() + 100 * SECOND


def stored(data: bytes, key: str = "detect.host.0") -> Stored:
    return Stored(f"$KV.sensors.{key}", 1, 0, data, {})


async def test_a_stage_gives_signs_of_life_until_it_is_gone(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "TTL_SECONDS", 1)
    pulse = Pulse(stream, SystemClock(), stage="detect", name="a", host="h", figures=lambda: {"rows": 1})
    async with running(pulse.run()):
        await until(lambda: _beat(stream))
        found = await _beat(stream)
        assert found is not None
        assert (found.stage, found.name, found.host, found.figures) == ("detect", "a", "h", {"rows": 1})
        assert found.rss_bytes > 10_000_000
        await until(lambda: pulse.error > 0)
        assert abs(pulse.offset) <= SECOND
    await until(lambda: _is_gone(stream))


async def test_what_somebody_waits_for_is_said_at_once(stream: Stream) -> None:
    said = 0
    pulse = Pulse(stream, SystemClock(), stage="detect", name="a", host="h", figures=lambda: {"rows": said})

    async def is_said() -> bool:
        found = await _beat(stream)
        return found is not None and found.figures["rows"] == said

    async with running(pulse.run()):
        await until(is_said)
        said = 1
        pulse.soon()
        await until(is_said, heartbeat.EVERY_SECONDS / 2)


async def _beat(stream: Stream) -> Heartbeat | None:
    found = await stream.get("sensors", "detect.a")
    return None if found is None else decode(found)


async def _is_gone(stream: Stream) -> bool:
    return await _beat(stream) is None


async def test_it_measures_how_wrong_this_host_s_clock_is(stream: Stream) -> None:
    pulse = Pulse(stream, Skewed(), stage="sensor", name="a", host="h", figures=dict)
    async with running(pulse.run()):
        await until(lambda: pulse.error > 0)
    assert abs(pulse.offset + 100 * SECOND) <= pulse.error + SECOND // 10


async def test_a_lost_stream_is_no_reason_to_stop(
    server: EmbeddedServer, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.05)
    pulse = Pulse(stream, SystemClock(), stage="detect", name="a", host="h", figures=dict)
    async with running(pulse.run()) as tasks:
        await until(lambda: _beat(stream))
        kill(server)
        await until(lambda: server.pid is not None)
        await asyncio.sleep(0)
        before = SystemClock().now()

        async def beats_again() -> bool:
            try:
                found = await _beat(stream)
            except heartbeat.Unreachable:
                return False
            return found is not None and found.time > before

        await until(beats_again)
        assert not tasks[0].done()


def test_what_it_wrote_is_read_back() -> None:
    assert decode(stored(msgspec.json.encode(BEAT))) == BEAT


@pytest.mark.parametrize("key", ["detect.host.1", "sensor.host.0", "enforcer.x.y"])
def test_nobody_speaks_for_another(key: str) -> None:
    with pytest.raises(CodecError, match=r"says it is detect\.host\.0"):
        decode(stored(msgspec.json.encode(BEAT), key))


@given(st.binary(max_size=200) | st.just(b"[" * 5_000))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(stored(data))


def test_a_wrong_type_is_located() -> None:
    tree: dict[str, Any] = msgspec.to_builtins(BEAT) | {"pid": "seven"}
    with pytest.raises(CodecError, match=r"\$\.pid"):
        decode(stored(msgspec.json.encode(tree)))
