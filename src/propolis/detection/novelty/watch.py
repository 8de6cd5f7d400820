"""Novelty beside the archive: it sees every batch, keeps its checkpoint, and publishes the queue for people."""

import asyncio
import contextlib
from pathlib import Path

import pyarrow as pa

from propolis.clock import Clock
from propolis.detection.novelty import novel
from propolis.detection.novelty.novelty import Novelty
from propolis.errors import CodecError
from propolis.notes import BadMessage, LimitHit, tell
from propolis.stream import Refused, Stream, Unreachable, subjects

FILE = "novelty.bin"
"""Below ``host.state``; it holds what attackers sent, so nobody but its owner may read it."""
PUBLISH_SECONDS = 5.0


class Watch:
    """An onlooker of the archive. ``state`` is the folder of everything that is kept.

    A crash loses at most what came since the lake was last flushed; sources are counted when they come again.
    """

    def __init__(self, state: Path, clock: Clock) -> None:
        self._path = state / FILE
        self._clock = clock
        self._novelty = _load(self._path)
        self._changed = False

    def begin(self, created: str) -> None:
        """The batches of the stream come from now on."""
        self._novelty.begin(created)

    def take(self, sequence: int, batch: pa.RecordBatch) -> None:
        """One batch of any event class, in order."""
        self._novelty.take(sequence, batch)
        self._changed = True

    async def keep(self) -> None:
        """Write the checkpoint; a disk that is full leaves the last one, and the archive tells of it."""
        data = self._novelty.to_bytes()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(_write, self._path, data)

    async def run(self, stream: Stream) -> None:
        """Publish the queue every :data:`PUBLISH_SECONDS` if anything came, until cancelled."""
        while True:
            if self._changed:
                self._changed = not await self._publish(stream)
            if missed := self._novelty.take_missed():
                cost = f"{missed} texts not looked at for what is new in them"
                tell(LimitHit(stage="archive", limit="MAX_FRESH", cost=cost))
            await asyncio.sleep(PUBLISH_SECONDS)

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
