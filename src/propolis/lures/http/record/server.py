"""Start a real web server on loopback, in a folder of its own, and ask it things."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from propolis.errors import PropolisError
from propolis.lures.record import START_SECONDS, await_port

QUIET_SECONDS = 0.4
"""Silence after which an answer is taken to be whole."""

OLD_SECONDS = 1_700_000_000
"""When the files that a recorded server shows were last changed (Unix seconds)."""


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that a server may read which has given up root."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


@contextmanager
def running(
    command: Sequence[str], port: int, *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The server this command starts in the foreground, up from the first line to the last."""
    with Path(cwd, "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        await_port(port)
        _await_answer(port)
        yield
    finally:
        server.terminate()
        try:
            server.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(START_SECONDS)


def _await_answer(port: int) -> None:
    """Wait until it answers: some listen long before."""
    for _ in range(int(START_SECONDS / QUIET_SECONDS)):
        if ask(port, b"GET / HTTP/1.0\r\n\r\n")[0]:
            return
    raise PropolisError(
        f"nothing is answered on port {port} after {START_SECONDS} s; does the server start by hand?"
    )


def ask(port: int, *parts: bytes) -> tuple[bytes, bool]:
    """What comes back to these writes before silence or the end, and whether the server closed the connection.

    A later part is sent once something came back to the one before it.
    """
    reply = b""
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as client:
        client.settimeout(QUIET_SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            try:
                client.sendall(parts[0])
                for part in parts[1:]:
                    with suppress(TimeoutError):
                        reply += client.recv(65_536)
                    client.sendall(part)
                while data := client.recv(65_536):
                    reply += data
            except TimeoutError:
                return reply, False
    return reply, True


def installed(package: str, of: str = "") -> str:
    """The version of a Debian package, without its epoch; raises ``CalledProcessError`` if it is not installed."""
    command = ["dpkg-query", "--show", "--showformat", of or "${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def copy(source: Path, target: Path) -> None:
    """A file or a tree, readable by all."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=False)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        target.chmod(0o644)
        # a file of this very second gets a weak entity tag from some servers
        os.utime(target, (OLD_SECONDS, OLD_SECONDS))
