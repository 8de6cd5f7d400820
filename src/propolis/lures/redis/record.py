"""Record a persona from Debian's redis-server: ``python -m propolis.lures.redis.record NAME [FILE]``.

Runs the installed server with Debian's own settings on a free loopback port, as this user, in a folder of its own. It
is set up as careless people set it up: open to all, and with what 7.0 protects unprotected. Where the recording had to
differ from an installation (port, folders), the persona says what an installation says.
"""

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from propolis.lures.persona import FOLDER
from propolis.lures.record import START_SECONDS, await_port, free_port
from propolis.lures.redis.commands import HANDLERS
from propolis.lures.redis.persona import (
    Command,
    Persona,
    Setting,
    Tree,
    name_of,
    shape_of,
    subcommands,
    tree_of,
)
from propolis.lures.redis.wire import NULL_ARRAY, Error, Many, Status, Value, Verbatim

QUIET_SECONDS = 0.4
"""So long a command may say nothing until it is known to block."""
_SETTINGS = Path("/etc/redis/redis.conf")
_CARELESS = ("--protected-mode", "no", "--enable-protected-configs", "yes", "--enable-module-command", "yes")
_INSTALLED = {
    "bind": "* -::*",
    "port": "6379",
    "dir": "/var/lib/redis",
    "logfile": "/var/log/redis/redis-server.log",
    "pidfile": "/run/redis/redis-server.pid",
    "supervised": "systemd",
    "process_supervised": "systemd",
    "tcp_port": "6379",
    "config_file": str(_SETTINGS),
    "executable": "/usr/bin/redis-server",
    "os": "Linux 6.1.0-56-amd64 x86_64",
}
"""What Debian's unit and package set, where this recorder has to set something else, and Debian's kernel."""
_UNTRIED = frozenset(
    (
        "debug",
        "failover",
        "monitor",
        "psubscribe",
        "psync",
        "quit",
        "replconf",
        "replicaof",
        "shutdown",
        "slaveof",
        "ssubscribe",
        "subscribe",
        "sync",
    )
)
"""Commands that would end or change the conversation they are tried in."""
_ALSO_RECORDED = frozenset(("acl|cat", "memory|stats"))
"""Commands that are played with what was recorded."""
_PACKAGES = ("base-files", "redis-server", "passwd", "libc-bin", "login", "apt", "dpkg")
_MADE_BY_USE = (
    "/etc/cron.d",
    "/root/.ssh",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
    "/var/www",
    "/var/www/html",
)
"""Folders that cron, sshd, nginx and apache make, and that are looked for by name."""
_NONSENSE = "?"


class Client:
    """Asks a server over RESP3 and decodes what it says."""

    def __init__(self, port: int, protocol: int = 3) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), START_SECONDS)
        self._file = self._socket.makefile("rb")
        self.ask("HELLO", str(protocol))

    def hurry(self) -> None:
        """Wait :data:`QUIET_SECONDS` at most from now on."""
        self._socket.settimeout(QUIET_SECONDS)

    def close(self) -> None:
        """End the conversation."""
        self._file.close()
        self._socket.close()

    def ask(self, *words: str) -> Value:
        """One command, one reply. Raises ``TimeoutError`` if there is none."""
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self._socket.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
        return self._value()

    def _value(self) -> Value:
        line = self._file.readline()[:-2]
        kind, text = line[:1], line[1:].decode("latin-1")
        match kind:
            case b"+":
                return Status(text)
            case b"-":
                return Error(text)
            case b"$" | b"=":
                return self._bulk(kind, int(text))
            case b"*" | b"~" | b">" | b"%":
                return self._several(kind, int(text))
            case _:
                return _scalar(kind, text)

    def _several(self, kind: bytes, count: int) -> Value:
        if count < 0:
            return NULL_ARRAY
        items = [self._value() for _ in range(2 * count if kind == b"%" else count)]
        match kind:
            case b"~":
                return Many("~", items)
            case b">":
                return Many(">", items)
            case b"%":
                return Many("%", items)
            case _:
                return items

    def _bulk(self, kind: bytes, length: int) -> Value:
        if length < 0:
            return None
        content = self._file.read(length + 2)[:-2]
        return Verbatim(content[4:]) if kind == b"=" else content


def _scalar(kind: bytes, text: str) -> Value:
    match kind:
        case b":":
            return int(text)
        case b",":
            return float(text)
        case b"#":
            return text == "t"
        case b"_":
            return None
    raise ValueError(f"not RESP3: {kind!r} {text!r}")


