import asyncio
import os
import subprocess
from typing import Any

import msgspec
import pytest

from hive import connected, kill, process, running, until
from propolis.clock import SECOND, ManualClock, SystemClock
from propolis.decisions import lease as module
from propolis.decisions.lease import Holder, Lease, LeaseLost
from propolis.stream import EmbeddedServer, Stream

HOLD = """
import asyncio, sys
from pathlib import Path
from propolis import notes
from propolis.clock import SystemClock
from propolis.decisions.lease import Lease
from propolis.stream import connect

async def main(url, credential, host):
    notes.open_log(json=True)
    stream = await connect(url, "decide", credential=Path(credential))
    lease = Lease(stream, host, SystemClock())
    await lease.acquire()
    print("held", flush=True)
    await lease.keep()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TTL_SECONDS", 2.0)
    monkeypatch.setattr(module, "SURE_SECONDS", 1.0)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)


def lease_of(stream: Stream, host: str = "here") -> Lease:
    return Lease(stream, host, SystemClock())


async def test_one_holds_it_and_the_other_waits(
    stream: Stream, server: EmbeddedServer, told: list[Any]
) -> None:
    first = lease_of(stream)
    await first.acquire()
    async with connected(server) as other:
        second = lease_of(other, "there")
        waiting = asyncio.ensure_future(second.acquire())
        async with running(first.keep()):
            await asyncio.sleep(2.5)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 10)
        with pytest.raises(LeaseLost):
            await first._renew()
    assert [note["event"] for note in told] == ["StandingBy"]


async def hold(server: EmbeddedServer, host: str) -> Any:
    return process(
        "-c",
        HOLD,
        server.url,
        str(server.credential),
        host,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


async def test_a_killed_holder_of_this_host_is_not_waited_for(stream: Stream, server: EmbeddedServer) -> None:
    with await hold(server, "here") as holder:
        assert await asyncio.to_thread(holder.stdout.readline) == b"held\n"
        waiting = asyncio.ensure_future(lease_of(stream).acquire())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        holder.kill()
        holder.wait()
        await asyncio.wait_for(waiting, 1.5)


async def test_a_killed_holder_of_another_host_is_waited_for_until_its_time_is_up(
    stream: Stream, server: EmbeddedServer
) -> None:
    await stream.put(
        "policy", module.KEY, msgspec.json.encode(Holder("there", 1, "boot", "n")), ttl_seconds=1
    )
    waiting = asyncio.ensure_future(lease_of(stream).acquire())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await asyncio.wait_for(waiting, 10)


async def test_a_holder_that_was_stopped_asks_before_it_acts(stream: Stream, server: EmbeddedServer) -> None:
    clock = ManualClock()
    stopped = Lease(stream, "here", clock)
    await stopped.acquire()
    await stopped.assure()
    successor = lease_of(stream, "there")
    await stream.delete("policy", module.KEY)
    await successor.acquire()
    await stopped.assure()
    clock.advance(5 * SECOND)
    with pytest.raises(LeaseLost):
        await stopped.assure()


async def test_assurance_is_renewed_while_nobody_else_came(stream: Stream) -> None:
    clock = ManualClock()
    lease = Lease(stream, "here", clock)
    await lease.acquire()
    before = lease._revision
    clock.advance(5 * SECOND)
    await lease.assure()
    assert lease._revision > before


async def test_a_renewal_whose_answer_was_lost_is_still_ours(stream: Stream) -> None:
    lease = lease_of(stream)
    await lease.acquire()
    await stream.put("policy", module.KEY, msgspec.json.encode(lease._holder), ttl_seconds=2)
    assert not await lease._renew()
    assert await lease._renew()


async def test_a_lost_stream_is_waited_for(stream: Stream, server: EmbeddedServer) -> None:
    lease = Lease(stream, "here", clock := ManualClock())
    await lease.acquire()
    kill(server)
    await until(lambda: not stream.client.is_connected)
    clock.advance(5 * SECOND)
    await asyncio.wait_for(lease.assure(), 15)


@pytest.mark.parametrize("value", [b"", b"nonsense", b"[" * 5_000, b'{"host": 1}'])
async def test_what_nobody_can_have_written_is_taken_over(stream: Stream, value: bytes) -> None:
    await stream.put("policy", module.KEY, value)
    await asyncio.wait_for(lease_of(stream).acquire(), 5)


async def test_another_process_with_our_number_is_not_us(stream: Stream) -> None:
    """Two containers on one host may well have the same process ids."""
    first, second = lease_of(stream), lease_of(stream, "there")
    await first.acquire()
    waiting = asyncio.ensure_future(second.acquire())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    waiting.cancel()
    assert first._holder.pid == second._holder.pid == os.getpid()
    assert first._holder.nonce != second._holder.nonce
