"""Wiring: which stage runs what. Nothing else knows all of them."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any

import uvloop

from propolis import notes
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.errors import ConfigError, PropolisError
from propolis.notes import StageFailed, StageStopped, tell

GC_THRESHOLD = 20_000
"""Objects made before the collector looks for cycles: its pauses are somebody's time to defence."""


def sensor(config: Config, index: int) -> Coroutine[Any, Any, None]:
    """One sensor worker."""
    from propolis.lures.catalogue import CATALOGUE  # noqa: PLC0415 - a stage loads only what it needs
    from propolis.sensors import worker  # noqa: PLC0415 - the same

    check_names(config, "lures", config.lures, {lure.name for lure in CATALOGUE})
    siblings = workers_of(config, os.cpu_count() or 1)
    return worker.run(config, index, SystemClock(), CATALOGUE, siblings=siblings)


def detect(config: Config, index: int) -> Coroutine[Any, Any, None]:
    """One detection worker."""
    from propolis.detection import stage  # noqa: PLC0415 - a stage loads only what it needs

    return stage.run(config, index, SystemClock())


def decide(config: Config) -> Coroutine[Any, Any, None]:
    """The decider."""
    from propolis.decisions import stage  # noqa: PLC0415 - a stage loads only what it needs

    return stage.run(config, SystemClock())


def enforce(config: Config, name: str, *, alias: str = "") -> Coroutine[Any, Any, None]:
    """One enforcer of this host."""
    from propolis import enforcers  # noqa: PLC0415 - a stage loads only what it needs
    from propolis.enforcers import stage  # noqa: PLC0415 - the same

    clock = SystemClock()
    check_names(config, f"enforce {name}", (name,), enforcers.CATALOGUE)
    enforcer = enforcers.CATALOGUE[name](config.enforcers, clock, config.state)
    return stage.run(config, enforcer, clock, alias=alias)


def archive(config: Config) -> Coroutine[Any, Any, None]:
    """The archive, and beside it what notices that something is new and spreads."""
    from propolis.detection.novelty.watch import Watch  # noqa: PLC0415 - a stage loads only what it needs
    from propolis.hunting import stage  # noqa: PLC0415 - the same

    clock = SystemClock()
    return stage.run(config, clock, (Watch(config.state, clock),))


def console(config: Config) -> Coroutine[Any, Any, None]:
    """The console and the API."""
    from propolis.console import stage  # noqa: PLC0415 - a stage loads only what it needs

    return stage.run(config, SystemClock())


def check_catalogues(config: Config) -> None:
    """Raise :class:`~propolis.errors.ConfigError` for a lure or an enforcer that no catalogue has."""
    from propolis import enforcers  # noqa: PLC0415 - a stage loads only what it needs
    from propolis.lures.catalogue import CATALOGUE  # noqa: PLC0415 - the same

    check_names(config, "lures", config.lures, {lure.name for lure in CATALOGUE})
    check_names(config, "enforcers.run", config.enforcers.run, enforcers.CATALOGUE)


def check_names(config: Config, key: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise :class:`~propolis.errors.ConfigError` for the first of ``names`` that is not ``known``."""
    for name in names:
        if name not in known:
            raise ConfigError(config.path, key, f"there is no {name!r}; choose of {', '.join(sorted(known))}")


def run_stage(name: str, config: Config, work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run one stage in this process until a signal; the exit code: 0 as told, 2 an operator's mistake, 1 a fault."""
    notes.open_log(json=config.host.log_json)
    try:
        stage = work()
        # what is loaded by now lives as long as the process: the collector need not look at it again
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        uvloop.run(until_signal(stage))
    except PropolisError as error:
        tell(StageFailed(stage=name, why=str(error), again_in_seconds=0))
        return 2
    except BaseExceptionGroup as group:
        mistakes, faults = group.split(PropolisError)
        if faults is not None:
            raise
        tell(StageFailed(stage=name, why="; ".join(str(e) for e in leaves(mistakes)), again_in_seconds=0))
        return 2
    tell(StageStopped(stage=name))
    return 0


def leaves(group: BaseException | None) -> list[BaseException]:
    """The exceptions inside nested groups."""
    if group is None:
        return []
    if isinstance(group, BaseExceptionGroup):
        return [leaf for inner in group.exceptions for leaf in leaves(inner)]
    return [group]


async def until_signal(work: Awaitable[None]) -> None:
    """Run until it ends, or until SIGTERM or SIGINT, which cancels it and lets it clean up."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def workers_of(config: Config, cores: int) -> int:
    """How many sensor workers: as configured, or one for every two cores."""
    return config.sensors.workers or max(1, cores // 2)
