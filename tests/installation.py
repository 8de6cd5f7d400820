"""A whole installation as an operator has it: a folder, a configuration, ``propolis up --detach``, and commands."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from hive import free_port
from propolis import supervisor
from propolis.config import Config, load

COMMAND_SECONDS = 60.0
WAIT_SECONDS = 30.0
EXPLOIT = b"<?php echo md5('touched'); ?>"
SOURCES = 6
"""Attackers of the drill that the tests look at."""
IS_REAL = not os.geteuid() and shutil.which("nft") is not None and shutil.which("ip") is not None
"""Whether a drill's blocks are drops in a network namespace."""


class Drilled(msgspec.Struct, frozen=True):
    """What ``drill --json`` printed, and the decisions that were held after it."""

    result: dict[str, Any]
    held: list[dict[str, Any]]


class Installation:
    """Commands against one configuration file; ``first_words`` is what the first start printed."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        self.path = folder / "propolis.toml"
        self.path.write_text(settings or configuration())
        self.first_words = ""

    @property
    def config(self) -> Config:
        return load(self.path)

    def run(self, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        """A command, with ``changes`` of its environment."""
        return subprocess.run(
            [sys.executable, "-m", "propolis", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
            cwd=self.folder,
            env=_environment(changes),
        )

    @contextlib.contextmanager
    def start(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """A command that goes on beside the test and is gone after it; its notes are read from ``stderr``."""
        started = subprocess.Popen(
            [sys.executable, "-m", "propolis", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=_environment({}),
        )
        with started:
            try:
                yield started
            finally:
                started.kill()

    def say(self, *arguments: str, **changes: str) -> str:
        """What a command that succeeds prints."""
        done = self.run(*arguments, **changes)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def until(self, condition: Any) -> Any:
        """Wait until it holds; what waited in vain shows what the stages said meanwhile."""
        try:
            return until(condition)
        except AssertionError as error:
            log = (self.config.state / "propolis.log").read_text().splitlines()
            raise AssertionError("\n".join([str(error), *log[-40:]])) from None

    def json(self, *arguments: str) -> Any:
        return msgspec.json.decode(self.say(*arguments, "--json"))

    def hunt(self, query: str) -> list[dict[str, Any]]:
        """An answer out of the lake and the stream, row for row."""
        lines = self.say("hunt", query, "--output", "json").splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def mistake(self, *arguments: str, **changes: str) -> str:
        """The one line of a command that an operator has to put right."""
        done = self.run(*arguments, **changes)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("propolis: ")
        return lines[0]

    def pids(self) -> dict[str, int]:
        """The stages' process ids."""
        listed = supervisor.running(self.config.state)
        assert listed is not None
        return listed.stages

    def survivors(self) -> list[psutil.Process]:
        """Every process that was started for this folder and still is."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if any(str(self.folder) in word for word in process.info["cmdline"] or ())
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def http(self, body: bytes = EXPLOIT) -> bytes:
        """The decoy's answer to somebody who exploits PHPUnit (CVE-2017-9841) from 127.0.0.1."""
        port = self.config.lures["http"].ports[0]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(
                b"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1\r\nHost: shop\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            return b"".join(iter(lambda: connection.recv(4096), b""))


def _environment(changes: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROPOLIS_")}
    return {**kept, "COLUMNS": "200", "SUDO_USER": "operator-of-this-test", **changes}


def free_ports(number: int) -> list[int]:
    """Ports that nobody has, all different."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return list(ports)


def configuration(more: str = "") -> str:
    """Two lures, everything on loopback and free ports, nothing carried out."""
    stream, console, http, telnet = free_ports(4)
    return f"""
[host]
name = "edge"
[stream]
listen = "127.0.0.1:{stream}"
max_bytes = 256_000_000
[console]
listen = "127.0.0.1:{console}"
[sensors]
workers = 1
[enforcers]
run = ["dry-run"]
[lake]
flush_seconds = 2
[lures.http]
ports = [{http}]
addresses = ["127.0.0.1"]
[lures.telnet]
ports = [{telnet}]
addresses = ["127.0.0.1"]
{more}"""


def until(condition: Any, seconds: float = WAIT_SECONDS) -> Any:
    """Wait until it holds and give what it gave; a test that waits in vain says so."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return answer


@contextlib.contextmanager
def installed(folder: Path, settings: str = "") -> Iterator[Installation]:
    """It runs; at the end nothing of it does, even when the tests are killed: the guard reads that from its pipe."""
    installation = Installation(folder, settings)
    down = [sys.executable, "-m", "propolis", "down", "--config", str(installation.path)]
    guard = subprocess.Popen(
        ["sh", "-c", 'cat; exec "$@"', "guard", *down],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        installation.first_words = installation.say("up", "--detach", "--config", str(installation.path))
        yield installation
    finally:
        guard.communicate()
        for process in installation.survivors():
            with contextlib.suppress(psutil.Error):
                process.kill()
