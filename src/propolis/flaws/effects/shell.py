"""What the persona's shell prints for an injected command."""

from propolis.flaws.effects.machine import machine_of
from propolis.flaws.scene import Scope
from propolis.machine.shell import DASH, Shell

MAX_COMMAND_BYTES = 8_192


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


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
