"""Other decoys to be measured beside: OpenCanary and honeypots, from PyPI, each in an environment of its own.

They are installed into a temporary folder, never into the project's environment; their dependencies are old. Only their
HTTP service runs. What they log goes to a file in their folder, as an operator would have it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

READY_SECONDS: Final = 40.0
OPENCANARY: Final = ("opencanary", "setuptools<81")
HONEYPOTS: Final = ("honeypots==0.65", "setuptools<81")
"""``pkg_resources``, which both ask for, left setuptools in version 81; honeypots 0.66 answers every GET with 500."""


class Peer:
    """A running peer; ``processes`` are all that belong to it."""

    def __init__(self, process: psutil.Process, port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder

    def processes(self) -> list[psutil.Process]:
        """It and its children."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def pin(self, core: int) -> None:
        """Everything on one core."""
        for process in self.processes():
            process.cpu_affinity([core])


def free_port() -> int:
    """A port nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def opencanary() -> Iterator[Peer]:
    """OpenCanary's HTTP service, its default skin, logging to a file."""
    with _environment(OPENCANARY) as folder:
        port = free_port()
        settings = {
            "device.node_id": "bench",
            "http.enabled": True,
            "http.port": port,
            "http.banner": "Apache/2.2.22 (Ubuntu)",
            "http.skin": "nasLogin",
            "logger": {
                "class": "PyLogger",
                "kwargs": {
                    "formatters": {"plain": {"format": "%(message)s"}},
                    "handlers": {
                        "file": {"class": "logging.FileHandler", "filename": str(folder / "opencanary.log")}
                    },
                },
            },
        }
        (folder / "opencanary.conf").write_text(json.dumps(settings))
        tac = next(folder.glob("env/bin/opencanary.tac"))
        command = [str(folder / "env/bin/twistd"), "--nodaemon", "--pidfile=", "-y", str(tac)]
        with _running(command, folder, port) as peer:
            yield peer


@contextlib.contextmanager
def honeypots() -> Iterator[Peer]:
    """The HTTP server of honeypots, with its capture of what is sent, logging to a file."""
    with _environment(HONEYPOTS) as folder:
        port = free_port()
        settings = {
            "logs": "file",
            "logs_location": str(folder),
            "honeypots": {
                "http": {
                    "port": port,
                    "ip": "127.0.0.1",
                    "username": "admin",
                    "password": "admin",
                    "log_file_name": "http.log",
                    "max_bytes": 0,
                    "backup_count": 0,
                    "options": ["capture_commands"],
                }
            },
        }
        (folder / "config.json").write_text(json.dumps(settings))
        # its launcher would kill whoever holds the port; the server's own command line does not
        program = next((folder / "env/lib").glob("python3*/site-packages/honeypots/http_server.py"))
        command = [str(folder / "env/bin/python"), str(program), "--custom", "--ip", "127.0.0.1"]
        command += ["--port", str(port), "--username", "admin", "--password", "admin"]
        command += ["--options", "capture_commands", "--config", "config.json", "--uuid", "bench"]
        with _running(command, folder, port) as peer:
            yield peer


@contextlib.contextmanager
def _environment(packages: tuple[str, ...]) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="propolis-peer-"))
    try:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "-p", sys.executable, str(folder / "env")], check=True)
        subprocess.run(
            [*uv, "pip", "install", "--quiet", "-p", str(folder / "env"), *packages],
            check=True,
            capture_output=True,
        )
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[Peer]:
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": f"{folder / 'env/bin'}:{os.environ['PATH']}"},
            stdout=out,
            stderr=out,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
    peer = Peer(psutil.Process(process.pid), port, folder)
    try:
        _wait(peer)
        yield peer
    finally:
        for one in peer.processes() if process.poll() is None else []:
            with contextlib.suppress(psutil.Error):
                one.send_signal(signal.SIGKILL)
        process.wait(10)


def _wait(peer: Peer) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", peer.port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"not ready:\n{(peer.folder / 'out').read_text(errors='replace')[-2_000:]}")
