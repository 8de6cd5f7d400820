"""Novelty beside the archive: it sees every batch, keeps its checkpoint, and publishes the queue for people."""

import asyncio
import contextlib
from pathlib import Path

import pyarrow as pa

from propolis.clock import Clock
from propolis.detection.novelty import novel
from propolis.detection.novelty.novelty import COLUMNS, Novelty
from propolis.errors import CodecError
from propolis.events.interaction import SCHEMA
from propolis.notes import BadMessage, LimitHit, tell
from propolis.stream import Refused, Stream, Unreachable, subjects

FILE = "novelty.bin"
"""Below ``host.state``; it holds what attackers sent, so nobody but its owner may read it."""
PUBLISH_SECONDS = 5.0
GATHER_ROWS = 4_096
"""Small batches are looked at together: the more rows at once, the fewer texts, and the less a row costs."""
GATHER_BYTES = 8_000_000


class Watch:
    """An onlooker of the archive. ``state`` is the folder of everything that is kept.

    A crash loses at most what came since the lake was last flushed; sources are counted when they come again.
    """

    def __init__(self, state: Path, clock: Clock) -> None:
        self._path = state / FILE
        self._clock = clock
        self._novelty = _load(self._path)
        self._changed = False
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = self._sequence = 0

    def begin(self, created: str) -> None:
        """The batches of the stream come from now on."""
        self._look()
        self._novelty.begin(created)
        self._sequence = self._novelty.sequence

    def take(self, sequence: int, batch: pa.RecordBatch) -> None:
        """One batch of any event class, in order. Looked at with others before the queue is published."""
        if sequence <= self._sequence or batch.schema.names != SCHEMA.names:
            return
        batch = batch.select(COLUMNS)
        if self._held and not batch.schema.equals(self._held[0].schema):
            self._look()
        self._held.append(batch)
        self._sequence = sequence
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GATHER_ROWS or self._bytes >= GATHER_BYTES:
            self._look()

    async def keep(self) -> None:
        """Write the checkpoint; a disk that is full leaves the last one, and the archive tells of it."""
        self._look()
        data = self._novelty.to_bytes()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_write, self._path, data)

    async def run(self, stream: Stream) -> None:
        """Publish the queue every :data:`PUBLISH_SECONDS` if anything came, until cancelled."""
        while True:
            self._look()
            if self._changed:
                self._changed = not await self._publish(stream)
            if missed := self._novelty.take_missed():
                cost = f"{missed} texts not looked at for what is new in them"
                tell(LimitHit(stage="archive", limit="MAX_FRESH", cost=cost))
            await asyncio.sleep(PUBLISH_SECONDS)

    def _look(self) -> None:
        if not self._held:
            return
        self._novelty.take(self._sequence, pa.concat_batches(self._held))
        self._held.clear()
        self._rows = self._bytes = 0
        self._changed = True

    async def _publish(self, stream: Stream) -> bool:
        queue = self._novelty.queue(self._clock.now())
        try:
            await stream.put(subjects.NOVEL, subjects.QUEUE, novel.encode(queue))
        except (Unreachable, Refused):
            return False  # the archive says that the stream is lost; the next round tries again
        return True


def _load(path: Path) -> Novelty:
    try:
        return Novelty.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return Novelty()
    except (CodecError, OSError) as error:
        tell(BadMessage(stage="archive", subject=str(path), sequence=0, why=str(error)))
        return Novelty()


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)
