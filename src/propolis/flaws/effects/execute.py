"""What an injected command prints, on whichever system the persona runs."""

from propolis.flaws.effects.shell import shell
from propolis.flaws.effects.windows import cmd
from propolis.flaws.scene import Scope


def execute(scope: Scope, command: bytes) -> bytes:
    """What the persona's own kind of shell prints."""
    if scope.scene.account.os == "windows":
        return cmd(scope, command)
    return shell(scope, command)
