"""The lures of this installation, read when somebody looks: the same shelf as a sensor's, without its engine."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.console.board import Beat
from propolis.errors import StreamError
from propolis.flaws.file import Flaw, FlawError
from propolis.flaws.shelf import Live, Shelf
from propolis.flaws.standing import FIGURE, Played, standing_of
from propolis.notes import LureRefused, Note
from propolis.stream import Stream, subjects

FRESH_SECONDS = 2.0
"""Files and stream are looked at at most this often."""
MAX_REFUSED = 100


class Playing(msgspec.Struct, frozen=True):
    """What one sensor's port pretends to be; ``rotates``: until when, UTC nanoseconds, 0 for good."""

    sensor: str
    played: Played
    rotates: int


class Known:
    """``live``: every lure by id, as files and stream say. ``refused``: why, by id."""

    def __init__(self, config: Config, stream: Stream, clock: Clock) -> None:
        self._shelf = Shelf.of(config, _unproven)
        self._stream = stream
        self._clock = clock
        self._sequence = 0
        self._looked: int | None = None
        self._busy = asyncio.Lock()
        self.refused: dict[str, str] = {}

    @property
    def live(self) -> dict[str, Live]:
        """Do not change it."""
        return self._shelf.live

    async def refresh(self) -> None:
        """Look again if it is time to. A stream that is away, or a folder that is gone, leaves what is known."""
        now = self._clock.monotonic()
        if self._busy.locked() or (self._looked is not None and now - self._looked < FRESH_SECONDS * SECOND):
            return
        async with self._busy:
            self._looked = now
            try:
                self._learn(await asyncio.to_thread(self._shelf.look))
            except FlawError as error:
                self._learn([LureRefused(id="", why=str(error))])
            await self._read_stream()

    async def _read_stream(self) -> None:
        bucket, key = f"KV_{subjects.LURES}", subjects.key(subjects.LURES, f"{subjects.FLAW}*")
        try:
            history = self._stream.history(bucket, subject=key, start=self._sequence + 1)
            pushed = [stored async for stored in history]
        except StreamError:
            return  # the page says that the stream is lost
        if pushed:
            self._sequence = pushed[-1].sequence
            self._learn(await asyncio.to_thread(self._shelf.deliver, pushed))

    def _learn(self, notes: Iterable[Note]) -> None:
        for note in notes:
            name: str = getattr(note, "id", "")
            self.refused.pop(name, None)
            if isinstance(note, LureRefused):
                self.refused[name] = note.why
        while len(self.refused) > MAX_REFUSED:
            del self.refused[next(iter(self.refused))]


def hits(beats: Iterable[Beat], figure: str = FIGURE) -> dict[str, int]:
    """Requests recognised by all sensors together since they began, by lure; or findings of detectors, by rule."""
    total: dict[str, int] = {}
    for beat in beats:
        standing = standing_of(beat.heartbeat.figures, figure)
        for name, count in standing.hits.items() if standing else ():
            total[name] = total.get(name, 0) + count
    return total


def playing(sensors: Iterable[Beat]) -> tuple[Playing, ...]:
    """What every sensor pretends to run; its workers all play the same."""
    found: dict[tuple[str, int], Playing] = {}
    for beat in sensors:
        sensor = beat.heartbeat.name.rpartition(".")[0]
        standing = standing_of(beat.heartbeat.figures)
        for played in standing.cast if standing else ():
            found[sensor, played.port] = Playing(sensor, played, standing.rotates if standing else 0)
    return tuple(found[key] for key in sorted(found))


def refusals(beats: Iterable[Beat], figure: str = FIGURE) -> dict[str, str]:
    """What sensors refuse, by lure, and why; or detectors, by rule."""
    return {
        name: f"{beat.heartbeat.name}: {why}"
        for beat in beats
        if (standing := standing_of(beat.heartbeat.figures, figure))
        for name, why in standing.refused.items()
    }


def summary(lure: Live, count: int) -> dict[str, Any]:
    """A lure as the API lists it."""
    flaw = lure.flaw
    return {
        "id": flaw.id,
        "name": flaw.name,
        "cve": flaw.cve,
        "kind": flaw.kind,
        "severity": flaw.severity,
        "product": flaw.product,
        "server": flaw.server,
        "ports": flaw.ports,
        "source": flaw.source,
        "origin": lure.origin,
        "version": lure.version,
        "hits": count,
    }


def _unproven(_flaw: Flaw, _text: str, _file: str) -> None:
    """Whether it keeps its promises the sensors say, which :func:`refusals` repeats."""
