"""A real sensor and a real stream and no other stage, for benchmarks of what a decoy answers and what that costs."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from bench.peers import free_port
from propolis.clock import SystemClock
from propolis.config import Stream as Settings
from propolis.stream import EmbeddedServer, connect, provision

READY_SECONDS: Final = 120.0
STREAM_BYTES: Final = 2_000_000_000


class Brook:
    """A running stream: ``url`` and ``credential`` for everyone, ``pid`` of its server."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.url = server.url
        self.credential = server.credential

    @property
    def pid(self) -> int:
        """The server's process."""
        pid = self._server.pid
        if pid is None:
            raise RuntimeError("the stream is gone")
        return pid


@contextlib.contextmanager
def brook() -> Iterator[Brook]:
    """A provisioned stream in a temporary folder, on a free port; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="propolis-stream-"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = EmbeddedServer(folder, ("127.0.0.1", free_port()), SystemClock())

    async def start() -> "asyncio.Task[None]":
        await server.start()
        watch = asyncio.get_running_loop().create_task(server.watch(), name="watch the stream")
        stream = await connect(server.url, "bench", credential=server.credential)
        await provision(stream, Settings(max_bytes=STREAM_BYTES))
        await stream.close()
        return watch

    async def stop(watch: "asyncio.Task[None]") -> None:
        await server.stop()
        await watch

    watching = asyncio.run_coroutine_threadsafe(start(), loop).result(READY_SECONDS)
    try:
        yield Brook(server)
    finally:
        asyncio.run_coroutine_threadsafe(stop(watching), loop).result(READY_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        shutil.rmtree(folder, ignore_errors=True)


class Decoy:
    """A running sensor worker whose HTTP lure listens at ``port``; ``ready_seconds`` is what its start took."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", port: int, folder: Path, ready_seconds: float
    ) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port
        self.folder = folder
        self.ready_seconds = ready_seconds

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        return float(sum(self.process.cpu_times()[:2]))

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def decoy(
    stream: Brook,
    *,
    packs: Path | None = None,
    products: Sequence[str] = (),
    settings: str = "",
    core: int | None = None,
) -> Iterator[Decoy]:
    """A sensor with the lure files of ``packs`` beside the built-in ones, playing exactly ``products`` if given.

    ``settings`` is TOML put before the rest; ``core`` keeps it on one core. Raises RuntimeError with its last words.
    """
    folder = Path(tempfile.mkdtemp(prefix="propolis-decoy-"))
    port = free_port()
    quoted = ", ".join(f'"{name}"' for name in products)
    (folder / "propolis.toml").write_text(
        f'{settings}\n[stream]\nurl = "{stream.url}"\ncredentials = "{stream.credential}"\n'
        f'[sensors]\nname = "decoy-{port}"\nworkers = 1\nmax_connections_per_source = 1000\nidle_seconds = 60.0\n'
        f'[lures.http]\nports = [{port}]\naddresses = ["127.0.0.1"]\n'
        f'[flaws]\npacks = "{packs or ""}"\nproducts = [{quoted}]\n'
    )
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "propolis", "sensor", "--config", str(folder / "propolis.toml")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        if core is not None:
            psutil.Process(process.pid).cpu_affinity([core])
        _wait(process, folder)
        yield Decoy(process, port, folder, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "StageStarted" in (folder / "log").read_text(errors="replace"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the sensor is not ready:\n{(folder / 'log').read_text(errors='replace')[-3_000:]}")
