"""A stream for every test, and a running sensor with two lures."""

from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hive import config_of, connected, free_port, is_listening, running, serving, until
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.lures.catalogue import CATALOGUE
from propolis.sensors import worker
from propolis.stream import EmbeddedServer, Stream


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with serving(tmp_path / "stream") as server:
        yield server


@pytest_asyncio.fixture
async def stream(server: EmbeddedServer) -> AsyncIterator[Stream]:
    async with connected(server) as stream:
        yield stream


@pytest.fixture
def told() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as notes:
        yield notes


Sensor = Callable[..., AbstractAsyncContextManager[Config]]


@pytest.fixture
def sensor(tmp_path: Path, server: EmbeddedServer) -> Sensor:
    """``sensor("idle_seconds = 1")``: one that listens while the context lasts; gives its configuration."""

    @asynccontextmanager
    async def start(settings: str = "") -> AsyncIterator[Config]:
        text = f"""
[sensors]
name = "edge"
{settings}
[lures.http]
ports = [{free_port()}]
addresses = ["127.0.0.1"]
[lures.tcp]
ports = [{free_port()}]
addresses = ["127.0.0.1"]
"""
        config = config_of(tmp_path, server, text)
        async with running(worker.run(config, 0, SystemClock(), CATALOGUE)) as tasks:
            await until(lambda: tasks[0].done() or is_listening(config.lures["tcp"].ports[0]))
            if tasks[0].done():
                tasks[0].result()
            yield config

    return start
