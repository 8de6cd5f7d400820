"""The machine as the web server's user finds it."""

from functools import cache

import msgspec

from propolis.flaws.scene import Scope
from propolis.machine.disk import RecordedDisk, load
from propolis.machine.machine import Machine

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


@cache
def _disk() -> RecordedDisk:
    recorded = load()
    return msgspec.structs.replace(recorded, commands=recorded.commands | _INSTALLED)
