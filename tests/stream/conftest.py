"""A stream for every test, what was told meanwhile, and a cluster of three servers."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hive import connected, free_port, serving
from propolis.stream import DIE_WITH_US, EmbeddedServer, Stream
from propolis.stream.server import server_binary


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
    """Every note since, as a dictionary whose ``event`` is the note's class."""
    with capture_logs() as notes:
        yield notes


class Cluster:
    """Three servers on loopback that replicate among themselves, as somebody else would run them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = [(free_port(), free_port()) for _ in range(3)]
        self._ports = ports
        self._nodes: list[subprocess.Popen[bytes] | None] = [None] * 3
        self.url = ",".join(f"nats://127.0.0.1:{client}" for client, _ in ports)

    def start(self, index: int) -> None:
        folder = self._folder / str(index)
        folder.mkdir(parents=True, exist_ok=True)
        client, route = self._ports[index]
        config = {
            "server_name": f"node-{index}",
            "listen": f"127.0.0.1:{client}",
            "jetstream": {"store_dir": str(folder), "sync_interval": "always"},
            "cluster": {
                "name": "hive",
                "listen": f"127.0.0.1:{route}",
                "routes": [f"nats://127.0.0.1:{other}" for _, other in self._ports],
            },
        }
        path = folder / "node.conf"
        path.write_text(json.dumps(config))
        with (folder / "node.log").open("ab") as log:
            self._nodes[index] = subprocess.Popen(
                [*DIE_WITH_US, server_binary(), "-c", str(path)], stdout=log, stderr=log
            )

    def kill(self, index: int) -> None:
        node = self._nodes[index]
        assert node is not None
        node.kill()
        node.wait()

    def stop(self) -> None:
        for node in self._nodes:
            if node is not None:
                node.kill()
                node.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path / "cluster")
    for index in range(3):
        cluster.start(index)
    yield cluster
    cluster.stop()


class Relay:
    """A TCP link between client and server that can lose what is on it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.swallow = False

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._on_client, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self) -> None:
        """Break every link at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, far_writer}
        for pump in (self._pump(reader, far_writer, down=False), self._pump(far_reader, writer, down=True)):
            task = asyncio.ensure_future(pump)
            self._links.add(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool) -> None:
        try:
            while data := await reader.read(65_536):
                if not (down and self.swallow):
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        writer.close()


@pytest_asyncio.fixture
async def relay(server: EmbeddedServer) -> AsyncIterator[Relay]:
    relay = Relay(server.port)
    await relay.open()
    yield relay
    await relay.close()
