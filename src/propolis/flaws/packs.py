"""Lure files in a folder: which there are, which changed, and which cannot be used."""

import os
from pathlib import Path

import msgspec

from propolis.flaws.file import Flaw, FlawError, load

BUILT_IN = Path(__file__).resolve().parent.parent / "lures" / "packs"
"""The lures that come with Propolis."""
MAX_FILES = 20_000
"""Files of one folder; those behind, by name, are left out and refused."""


class Change(msgspec.Struct, frozen=True):
    """What is different since the last look: flaws by id, ids whose file is gone, and the files that cannot be used."""

    changed: dict[str, Flaw]
    removed: frozenset[str]
    refused: tuple[FlawError, ...]


class Pack:
    """The lure files (``*.yaml``) of one folder. A file is read again only when its time or size changed.

    A file that cannot be used any more, perhaps because somebody is still writing it, is refused, and what it said
    before stays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[str, tuple[int, int]] = {}
        self._known: set[str] = set()

    def look(self) -> Change:
        """What changed since the last time; at first everything. Raises :class:`FlawError` for no such folder."""
        stamps, refused = self._listed()
        changed: dict[str, Flaw] = {}
        for name, stamp in stamps.items():
            if self._stamps.get(name) == stamp:
                continue
            try:
                flaw = load(self._folder / name)
            except FlawError as error:
                refused.append(error)
            else:
                changed[flaw.id] = flaw
        removed = {name for name in self._known if f"{name}.yaml" not in stamps}
        self._known = (self._known - removed) | changed.keys()
        self._stamps = stamps
        return Change(changed, frozenset(removed), tuple(refused))

    def _listed(self) -> tuple[dict[str, tuple[int, int]], list[FlawError]]:
        """Time (ns) and size of every lure file by name, in the order of names; and who is one too many."""
        try:
            with os.scandir(self._folder) as entries:
                found = {
                    entry.name: entry.stat()
                    for entry in entries
                    if entry.name.endswith(".yaml") and entry.is_file()
                }
        except OSError as error:
            why = f"cannot be read ({error.strerror}); name a folder with lure files in flaws.packs"
            raise FlawError(self._folder, 0, "", why) from error
        names = sorted(found)
        refused = []
        if len(names) > MAX_FILES:
            why = f"has {len(names)} lure files; the limit is {MAX_FILES}"
            refused.append(FlawError(self._folder, 0, "", why))
        return {name: (found[name].st_mtime_ns, found[name].st_size) for name in names[:MAX_FILES]}, refused
