"""Which version of which lure is live: what was pushed stands before the folder's, that before the built-in ones.

No clock, no stream: whoever follows those tells the shelf what came and takes from it what is different.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from propolis.config import Config
from propolis.flaws.file import Flaw, FlawError, parse
from propolis.flaws.packs import BUILT_IN, Pack
from propolis.flaws.signature import Envelope, SignatureError, decode, trusted_keys, verify
from propolis.notes import LureLive, LureRefused, LureRolledBack, Note
from propolis.stream import Stored, is_marker, subjects

MAX_PUSHED = 20_000
"""Pushed lures; a further one is refused."""
MAX_ID = 80
"""Characters of a key that may be anybody's."""

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
        self._trusted = trusted
        self._prove = prove
        self._folders: dict[Origin, Path] = {"built-in": BUILT_IN}
        if folder is not None:
            self._folders["folder"] = folder
        self._packs = {origin: Pack(path) for origin, path in self._folders.items()}
        self._layers: dict[Origin, dict[str, Live]] = {origin: {} for origin in ORIGINS}
        self._touched: set[str] = set()
        self.live: dict[str, Live] = {}
        self.versions: dict[str, int] = {}

    @classmethod
    def of(cls, config: Config, prove: Prove) -> "Shelf":
        """The shelf of an installation: its folder, and whom it trusts (asked anew every time)."""
        packs = config.flaws.packs
        folder = (config.path.parent / packs).resolve() if packs else None
        return cls(lambda: trusted_keys(config), folder, prove)

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
        notes: list[Note] = []
        envelopes: list[Envelope] = []
        for stored in messages:
            name = stored.subject.removeprefix(subjects.key(subjects.LURES, subjects.FLAW))
            try:
                envelopes.append(_envelope(stored, name))
            except SignatureError as error:
                notes.append(LureRefused(id=name[:MAX_ID], why=str(error)))
        return notes + self.take(envelopes)

    def take(self, envelopes: Iterable[Envelope]) -> list[Note]:
        """Pushed versions, in any order: of each lure the newest good one goes live, if it is newer than what is.

        What is not signed by somebody trusted, older, or does not keep what its tests promise is refused.
        """
        notes: list[Note] = []
        trusted = self._trusted()
        by_id: dict[str, list[Envelope]] = {}
        for envelope in envelopes:
            why = self._fault(envelope, trusted)
            if why:
                notes.append(LureRefused(id=envelope.id, why=why))
            else:
                by_id.setdefault(envelope.id, []).append(envelope)
        for name, versions in by_id.items():
            known = self.versions.get(name, 0)
            for envelope in sorted(versions, key=lambda version: -version.version):
                if envelope.version <= self.versions.get(name, 0):
                    if envelope.version < known:
                        notes.append(_older(envelope, known))
                    continue
                notes.append(self._accept(envelope))
        return notes

    def changes(self) -> tuple[tuple[Flaw, ...], frozenset[str]]:
        """The flaws that are new or different, and the ids that are gone, since the last time this was asked."""
        touched, self._touched = self._touched, set()
        changed = tuple(self.live[name].flaw for name in sorted(touched) if name in self.live)
        return changed, frozenset(name for name in touched if name not in self.live)

    def _fault(self, envelope: Envelope, trusted: Sequence[str]) -> str:
        """Why a version cannot be believed; empty if it can."""
        try:
            verify(envelope, trusted)
        except SignatureError as error:
            return f"version {envelope.version} {error}"
        if envelope.id not in self.versions and len(self.versions) >= MAX_PUSHED:
            return f"there are {MAX_PUSHED} pushed lures already"
        return ""

    def _accept(self, envelope: Envelope) -> Note:
        name, version = envelope.id, envelope.version
        if not envelope.text:
            self.versions[name] = version
            self._place("pushed", name, None)
            return LureRolledBack(id=name, version=version, repeats=0)
        try:
            flaw = parse(envelope.text, f"{name}.yaml")
        except FlawError as error:
            return LureRefused(id=name, why=f"version {version}: {error}")
        if flaw.id != name:
            return LureRefused(id=name, why=f"version {version} calls itself {flaw.id!r}")
        note = self._try(
            Live(flaw, "pushed", version, envelope.made), envelope.text, f"{name}.yaml version {version}"
        )
        if isinstance(note, LureLive):
            self.versions[name] = version
            if envelope.repeats:
                return LureRolledBack(id=name, version=version, repeats=envelope.repeats)
        return note

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


def _envelope(stored: Stored, name: str) -> Envelope:
    """What a key holds, not yet believed. Raises :class:`SignatureError`."""
    if is_marker(stored.headers):
        raise SignatureError("its key was deleted, which nobody signed; use `propolis lures rollback`")
    envelope = decode(stored.data)
    if envelope.id != name:
        raise SignatureError(f"is the lure {envelope.id[:MAX_ID]!r} under another one's key")
    return envelope


def _older(envelope: Envelope, known: int) -> Note:
    why = f"version {envelope.version} is older than version {known}, which is live"
    return LureRefused(id=envelope.id, why=f"{why}; if the stream was set up anew, restart this stage")
