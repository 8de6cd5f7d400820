"""A stream of one's own for every test: the real server on a free port and a folder that goes with the test."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from propolis.clock import SystemClock
from propolis.config import Config, parse
from propolis.config import Stream as Settings
from propolis.events import interaction
from propolis.stream import EmbeddedServer, Stream, connect, provision

SECONDS = 30.0
SETTINGS = Settings(max_bytes=256_000_000)
ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A TCP port that nobody has on any address, below those that the kernel gives to outgoing connections."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(10_240, 32_000)
        with (
            contextlib.suppress(OSError),
            socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True),
        ):
            return port


async def until(
    condition: Callable[[], object] | Callable[[], Awaitable[object]], seconds: float = SECONDS
) -> None:
    """Wait until it holds; a test that waits in vain says so."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(folder: Path, *, settings: Settings | None = SETTINGS) -> AsyncIterator[EmbeddedServer]:
    """A running, watched server, provisioned unless ``settings`` is None."""
    server = EmbeddedServer(folder, ("127.0.0.1", free_port()), SystemClock())
    await server.start()
    watching = asyncio.ensure_future(server.watch())
    try:
        if settings is not None:
            async with connected(server) as stream:
                await provision(stream, settings)
        yield server
    finally:
        await server.stop()
        await watching


@asynccontextmanager
async def connected(
    server: EmbeddedServer, credential: Path | None = None, stage: str = "test"
) -> AsyncIterator[Stream]:
    stream = await connect(server.url, stage, credential=credential or server.credential)
    try:
        yield stream
    finally:
        await stream.close()


@contextlib.asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[list["asyncio.Future[None]"]]:
    """Tasks beside the test; one that ends by itself with an error fails it."""
    tasks = [asyncio.ensure_future(job) for job in work]
    try:
        yield tasks
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def kill(server: EmbeddedServer) -> int:
    """SIGKILL the server; returns the process id it had."""
    pid = server.pid
    assert pid is not None
    with contextlib.suppress(ProcessLookupError):  # it was, and asyncio has not noticed yet
        os.kill(pid, signal.SIGKILL)
    return pid


@contextmanager
def process(*arguments: str, **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python process of ours that is gone when the test is."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))},
        **options,  # type: ignore[call-overload]
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()
        if started.stdout:
            started.stdout.close()


def config_of(folder: Path, server: EmbeddedServer | None = None, text: str = "") -> Config:
    """A configuration in ``folder`` that finds this server."""
    stream = ""
    if server is not None:
        stream = f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\n'
        stream += f"max_bytes = {SETTINGS.max_bytes}\n"
    return parse((stream + text).encode(), folder / "propolis.toml")


async def rows_of(stream: Stream, kind: str = "") -> list[dict[str, Any]]:
    """What sensors reported, oldest first, as dictionaries; ``kind`` selects one class of event."""
    rows: list[dict[str, Any]] = []
    async for stored in stream.history("EVENTS"):
        batch = interaction.decode(stored.data)
        columns = [
            column.cast("int64") if name in {"time", "opened"} else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        rows += pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()
    return [row for row in rows if kind in ("", row["kind"])]


async def say(port: int, data: bytes, *, source: str = "127.0.0.1", wait_seconds: float = 10.0) -> bytes:
    """Connect, send, and read until the other side closes or says nothing more; the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(data)
    answer = b""
    try:
        async with asyncio.timeout(wait_seconds):
            while more := await reader.read(65_536):
                answer += more
    except (ConnectionError, TimeoutError):
        pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
