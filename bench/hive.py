"""A whole installation for a benchmark: its own folder, ports and stream, every stage a process as in production."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import psutil

from propolis import supervisor
from propolis.config import Config, load
from propolis.stream import Address, address_of

READY_SECONDS = 120.0
PORTS = {"http": 31_080, "redis": 31_379, "telnet": 31_023, "ssh": 31_022, "tcp": 31_081}


class Hive:
    """A running installation. ``config`` is its configuration, ``folder`` everything it keeps."""

    def __init__(self, folder: Path, config: Config, prefix: tuple[str, ...]) -> None:
        self.folder = folder
        self.config = config
        self.prefix = prefix
        self.command: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        """Its stream."""
        return address_of(self.config)

    def start(self, *arguments: str) -> None:
        """``propolis up``, and wait until every stage lives."""
        log = (self.folder / "log").open("ab")
        self.command = subprocess.Popen(
            [
                *self.prefix,
                sys.executable,
                "-m",
                "propolis",
                "up",
                "--config",
                str(self.config.path),
                *arguments,
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        expected = len(supervisor.processes(self.config, None, self.config.sensors.workers))  # type: ignore[arg-type]
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.command.poll() is not None:
                break
            done = self.log().count("StageStarted")
            if done >= expected + bool(not self.config.stream.url):
                return
            time.sleep(0.1)
        raise RuntimeError(f"not ready:\n{self.log()[-3_000:]}")

    def log(self) -> str:
        """What its stages said."""
        return (self.folder / "log").read_text(errors="replace")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A ``propolis`` command against it."""
        return subprocess.run(
            [*self.prefix, sys.executable, "-m", "propolis", *arguments, "--config", str(self.config.path)],
            capture_output=True,
            text=True,
            check=False,
        )

    def processes(self) -> dict[str, psutil.Process]:
        """Every process of ours by stage, the stream's server and the supervisor included."""
        listed = supervisor.running(self.config.state)
        pids = {**(listed.stages if listed else {}), "supervisor": listed.pid if listed else 0}
        found = {}
        for name, pid in pids.items():
            with contextlib.suppress(psutil.Error):
                found[name] = psutil.Process(pid)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """User and system CPU seconds so far, by stage."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes().items()}

    def memory(self) -> dict[str, dict[str, float]]:
        """Resident and proportional set size in MB, by stage."""
        found = {}
        for name, process in self.processes().items():
            full = process.memory_full_info()
            found[name] = {"rss": full.rss / 1e6, "pss": full.pss / 1e6}
        return found

    def stop(self) -> None:
        """End it and wait."""
        if self.command is None or self.command.poll() is not None:
            return
        self.command.send_signal(signal.SIGTERM)
        try:
            self.command.wait(30)
        except subprocess.TimeoutExpired:
            self.command.kill()


@contextlib.contextmanager
def hive(
    settings: str = "", *, prefix: tuple[str, ...] = (), lures: Mapping[str, int] | None = None
) -> Iterator[Hive]:
    """An installation with ``settings`` (TOML) on top of ports of its own; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="propolis-bench-"))
    ports = lures or {name: PORTS[name] for name in ("http", "redis", "telnet")}
    text = "".join(
        f'[lures.{name}]\nports = [{port}]\naddresses = ["0.0.0.0"]\n' for name, port in ports.items()
    )
    path = folder / "propolis.toml"
    path.write_text(f"{settings}\n{text}")
    running = Hive(folder, load(path), prefix)
    try:
        yield running
    finally:
        running.stop()
        if os.environ.get("KEEP_BENCH"):
            sys.stderr.write(f"kept {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def report(**figures: object) -> None:
    """The last line: one JSON object."""
    print(msgspec.json.encode(figures).decode())
