"""Signs of life: every stage writes one key with a time to live; a key that is gone is a stage that is gone.

The write doubles as a measurement of this host's clock against the stream's (Cristian 1989): the server's time of the
write, taken to be at the middle of the round trip, is off by at most half of it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import msgspec
import psutil

from propolis.clock import Clock
from propolis.errors import CodecError, StreamError
from propolis.notes import counts
from propolis.stream.client import Refused, Stored, Stream, Unreachable
from propolis.stream.subjects import SENSORS
from propolis.stream.subjects import key as key_of

EVERY_SECONDS = 3.0
LEAVE_SECONDS = 0.5
TTL_SECONDS = 10.0


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage says of itself. Times UTC nanoseconds; ``figures`` are the stage's own counters.

    ``clock_offset`` is what must be added to this host's time to get the stream's, ``clock_error`` its bound (both ns).
    """

    stage: str
    name: str
    host: str
    pid: int
    started: int
    time: int
    rss_bytes: int
    clock_offset: int
    clock_error: int
    notes: dict[str, int]
    figures: dict[str, Any]


_DECODER = msgspec.json.Decoder(Heartbeat)


def decode(stored: Stored) -> Heartbeat:
    """A heartbeat from its key. Raises :class:`~propolis.errors.CodecError`, also for one under somebody else's key."""
    try:
        beat = _DECODER.decode(stored.data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError("heartbeat", stored.subject, str(error)) from error
    if stored.subject != key_of(SENSORS, f"{beat.stage}.{beat.name}"):
        raise CodecError("heartbeat", stored.subject, f"says it is {beat.stage}.{beat.name}")
    return beat


class Pulse:
    """Beats for one stage. ``figures`` is asked at each beat; :attr:`offset` and :attr:`error` are kept current."""

    def __init__(
        self,
        stream: Stream,
        clock: Clock,
        *,
        stage: str,
        name: str,
        host: str,
        figures: Callable[[], dict[str, Any]],
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._stage = stage
        self._name = name
        self._host = host
        self._figures = figures
        self._started = clock.now()
        self._soon = asyncio.Event()
        self.offset = 0
        self.error = 0

    def soon(self) -> None:
        """Beat now: something happened that somebody waits for."""
        self._soon.set()

    async def run(self) -> None:
        """Beat until cancelled, then take the key away: who leaves in order is not missed. Survives a lost stream."""
        key = f"{self._stage}.{self._name}"
        try:
            while True:
                self._soon.clear()
                with contextlib.suppress(Refused, Unreachable):  # the connection tells of itself
                    await self._beat(key)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._soon.wait()
        finally:
            with contextlib.suppress(StreamError, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._stream.delete(SENSORS, key)

    async def _beat(self, key: str) -> None:
        beat = Heartbeat(
            stage=self._stage,
            name=self._name,
            host=self._host,
            pid=os.getpid(),
            started=self._started,
            time=self._clock.now(),
            rss_bytes=psutil.Process().memory_info().rss,
            clock_offset=self.offset,
            clock_error=self.error,
            notes=dict(counts),
            figures=self._figures(),
        )
        before = self._clock.now()
        start = self._clock.monotonic()
        await self._stream.put(SENSORS, key, msgspec.json.encode(beat), ttl_seconds=TTL_SECONDS)
        trip = self._clock.monotonic() - start
        stored = await self._stream.last(f"KV_{SENSORS}", f"$KV.{SENSORS}.{key}")
        if stored is not None and (self.error == 0 or trip // 2 <= self.error * 2):
            self.offset = stored.time - (before + trip // 2)
            self.error = max(1, trip // 2)
