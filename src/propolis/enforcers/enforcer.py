"""The contract of an enforcer: it makes the world equal to the active set, and reads back what the world holds."""

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar, Protocol

from propolis import config
from propolis.clock import Clock
from propolis.decisions import Target
from propolis.enforcers.active import Active


class Enforcer(Protocol):
    """One way to act on decisions. Synchronous; every method may raise :class:`~propolis.errors.EnforcerError`."""

    name: ClassVar[str]
    """How configuration, decisions' scopes and acknowledgements name it."""

    enforces: ClassVar[bool]
    """Whether somebody is really stopped; what only pretends must never be acknowledged as a defence."""

    def __init__(self, settings: config.Enforcers, clock: Clock, state: Path) -> None:
        """Take the ``[enforcers]`` section, the time, and the folder of everything that is kept. Touches nothing."""
        ...

    def open(self) -> None:
        """Prepare the world and adopt what an earlier run left in it. The error names the cure."""
        ...

    def apply(self, active: Active, *, whole: bool = False) -> None:
        """Make the world equal to the set; safe to repeat. O(changes since the last call).

        ``whole`` reads the world first and repairs whatever differs: for drift, O(held + active). So does the first
        call, hence give it a set that is already filled: an empty one opens the door.
        """
        ...

    def read_back(self, targets: Collection[Target] | None = None) -> dict[Target, int]:
        """What the world truly holds, of these targets or of all: target to its end in UTC nanoseconds."""
        ...

    def close(self) -> None:
        """Let go, and leave in place what is enforced: a restart does not open the door."""
        ...

    def remove(self) -> None:
        """Take everything of ours out of the world."""
        ...
