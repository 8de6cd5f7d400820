"""One decider at a time: a key with a time to live, renewed by compare-and-set. Others stand by."""

import asyncio
import os
from pathlib import Path

import msgspec

from propolis.errors import StreamError
from propolis.notes import StandingBy, tell
from propolis.stream import Refused, Stored, Stream, Unreachable, is_marker, subjects

KEY = "decider"
TTL_SECONDS = 6.0
RENEW_SECONDS = 2.0
POLL_SECONDS = 0.25


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lease."""

    host: str
    pid: int
    boot: str


class Lease:
    """The right to decide. :meth:`acquire` waits for it; :meth:`keep` renews it until it is lost."""

    def __init__(self, stream: Stream, host: str) -> None:
        self._stream = stream
        self._holder = Holder(host, os.getpid(), Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        self._revision = 0

    async def acquire(self) -> None:
        """Wait until nobody else holds it, and take it."""
        told = False
        while not await self._take():
            if not told:
                tell(StandingBy(stage="decide", why="another decider holds the lease"))
                told = True
            await asyncio.sleep(POLL_SECONDS)

    async def keep(self) -> None:
        """Renew until cancelled. Raises :class:`StreamError` when somebody else took it."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                self._revision = await self._put(self._revision)
            except Unreachable:
                continue
            except Refused as refused:
                if not await self._take():
                    raise StreamError("another decider took the lease; this one stands by") from refused

    async def _take(self) -> bool:
        try:
            stored = await self._stream.last(f"KV_{subjects.POLICY}", subjects.key(subjects.POLICY, KEY))
            if stored is not None and not is_marker(stored.headers) and self._is_held(stored):
                return False
            self._revision = await self._put(stored.sequence if stored else 0)
        except (Unreachable, Refused):
            return False
        return True

    async def _put(self, last: int) -> int:
        return await self._stream.put(
            subjects.POLICY, KEY, msgspec.json.encode(self._holder), ttl_seconds=TTL_SECONDS, last=last
        )

    def _is_held(self, stored: Stored) -> bool:
        """Whether somebody else who may still live holds it; a dead process of this very boot does not."""
        try:
            other = msgspec.json.decode(stored.data, type=Holder)
        except msgspec.MsgspecError:
            return True
        if other == self._holder:
            return False
        if (other.host, other.boot) != (self._holder.host, self._holder.boot):
            return True
        return Path(f"/proc/{other.pid}").exists()
