"""``lures push`` and ``lures rollback``: a signed lure to every sensor, and how long that took.

Rules are published the same way, to every detector (:mod:`propolis.cli.promote`).
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import Parameter
from rich.text import Text

from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, connected, err, out
from propolis.cli.lures import progress_bar, read_good, standings
from propolis.clock import SECOND, Clock, SystemClock
from propolis.config import Config
from propolis.errors import CodecError, PropolisError
from propolis.flaws import signature
from propolis.flaws.publish import Published, Publisher
from propolis.flaws.signature import LURE, Cargo
from propolis.flaws.standing import FIGURE, Standing, standing_of
from propolis.stream import Pull, Stream, is_marker, subjects
from propolis.stream.heartbeat import decode

LIVE_SECONDS = 30.0
"""Patience for those concerned to say that they have dealt with what was pushed."""


class Audience(msgspec.Struct, frozen=True):
    """Whom a cargo is for: the ``stage`` whose heartbeats say in this ``figure`` that they have it."""

    cargo: Cargo
    stage: str
    figure: str


SENSORS = Audience(LURE, "sensor", FIGURE)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a push: seconds until each worker had it, why some refused, and who did not answer."""

    took_seconds: dict[str, float]
    refused: dict[str, dict[str, str]]
    silent: tuple[str, ...]


def push(
    *files: Annotated[Path, Parameter(help="Lure files, or folders of them.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Sign lures, push them to every sensor, and wait until each says that they are live.

    The files' own tests run first; if one fails nothing is pushed.
    """
    texts = read_good(files)

    async def work(publisher: Publisher) -> list[Published]:
        with progress_bar() as progress:
            return [
                await publisher.push(name, text)
                for name, text in progress.track(texts.items(), description="pushing")
            ]

    publish(configured(config), work, SENSORS)


def rollback(
    *ids: Annotated[str, Parameter(help="Lures.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Undo the newest push of lures: what was before comes back, or what the files say."""
    if not ids:
        raise PropolisError("no lure was named; see `propolis lures list`")

    async def work(publisher: Publisher) -> list[Published]:
        return [await publisher.roll_back(name) for name in ids]

    publish(configured(config), work, SENSORS)


def publish(
    config: Config, work: Callable[[Publisher], Awaitable[list[Published]]], audience: Audience
) -> None:
    """Let ``work`` publish, wait for the audience and print what became of it. Raises :class:`PropolisError`."""
    private = signature.read_key(signature.ensure_own_key(config))
    trusted = {*signature.trusted_keys(config), signature.public_text(private)}
    clock = SystemClock()

    async def job() -> tuple[list[Published], Outcome]:
        async with connected(config) as stream:
            workers = list(await standings(stream, audience.stage, audience.figure))
            began = clock.monotonic()
            published = await work(Publisher(stream, private, tuple(trusted), clock, audience.cargo))
            with err.status(f"waiting for every {audience.stage} …"):
                return published, await await_live(
                    stream, published, workers, began, clock, audience=audience
                )

    published, outcome = uvloop.run(job())
    _print(published, outcome, audience.stage)


async def await_live(
    stream: Stream,
    published: Sequence[Published],
    workers: Collection[str],
    began: int,
    clock: Clock,
    *,
    audience: Audience = SENSORS,
) -> Outcome:
    """Follow heartbeats until every one of ``workers`` has dealt with all of it; ``began`` is monotonic nanoseconds."""
    wanted = max(one.sequence for one in published)
    ids = {one.envelope.id for one in published}
    took: dict[str, float] = {}
    refused: dict[str, dict[str, str]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIVE_SECONDS), contextlib.aclosing(_heard(stream, audience)) as heard:
            while not took.keys() >= set(workers):
                name, standing = await anext(heard)
                if standing.sequence < wanted or name in took:
                    continue
                took[name] = (clock.monotonic() - began) / SECOND
                if bad := {lure: why for lure, why in standing.refused.items() if lure in ids}:
                    refused[name] = bad
    return Outcome(took, refused, tuple(sorted(set(workers) - took.keys())))


async def _heard(stream: Stream, audience: Audience) -> AsyncGenerator[tuple[str, Standing], None]:
    """What workers say of their lures or rules: their last word, and every one that comes."""
    key = subjects.key(subjects.SENSORS, f"{audience.stage}.>")
    pull = await Pull.ephemeral(
        stream,
        f"KV_{subjects.SENSORS}",
        {"deliver_policy": "last_per_subject", "filter_subject": key},
    )
    async with contextlib.aclosing(pull):
        while True:
            for delivery in await pull.next():
                if is_marker(delivery.headers):
                    continue
                with contextlib.suppress(CodecError):  # the console tells of those
                    beat = decode(delivery)
                    if (standing := standing_of(beat.figures, audience.figure)) is not None:
                        yield beat.name, standing


def _print(published: Sequence[Published], outcome: Outcome, stage: str) -> None:
    """One line an id and a worker. Exits with 1 when a worker refused one, or said nothing."""
    for one in published:
        envelope = one.envelope
        what = (
            "withdrawn"
            if not envelope.text
            else f"again version {envelope.repeats}"
            if envelope.repeats
            else "new"
        )
        out.print(f"{envelope.id} version {envelope.version}: {what}", highlight=False)
    for name, seconds in sorted(outcome.took_seconds.items()):
        bad = outcome.refused.get(name, {})
        verdict = f"refused {len(bad)}" if bad else "live"
        out.print(f"  {name}  {verdict} after {seconds * 1_000:.0f} ms", highlight=False)
        for lure, why in bad.items():
            out.print(Text(f"    {lure}: {why}"), highlight=False)
    for name in outcome.silent:
        out.print(f"  {name}  said nothing in {LIVE_SECONDS:.0f} s; see its log", highlight=False)
    if not outcome.took_seconds and not outcome.silent:
        out.print(f"  No {stage} is heard; it is live when one starts.")
    if outcome.refused or outcome.silent:
        sys.exit(1)
