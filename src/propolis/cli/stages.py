"""Commands that run a stage, for a spread-out installation. ``propolis up`` runs them all."""

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from cyclopts import Parameter

from propolis import app as wiring
from propolis.cli.settings import DEFAULT_CONFIG, ConfigPath, configured
from propolis.config import Config
from propolis.supervisor import SUPERVISED

Worker = Annotated[int, Parameter(help="Number of this worker, from 0.")]


def sensor(*, worker: Worker = 0, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Listen as decoys and report what happens."""
    settings = configured(config)
    _run("sensor", settings, lambda: wiring.sensor(settings, worker))


def detect(*, worker: Worker = 0, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Judge events; workers share the lanes."""
    settings = configured(config)
    _run("detect", settings, lambda: wiring.detect(settings, worker))


def decide(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Turn findings into decisions; a second one stands by."""
    settings = configured(config)
    _run("decide", settings, lambda: wiring.decide(settings))


def enforce(
    name: Annotated[str, Parameter(help="Which one: nftables, file, dry-run.")],
    /,
    *,
    alias: Annotated[str, Parameter(help="Carry out only decisions made for this name.", show=False)] = "",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Carry decisions out on this host, read them back, and acknowledge.

    On another host it needs two settings: stream.url, and stream.credentials (a file from `propolis credential`).
    """
    settings = configured(config)
    _run(f"enforce {alias or name}", settings, lambda: wiring.enforce(settings, name, alias=alias))


def archive(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Write every event to the lake."""
    settings = configured(config)
    _run("archive", settings, lambda: wiring.archive(settings))


def console(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Serve the console and the API. The first start prints the first password."""
    settings = configured(config)
    if not os.environ.get(SUPERVISED):
        from propolis.console import first_password  # noqa: PLC0415 - only here; a stage loads only what it needs

        password = first_password(settings.state)
        if password:
            sys.stdout.write(f"first password of the console: {password}\n")
    _run("console", settings, lambda: wiring.console(settings))


def _run(name: str, settings: Config, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    sys.exit(wiring.run_stage(name, settings, work))
