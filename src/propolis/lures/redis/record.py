"""Record a persona from Debian's redis-server: ``python -m propolis.lures.redis.record NAME [FILE]``.

Runs the installed server with Debian's own settings on a free loopback port, as this user, in a folder of its own. It is
set up as careless people set it up: open to all, and with what 7.0 protects unprotected. Where the recording had to
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
from propolis.lures.redis.persona import Command, Persona, Setting, Tree, subcommands, tree_of
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
        "shutdown monitor sync psync replconf subscribe psubscribe ssubscribe failover replicaof slaveof quit debug"
    ).split()
)
"""Commands that would end or change the conversation they are tried in."""
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
            case b":":
                return int(text)
            case b",":
                return float(text)
            case b"#":
                return text == "t"
            case b"_":
                return None
            case b"$" | b"=":
                return self._bulk(kind, int(text))
            case b"*" if text == "-1":
                return NULL_ARRAY
            case b"*":
                return [self._value() for _ in range(int(text))]
            case b"~" | b">":
                return Many("~" if kind == b"~" else ">", [self._value() for _ in range(int(text))])
            case b"%":
                return Many("%", [self._value() for _ in range(2 * int(text))])
        raise ValueError(f"not RESP3: {line!r}")

    def _bulk(self, kind: bytes, length: int) -> Value:
        if length < 0:
            return None
        content = self._file.read(length + 2)[:-2]
        return Verbatim(content[4:]) if kind == b"=" else content


@contextmanager
def server() -> Iterator[int]:
    """Debian's redis-server, open to all on loopback for as long as the context lasts; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        settings = Path(folder, "redis.conf")
        settings.write_text(_SETTINGS.read_text(encoding="utf-8"), encoding="utf-8")
        command = ("/usr/bin/redis-server", settings, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder)
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
    line = tuple(_pair(word, "=") for word in _text(client.ask("CLIENT", "INFO")).split())
    client.ask("REPLICAOF", "127.0.0.1", "9")
    replica = _sections(_text(client.ask("INFO", "replication")))["replication"]
    client.close()
    version = dict(info["server"])["redis_version"]
    return Persona(name, version, commands, config, info, replica, line, tuple(default), _folders())


def _text(value: Value) -> str:
    if isinstance(value, Verbatim):
        return value.text.decode()
    raise ValueError(f"not a verbatim string: {value!r}")


def _sections(text: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """``# Server`` and its lines, by lower-case name; values as an installation has them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            found[line[2:].lower()] = []
        elif line:
            key, value = _pair(line, ":")
            found[list(found)[-1]].append((key, _INSTALLED.get(key, value)))
    return {name: tuple(lines) for name, lines in found.items()}


def _pair(text: str, mark: str) -> tuple[str, str]:
    key, _, value = text.partition(mark)
    return key, value


def _settings(client: Client) -> dict[str, Setting]:
    answer = client.ask("CONFIG", "GET", "*")
    assert isinstance(answer, Many)
    texts = [item.decode("latin-1") for item in answer.items if isinstance(item, bytes)]
    pairs = dict(zip(texts[::2], texts[1::2], strict=True))
    return {
        key: Setting(_INSTALLED.get(key, value), _complaint(client, key, value)) for key, value in pairs.items()
    }


def _complaint(client: Client, key: str, value: str) -> str:
    """What the server says of nonsense in this setting; nothing if it takes it, and then it is put back."""
    if key in {"enable-debug-command", "requirepass"}:
        return ""
    match client.ask("CONFIG", "SET", key, _NONSENSE):
        case Error(text):
            return text.partition(" - ")[2]
    client.ask("CONFIG", "SET", key, value)
    return ""


def _commands(client: Client, port: int) -> dict[str, Command]:
    entries = client.ask("COMMAND")
    docs = client.ask("COMMAND", "DOCS")
    assert isinstance(entries, list)
    assert isinstance(docs, Many)
    by_name = dict(zip(docs.items[::2], docs.items[1::2], strict=True)) if docs.items else {}  # type: ignore[misc]  # keys are bulk strings
    found: dict[str, Command] = {}
    for entry in sorted(entries, key=_name_of):
        name = _name_of(entry)
        answers = dict(_answers(port, [entry, *subcommands(entry)]))
        lines = _help(client, name) if subcommands(entry) else ()
        found[name] = Command(tree_of(entry), tree_of(by_name[name.encode()]), answers, lines)
    return found


def _name_of(entry: Value) -> str:
    assert isinstance(entry, list)
    assert isinstance(entry[0], bytes)
    return entry[0].decode("latin-1")


def _answers(port: int, entries: list[Value]) -> Iterator[tuple[str, Tree]]:
    """What each command that nothing here plays says with ``1`` in every place, on an empty server."""
    for entry in entries:
        name = _name_of(entry)
        assert isinstance(entry, list)
        assert isinstance(entry[1], int)
        if name.encode() in HANDLERS or name.split("|")[0] in _UNTRIED or name.endswith("|help") or subcommands(entry):
            continue
        words = name.split("|")
        words += ["1"] * (abs(entry[1]) - len(words))
        try:
            answer = _ask_once(port, words, 3)
            # only RESP2 tells a null that stands for an array
            yield name, tree_of(_ask_once(port, words, 2) if answer is None else answer)
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


def _help(client: Client, name: str) -> tuple[str, ...]:
    answer = client.ask(name, "HELP")
    if not isinstance(answer, list):
        return ()
    return tuple(line.text for line in answer if isinstance(line, Status))


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
