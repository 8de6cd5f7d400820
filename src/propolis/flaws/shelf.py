"""Which version of which lure is live: what was pushed stands before the folder's, that before the built-in ones.

No clock, no stream: whoever follows those tells the shelf what came and takes from it what is different.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from propolis.config import Config
from propolis.flaws.file import Flaw, FlawError, parse
from propolis.flaws.intake import Intake
from propolis.flaws.packs import BUILT_IN, Pack
from propolis.flaws.signature import LURE, Envelope, SignatureError, trusted_keys
from propolis.notes import LureLive, LureRefused, LureRolledBack, Note
from propolis.stream import Stored

Origin: TypeAlias = Literal["pushed", "folder", "built-in"]
ORIGINS: tuple[Origin, ...] = ("pushed", "folder", "built-in")
"""The first that has a lure of some id has its word."""

Prove: TypeAlias = Callable[[Flaw, str, str], None]
"""Given a flaw, its file's text and name, returns if it keeps what its tests promise. Raises :class:`FlawError`."""


class Live(msgspec.Struct, frozen=True):
    """A lure that is live, whence, which version of it was pushed and when (UTC nanoseconds; 0: none was)."""

    flaw: Flaw
    origin: Origin
    version: int = 0
    made: int = 0


class Shelf:
    """The lures of one process.

    ``live`` has what answers, by id; ``versions`` the newest pushed version accepted of each id, withdrawn ones too.
    """

    def __init__(self, trusted: Callable[[], Sequence[str]], folder: Path | None, prove: Prove) -> None:
        self._prove = prove
        self._intake = Intake(LURE, trusted, self._accept, lambda name, why: LureRefused(id=name, why=why))
        self._folders: dict[Origin, Path] = {"built-in": BUILT_IN}
        if folder is not None:
            self._folders["folder"] = folder
        self._packs = {origin: Pack(path) for origin, path in self._folders.items()}
        self._layers: dict[Origin, dict[str, Live]] = {origin: {} for origin in ORIGINS}
        self._touched: set[str] = set()
        self.live: dict[str, Live] = {}

    @property
    def versions(self) -> dict[str, int]:
        """Do not change it."""
        return self._intake.versions

    @classmethod
    def of(cls, config: Config, prove: Prove) -> "Shelf":
        """The shelf of an installation: its folder, and whom it trusts (asked anew every time)."""
        packs = config.flaws.packs
        folder = (config.path.parent / packs).resolve() if packs else None
        return cls(lambda: trusted_keys(config), folder, prove)

    def time(self) -> int:
        """When a file last came into the operator's folder or went (UTC ns); 0 for no folder."""
        try:
            return self._folders["folder"].stat().st_mtime_ns
        except (KeyError, OSError):
            return 0

    def look(self) -> list[Note]:
        """Read the files that changed. Raises :class:`FlawError` for a folder that is not there."""
        notes: list[Note] = []
        for origin, pack in self._packs.items():
            change = pack.look()
            notes += [LureRefused(id=Path(error.file).stem, why=str(error)) for error in change.refused]
            for name in change.removed:
                self._place(origin, name, None)
            for name, flaw in change.changed.items():
                path = self._folders[origin] / f"{name}.yaml"
                notes.append(self._try(Live(flaw, origin), _text_of(path), str(path)))
        return notes

    def deliver(self, messages: Iterable[Stored]) -> list[Note]:
        """Messages of the bucket ``lures`` (keys ``flaw.<id>``): :meth:`take`, or refused if they are no envelopes."""
        return self._intake.deliver(messages)

    def take(self, envelopes: Iterable[Envelope]) -> list[Note]:
        """Pushed versions, in any order: of each lure the newest good one goes live, if it is newer than what is.

        What is not signed by somebody trusted, older, or does not keep what its tests promise is refused.
        """
        return self._intake.take(envelopes)

    def changes(self) -> tuple[tuple[Flaw, ...], frozenset[str]]:
        """The flaws that are new or different, and the ids that are gone, since the last time this was asked."""
        touched, self._touched = self._touched, set()
        changed = tuple(self.live[name].flaw for name in sorted(touched) if name in self.live)
        return changed, frozenset(name for name in touched if name not in self.live)

    def _accept(self, envelope: Envelope) -> Note:
        """Raises :class:`FlawError` or :class:`SignatureError` for a text that cannot go live."""
        name, version = envelope.id, envelope.version
        if not envelope.text:
            self._place("pushed", name, None)
            return LureRolledBack(id=name, version=version, repeats=0)
        file = f"{name}.yaml version {version}"
        flaw = parse(envelope.text, file)
        if flaw.id != name:
            raise SignatureError(f"version {version} calls itself {flaw.id!r}")
        self._prove(flaw, envelope.text, file)
        self._place("pushed", name, Live(flaw, "pushed", version, envelope.made))
        if envelope.repeats:
            return LureRolledBack(id=name, version=version, repeats=envelope.repeats)
        return LureLive(id=name, version=version, origin="pushed")

    def _try(self, lure: Live, text: str, file: str) -> Note:
        """Put a lure in its place if it keeps what its tests promise."""
        flaw = lure.flaw
        try:
            self._prove(flaw, text, file)
        except FlawError as error:
            return LureRefused(id=flaw.id, why=str(error))
        self._place(lure.origin, flaw.id, lure)
        return LureLive(id=flaw.id, version=lure.version, origin=lure.origin)

    def _place(self, origin: Origin, name: str, lure: Live | None) -> None:
        layer = self._layers[origin]
        if lure is None:
            layer.pop(name, None)
        else:
            layer[name] = lure
        before = self.live.pop(name, None)
        after = next((self._layers[each][name] for each in ORIGINS if name in self._layers[each]), None)
        if after is not None:
            self.live[name] = after
        if after is not before:
            self._touched.add(name)


def _text_of(path: Path) -> str:
    """A file's text once more, for the lines of its mistakes; empty if it is gone by now."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
