"""What the persona's shell prints for an injected command."""

from functools import cache

import msgspec

from propolis.flaws.scene import Scope
from propolis.machine.disk import RecordedDisk, load
from propolis.machine.machine import Machine
from propolis.machine.shell import DASH, Shell

MAX_COMMAND_BYTES = 8_192

_INSTALLED = frozenset(
    {
        "busybox",
        "curl",
        "ifconfig",
        "nc",
        "netstat",
        "nslookup",
        "perl",
        "php",
        "ping",
        "python3",
        "wget",
        "xxd",
    }
)
"""What a web server has beyond a bare login host."""


def shell(scope: Scope, command: bytes) -> bytes:
    """Standard output and error of ``sh -c command`` as the user of the web server; files it writes are remembered.

    Work and output are bounded by :mod:`propolis.machine.shell`.
    """
    machine = machine_of(scope)
    line = command[:MAX_COMMAND_BYTES].replace(b"\0", b"").decode("utf-8", "surrogateescape")
    before = machine.written
    outcome = Shell(machine, DASH).run(line, "sh: 1: ")
    for path, text in machine.written.items():
        if before.get(path) != text:
            scope.session.upload(_bytes(path), _bytes(text))
    return _bytes(outcome.out + outcome.err)


def machine_of(scope: Scope) -> Machine:
    """The machine as the web server's user finds it, with what this source has left on it."""
    scene = scope.scene
    account = scene.account
    machine = Machine(
        _disk(),
        scene.machine,
        account.user,
        number=account.number,
        home=account.home,
        folder=account.folder,
        now=scene.now,
    )
    for path, content in scope.session.uploads.items():
        name = path.decode("utf-8", "surrogateescape")
        machine.write(machine.resolve(name), content.decode("utf-8", "surrogateescape"), is_append=False)
    return machine


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@cache
def _disk() -> RecordedDisk:
    recorded = load()
    return msgspec.structs.replace(recorded, commands=recorded.commands | _INSTALLED)
