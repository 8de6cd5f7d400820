"""One decider at a time: a key with a time to live, renewed by compare-and-set. Others stand by.

Whoever holds it may act for :data:`TTL_SECONDS` after it was last renewed, by a clock that never jumps, and not a
moment longer: a process that was stopped in between asks again before it writes anything.
"""

import asyncio
import os
from pathlib import Path

import msgspec

from propolis.clock import SECOND, Clock
from propolis.errors import StreamError
from propolis.notes import StandingBy, tell
from propolis.stream import Refused, Stored, Stream, Unreachable, is_marker, subjects
from propolis.stream.client import RETRY_SECONDS

KEY = "decider"
TTL_SECONDS = 6.0
SURE_SECONDS = 4.0
"""How long after it was renewed nobody else can hold it: the time to live less what a write may take."""
RENEW_SECONDS = 2.0
POLL_SECONDS = 0.25


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lease. ``boot`` is this start of kernel and process-id namespace, ``nonce`` this very claim."""

    host: str
    pid: int
    boot: str
    nonce: str


class LeaseLost(StreamError):  # noqa: N818 - not a fault: somebody else decides now
    """Another decider holds the lease, or may have held it meanwhile: what we know may be out of date."""


class Lease:
    """The right to decide. :meth:`acquire` waits for it; :meth:`keep` renews it until it is lost."""

    def __init__(self, stream: Stream, host: str, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._holder = Holder(host, os.getpid(), _boot(), os.urandom(8).hex())
        self._revision = 0
        self._renewed = -(1 << 62)

    async def acquire(self) -> None:
        """Wait until nobody else holds it, and take it."""
        told = False
        while not await self._take():
            if not told:
                tell(StandingBy(stage="decide", why="another decider holds the lease"))
                told = True
            await asyncio.sleep(POLL_SECONDS)

    async def keep(self) -> None:
        """Renew until cancelled. Raises :class:`LeaseLost` when somebody else took it, or could have."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._renew()

    async def assure(self) -> None:
        """Return while we hold it for certain; waits for the stream if need be. Raises :class:`LeaseLost`."""
        while self._clock.monotonic() - self._renewed > SURE_SECONDS * SECOND:
            if not await self._renew():
                await asyncio.sleep(RETRY_SECONDS)

    async def _renew(self) -> bool:
        """Whether the stream took it."""
        try:
            await self._put(self._revision)
        except Unreachable:
            return False
        except Refused as refused:
            # our own earlier renewal may have been stored though its answer was lost
            stored = await self._look()
            if stored is None or self._read(stored) != self._holder:
                raise LeaseLost("another decider holds the lease") from refused
            self._revision = stored.sequence
            return False
        return True

    async def _take(self) -> bool:
        try:
            stored = await self._look()
            if stored is not None and not is_marker(stored.headers) and self._is_held(stored):
                return False
            await self._put(stored.sequence if stored else 0)
        except (Unreachable, Refused):
            return False
        return True

    async def _look(self) -> Stored | None:
        while True:
            try:
                return await self._stream.last(f"KV_{subjects.POLICY}", subjects.key(subjects.POLICY, KEY))
            except (Unreachable, Refused):
                await asyncio.sleep(RETRY_SECONDS)

    async def _put(self, last: int) -> None:
        asked = self._clock.monotonic()
        self._revision = await self._stream.put(
            subjects.POLICY, KEY, msgspec.json.encode(self._holder), ttl_seconds=TTL_SECONDS, last=last
        )
        self._renewed = asked

    def _is_held(self, stored: Stored) -> bool:
        """Whether somebody else who may still live holds it; a dead process of this very boot does not."""
        other = self._read(stored)
        if other is None or other == self._holder:
            return False
        if (other.host, other.boot) != (self._holder.host, self._holder.boot):
            return True
        return other.pid != self._holder.pid and Path(f"/proc/{other.pid}").exists()

    def _read(self, stored: Stored) -> Holder | None:
        try:
            return msgspec.json.decode(stored.data, type=Holder)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


def _boot() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
