"""The archive as a stage: the events stream in, the lake out. The lake knows how far it got; nothing else needs to."""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pyarrow as pa

from propolis.clock import Clock
from propolis.config import Config
from propolis.errors import CodecError
from propolis.events.interaction import decode
from propolis.hunting.archive import Archive
from propolis.hunting.compact import compact
from propolis.hunting.expire import expire
from propolis.notes import BadMessage, EventsMissed, StageStarted, tell
from propolis.stream import (
    Pull,
    Pulse,
    Refused,
    Stream,
    Unreachable,
    address_of,
    connect,
    provision,
    start_at,
    subjects,
)
from propolis.stream.client import RETRY_SECONDS

FLUSH_CHECK_SECONDS = 0.5
UPKEEP_SECONDS = 300.0


class Onlooker(Protocol):
    """Looks at every batch that the archive takes: the one place that sees all lanes, off the way to a defence."""

    def begin(self, created: str) -> None:
        """The stream's batches come from now on; ``created`` is any text that changes when it is made anew."""
        ...

    def take(self, sequence: int, batch: pa.RecordBatch) -> None:
        """One batch, in order; one that came before, after a restart, comes again."""
        ...

    async def keep(self) -> None:
        """Write down what was taken: the lake is about to be flushed, and what is in it does not come again."""
        ...

    async def run(self, stream: Stream) -> None:
        """What it does beside, until cancelled."""
        ...


async def run(config: Config, clock: Clock, onlookers: Sequence[Onlooker] = ()) -> None:
    """Archive, until cancelled."""
    address = address_of(config)
    stream = await connect(address.url, "archive", credential=address.credential)
    archive = Archive(config.state / config.lake.path, config.lake, clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        await provision(stream, config.stream)
        info = await stream.api(f"STREAM.INFO.{subjects.EVENTS}")
        committed = await asyncio.to_thread(archive.recover, info["created"])
        stack.callback(archive.close)
        stack.push_async_callback(_store, archive, onlookers)
        for onlooker in onlookers:
            onlooker.begin(info["created"])
        first = info["state"]["first_seq"]
        if first > committed + 1:
            tell(EventsMissed(first=committed + 1, last=first - 1))
        pulse = Pulse(
            stream,
            clock,
            stage="archive",
            name=config.host_name,
            host=config.host_name,
            figures=lambda: _figures(archive),
        )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for work in (
            _take(stream, archive, committed, onlookers),
            _flush(archive, onlookers),
            _upkeep(archive, config, clock),
            pulse.run(),
            *(onlooker.run(stream) for onlooker in onlookers),
        ):
            tasks.create_task(work)
        tell(StageStarted(stage="archive", detail=f"after sequence {committed}"))
        await asyncio.Event().wait()


async def _open(stream: Stream, committed: int) -> Pull:
    while True:
        try:
            return await Pull.ephemeral(
                stream, subjects.EVENTS, {"filter_subject": "events.>", **start_at(committed + 1)}
            )
        except (Unreachable, Refused) as error:
            stream.trouble(str(error))
            await asyncio.sleep(RETRY_SECONDS)


async def _take(stream: Stream, archive: Archive, committed: int, onlookers: Sequence[Onlooker]) -> None:
    expected = committed + 1
    async with contextlib.aclosing(await _open(stream, committed)) as pull:
        while True:
            for delivery in await pull.next():
                if delivery.sequence > expected > committed + 1:
                    tell(EventsMissed(first=expected, last=delivery.sequence - 1))
                expected = delivery.sequence + 1
                try:
                    batch = decode(delivery.data)
                except CodecError as error:
                    tell(
                        BadMessage(
                            stage="archive",
                            subject=delivery.subject,
                            sequence=delivery.sequence,
                            why=str(error),
                        )
                    )
                    continue
                event_class = delivery.subject.split(".")[1]
                while not archive.add(event_class, delivery.sequence, batch):  # noqa: ASYNC110 - waits for the disk
                    await asyncio.sleep(FLUSH_CHECK_SECONDS)
                for onlooker in onlookers:
                    onlooker.take(delivery.sequence, batch)


async def _flush(archive: Archive, onlookers: Sequence[Onlooker]) -> None:
    while True:
        await asyncio.sleep(FLUSH_CHECK_SECONDS)
        if archive.due():
            await _store(archive, onlookers)


async def _store(archive: Archive, onlookers: Sequence[Onlooker]) -> None:
    for onlooker in onlookers:
        await onlooker.keep()
    await asyncio.to_thread(archive.flush)


async def _upkeep(archive: Archive, config: Config, clock: Clock) -> None:
    while True:
        await asyncio.sleep(UPKEEP_SECONDS)
        await asyncio.to_thread(compact, archive.lake, clock.now())
        await asyncio.to_thread(expire, archive.lake, config.lake, clock.now())


def _figures(archive: Archive) -> dict[str, Any]:
    return {"committed": archive.committed, "waiting_rows": archive.waiting_rows}