@contextmanager
def server() -> Iterator[int]:
    """Debian's redis-server, open to all on loopback for as long as the context lasts; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        settings = Path(folder, "redis.conf")
        settings.write_text(_SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
        command = (
            "/usr/bin/redis-server",
            settings,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
        )
        here = ("--daemonize", "no", "--logfile", "", "--pidfile", f"{folder}/pid")
        process = subprocess.Popen((*command, *here, *_CARELESS), stdout=subprocess.DEVNULL)
        try:
            await_port(port)
            yield port
        finally:
            process.kill()
            process.wait(START_SECONDS)


def record(name: str, port: int) -> Persona:
    """Ask a fresh server for everything a persona holds."""
    client = Client(port)
    info = _sections(_text(client.ask("INFO", "everything")))
    default = _sections(_text(client.ask("INFO")))
    config = _settings(client)
    commands = _commands(client, port)
    fresh = Client(port, 2)
    line = tuple(_pair(word, "=") for word in _text(fresh.ask("CLIENT", "INFO")).split())
    fresh.close()
    client.ask("REPLICAOF", "127.0.0.1", "9")
    replica = _sections(_text(client.ask("INFO", "replication")))["replication"]
    client.close()
    version = dict(info["server"])["redis_version"]
    return Persona(name, version, commands, config, info, replica, line, tuple(default), _folders())


def _text(value: Value) -> str:
    match value:
        case bytes(text) | Verbatim(text):
            return text.decode()
    raise ValueError(f"not a verbatim string: {value!r}")


def _sections(text: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """``# Server`` and its lines, by lower-case name; values as an installation has them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            found[line[2:].lower()] = []
        elif line:
            key, value = _pair(line, ":")
            if key.startswith(("cmdstat_", "errorstat_", "latency_percentiles_")):
                continue  # what the recorder itself did
            found[list(found)[-1]].append((key, _INSTALLED.get(key, value)))
    return {name: tuple(lines) for name, lines in found.items()}


def _pair(text: str, mark: str) -> tuple[str, str]:
    key, _, value = text.partition(mark)
    return key, value


def _settings(client: Client) -> dict[str, Setting]:
    settings = {}
    for name, text in sorted(_pairs(client.ask("CONFIG", "GET", "*"))):
        if isinstance(text, bytes):
            value = text.decode("latin-1")
            complaint = _complaint(client, name, value)
            bounds = _bounds(client, name, value, complaint)
            settings[name] = Setting(_INSTALLED.get(name, value), complaint, *bounds)
    return settings


def _pairs(value: Value) -> Iterator[tuple[str, Value]]:
    """Names and values of a map."""
    items = value.items if isinstance(value, Many) else []
    for name, item in zip(items[::2], items[1::2], strict=True):
        if isinstance(name, bytes):
            yield name.decode("latin-1"), item


def _bounds(client: Client, key: str, value: str, complaint: str) -> tuple[int, int]:
    """Between what a number must be; nothing if it may be any."""
    if "integer" not in complaint:
        return 0, 0
    for outside in (2**62, -(2**62)):
        match client.ask("CONFIG", "SET", key, str(outside)):
            case Error(text):
                found = re.search(r"between (-?\d+) and (-?\d+) inclusive", text)
                if found:
                    return int(found[1]), int(found[2])
            case _:
                client.ask("CONFIG", "SET", key, value)
    return 0, 0


def _complaint(client: Client, key: str, value: str) -> str:
    """What the server says of nonsense in this setting; nothing if it takes it, and then it is put back."""
    if key == "requirepass":
        return ""
    match client.ask("CONFIG", "SET", key, _NONSENSE):
        case Error(text):
            return text.partition(" - ")[2]
    client.ask("CONFIG", "SET", key, value)
    return ""


def _commands(client: Client, port: int) -> dict[str, Command]:
    entries = client.ask("COMMAND")
    docs = dict(_pairs(client.ask("COMMAND", "DOCS")))
    found: dict[str, Command] = {}
    for entry in sorted(entries, key=name_of) if isinstance(entries, list) else ():
        name, inner = name_of(entry).decode("latin-1"), subcommands(entry)
        answers = dict(_answers(port, [entry, *inner]))
        found[name] = Command(tree_of(entry), tree_of(docs[name]), answers)
    return found


def _answers(port: int, entries: list[Value]) -> Iterator[tuple[str, Tree]]:
    """What each command that nobody plays says with ``1`` in every place, on an empty server."""
    for entry in entries:
        shape = shape_of(entry)
        is_played = shape.name.encode() in HANDLERS and shape.name not in _ALSO_RECORDED
        words = shape.name.split("|")
        if is_played or words[0] in _UNTRIED or subcommands(entry):
            continue
        words += ["1"] * (abs(shape.arity) - len(words))
        try:
            answer = _ask_once(port, words, 3)
            # only RESP2 tells a null that stands for an array
            yield shape.name, tree_of(_ask_once(port, words, 2) if answer is None else answer)
        except TimeoutError:
            continue


def _ask_once(port: int, words: list[str], protocol: int) -> Value:
    """One command on an empty server, on a connection of its own. Raises ``TimeoutError`` if it blocks."""
    client = Client(port, protocol)
    try:
        client.ask("FLUSHALL")
        client.hurry()
        return client.ask(*words)
    finally:
        client.close()


def _folders() -> tuple[str, ...]:
    """The folders that Debian's packages ship, three levels deep, and those that other daemons make."""
    listed = subprocess.run(("dpkg", "-L", *_PACKAGES), capture_output=True, text=True, check=True).stdout
    shipped = {line for line in listed.split() if len(Path(line).parts) < 5 and Path(line).is_dir()}
    return tuple(sorted(shipped - {"/."} | {"/", *_MADE_BY_USE}))


def main(arguments: list[str]) -> None:
    """Write the persona to the file named, or in its place among the personas."""
    name = arguments[0] if arguments else "debian12"
    target = Path(arguments[1]) if len(arguments) > 1 else FOLDER / "redis" / f"{name}.json"
    with server() as port:
        found = msgspec.json.encode(record(name, port))
    # a line a command and a setting keeps changes readable
    target.write_bytes(re.sub(rb'(?<=[}\]]),(?="[a-z_|-]+":\{)', b",\n", found) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
