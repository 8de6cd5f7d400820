"""A stream for the tests of the stage, the lease and the commands, and what was told meanwhile."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hive import connected, serving
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
