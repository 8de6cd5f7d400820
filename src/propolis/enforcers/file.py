"""file: a flat list for whatever reads one (nginx ``geo``, a firewall's external list, ``ipset restore``, …)."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from propolis import config
from propolis.clock import Clock
from propolis.decisions import Target, target_of
from propolis.enforcers.active import FOREVER, MAX_HELD, Active, Progress, blocked_until
from propolis.errors import EnforcerError

MAX_LINE = 64
"""Longer lines are not ours and are not read."""


class File:
    """Blocked targets, one a line, sorted as text. Readers see the old list or the new one, never half of one.

    A list has no ends: a target that has ended leaves it at the next :meth:`apply`.
    """

    name: ClassVar[str] = "file"
    enforces: ClassVar[bool] = True

    def __init__(self, settings: config.Enforcers, clock: Clock, state: Path) -> None:
        self._path = state / settings.file.path
        self._clock = clock
        self._held: dict[Target, int] = {}
        self._progress = Progress()

    def open(self) -> None:
        """Make the folder and an empty list if there is none; one that is there stays until the first :meth:`apply`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                _replace(self._path, "")
        except OSError as error:
            raise self._error(error) from error

    def apply(self, active: Active, *, whole: bool = False) -> None:
        """Write the list if it changes. O(changes) to find out, O(targets) to write."""
        now = self._clock.now()
        behind = None if whole else self._progress.behind(active)
        self._progress.lost()
        if behind is None:
            held = {
                target: until
                for target, decision in active.items()
                if (until := blocked_until(decision, now))
            }
        else:
            held = {target: until for target, until in self._held.items() if until > now}
            for target in behind:
                held.pop(target, None)
                if until := blocked_until(active.get(target), now):
                    held[target] = until
        if behind is None or held.keys() != self._held.keys():
            try:
                _replace(self._path, "".join(sorted(f"{target.value}\n" for target in held)))
            except OSError as error:
                raise self._error(error) from error
        self._held = held
        self._progress.reached(active)

    def read_back(self, targets: Collection[Target] | None = None) -> dict[Target, int]:
        """The targets in the file, each to the end we wrote it for; lines of others or an earlier run stay for good."""
        listed = self._listed()
        asked = listed if targets is None else listed.intersection(targets)
        return {target: self._held.get(target, FOREVER) for target in asked}

    def close(self) -> None:
        """Leave the list."""

    def remove(self) -> None:
        """Empty the list: whoever reads it may insist that there is one."""
        try:
            _replace(self._path, "")
        except OSError as error:
            raise self._error(error) from error
        self._held.clear()
        self._progress.lost()

    def _listed(self) -> set[Target]:
        found: set[Target] = set()
        try:
            with self._path.open(encoding="ascii", errors="replace") as lines:
                while len(found) < MAX_HELD and (line := lines.readline(MAX_LINE)):
                    try:
                        found.add(target_of(line))
                    except ValueError:
                        continue  # a comment or an edit of somebody else
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise self._error(error) from error
        return found

    def _error(self, error: OSError) -> EnforcerError:
        return EnforcerError(
            f"enforcers.file.path: {self._path} cannot be used ({error.strerror}); "
            'name a file we may write, or set enforcers.run = ["dry-run"]'
        )


def _replace(path: Path, text: str) -> None:
    """Write beside it, sync, rename, sync the folder (POSIX ``rename``: readers see one or the other)."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
