"""``propolis up``: the embedded stream and one process per stage, started, watched, started again, stopped."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from propolis.clock import Clock
from propolis.config import Config, host_port
from propolis.errors import PropolisError
from propolis.notes import StageFailed, tell
from propolis.stream import DIE_WITH_US, EmbeddedServer, address_of, connect, folder, provision

BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
HEALTHY_SECONDS = 30.0
STOP_SECONDS = 8.0
WRITE_SECONDS = 0.2
SUPERVISED = "PROPOLIS_SUPERVISED"
"""Set for stages under a supervisor: it speaks to the operator, they do not."""


class Running(msgspec.Struct, frozen=True):
    """What runs: the supervisor's process id, when it began (clock ticks since boot), its children's ids by stage."""

    pid: int
    began: int
    stages: dict[str, int]

    @property
    def is_alive(self) -> bool:
        """Whether that very process still is, not a later one with its id."""
        return _began(self.pid) == self.began


class AlreadyUpError(PropolisError):
    """Another supervisor works with the same state folder."""


class Process:
    """One stage, kept running."""

    def __init__(self, name: str, arguments: Sequence[str], clock: Clock) -> None:
        self.name = name
        self._arguments = arguments
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """Its process id, 0 while it is down."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def keep(self) -> None:
        """Start it, and again after a pause whenever it ends."""
        failures = 0
        while not self._stopping:
            started = self._clock.monotonic()
            why = await self._run()
            if self._stopping:
                return
            failures = 1 if self._clock.monotonic() - started > HEALTHY_SECONDS * 1e9 else failures + 1
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]
            tell(StageFailed(stage=self.name, why=why, again_in_seconds=pause))
            await asyncio.sleep(pause)

    async def _run(self) -> str:
        """Start it and wait for its end; how that came."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *DIE_WITH_US, sys.executable, "-m", "propolis", *self._arguments, env=_environment()
            )
        except OSError as error:  # no memory or no process to be had: that passes
            return f"cannot be started: {error.strerror}"
        return f"ended with {await self._process.wait()}"

    async def stop(self) -> None:
        """End it, first kindly."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def processes(config: Config, clock: Clock, workers: int) -> list[Process]:
    """The stages of one host, in the order data takes."""
    place = ("--config", str(config.path))
    return [
        *(Process(f"sensor.{i}", ("sensor", "--worker", str(i), *place), clock) for i in range(workers)),
        *(
            Process(f"detect.{i}", ("detect", "--worker", str(i), *place), clock)
            for i in range(config.detection.workers)
        ),
        Process("decide", ("decide", *place), clock),
        *(Process(f"enforce.{name}", ("enforce", name, *place), clock) for name in config.enforcers.run),
        Process("archive", ("archive", *place), clock),
        Process("console", ("console", *place), clock),
    ]


async def supervise(config: Config, clock: Clock, workers: int) -> None:
    """Run everything until cancelled. Raises :class:`PropolisError` when the stream cannot start."""
    with lock(config.state):
        server = watch = None
        stages = processes(config, clock, workers)
        try:
            if not config.stream.url:
                listen = host_port(config.stream.listen, config.path, "stream.listen")
                server = EmbeddedServer(folder(config), listen, clock)
                await server.start()
                watch = asyncio.ensure_future(server.watch())
            # before the stream is reached, so that `propolis down` ends this while it waits for a cluster
            _write(config, stages, server)
            address = address_of(config)
            stream = await connect(address.url, "supervisor", credential=address.credential)
            await provision(stream, config.stream)
            await stream.close()
            async with asyncio.TaskGroup() as tasks:
                for stage in stages:
                    tasks.create_task(stage.keep(), name=stage.name)
                tasks.create_task(_keep_written(config, stages, server))
        finally:
            await asyncio.shield(asyncio.gather(*(stage.stop() for stage in stages)))
            if server:
                await server.stop()
            if watch:
                await watch
            running_file(config.state).unlink(missing_ok=True)


async def _keep_written(config: Config, stages: Sequence[Process], server: EmbeddedServer | None) -> None:
    """Keep the list of what runs current."""
    written = None
    while True:
        if _listed(stages, server) != written:
            with contextlib.suppress(OSError):  # a full disk is no reason to let the stages go
                written = _write(config, stages, server)
        await asyncio.sleep(WRITE_SECONDS)


def _listed(stages: Sequence[Process], server: EmbeddedServer | None) -> Running:
    pids = {stage.name: stage.pid for stage in stages}
    if server:
        pids["stream"] = server.pid or 0
    return Running(os.getpid(), _began(os.getpid()) or 0, pids)


def _write(config: Config, stages: Sequence[Process], server: EmbeddedServer | None) -> Running:
    listed = _listed(stages, server)
    temporary = running_file(config.state).with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(listed))
    temporary.replace(running_file(config.state))
    return listed


def running_file(state: Path) -> Path:
    """Where the list of what runs is."""
    return state / "running.json"


def running(state: Path) -> Running | None:
    """What runs with this state folder, or None.

    What a killed supervisor or the last boot left behind counts for nothing, whoever has its process id by now.
    """
    try:
        listed = msgspec.json.decode(running_file(state).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None
    return listed if listed.is_alive else None


def _began(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None if there is none, or only its exit code (proc(5), stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[19]) if fields[0] not in b"ZX" else None


@contextlib.contextmanager
def lock(state: Path) -> Iterator[IO[bytes]]:
    """Be the only supervisor of a state folder. Raises :class:`AlreadyUpError`."""
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    with (state / "up.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyUpError(
                f"{state}: is in use by a running `propolis up`; stop it with `propolis down`"
            ) from error
        yield file


def _environment() -> dict[str, str]:
    """A child's environment: allocators that give memory back, one thread where more would not help."""
    return {
        **os.environ,
        SUPERVISED: "1",
        "MALLOC_ARENA_MAX": "2",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }
