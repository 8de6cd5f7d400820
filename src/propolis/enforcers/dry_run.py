"""dry-run: says what would be done, and does nothing."""

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from propolis import config
from propolis.clock import Clock
from propolis.decisions import Target
from propolis.enforcers.active import Active, Progress, blocked_until
from propolis.notes import WouldEnforce, tell


class DryRun:
    """Remembers what it would hold; what it reads back is its own memory, so it never stands for a defence."""

    name: ClassVar[str] = "dry-run"
    enforces: ClassVar[bool] = False

    def __init__(self, settings: config.Enforcers, clock: Clock, state: Path) -> None:  # noqa: ARG002 - the contract's; it touches nothing
        self._clock = clock
        self._held: dict[Target, int] = {}
        self._progress = Progress()

    def open(self) -> None:
        """Nothing to prepare."""

    def apply(self, active: Active, *, whole: bool = False) -> None:
        """Tell, in one note, how many targets would be blocked and how many released."""
        now = self._clock.now()
        behind = None if whole else self._progress.behind(active)
        blocks: list[Target] = []
        releases: list[Target] = []
        for target in {*active, *self._held} if behind is None else behind:
            until, held = blocked_until(active.get(target), now), self._held.pop(target, 0)
            if until:
                self._held[target] = until
            if until != held:
                (blocks if until else releases).append(target)
        self._progress.reached(active)
        if blocks or releases:
            first = (blocks or releases)[0].value
            tell(WouldEnforce(enforcer=self.name, blocks=len(blocks), releases=len(releases), first=first))

    def read_back(self, targets: Collection[Target] | None = None) -> dict[Target, int]:
        """What it remembers and has not ended."""
        now = self._clock.now()
        asked = self._held if targets is None else targets
        return {target: until for target in asked if (until := self._held.get(target, 0)) > now}

    def close(self) -> None:
        """Nothing to let go of."""

    def remove(self) -> None:
        """Forget."""
        self._held.clear()
        self._progress.lost()
