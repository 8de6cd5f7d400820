"""Versions as they come over the stream, in any order: who is believed, and which of them is news."""

from collections.abc import Callable, Iterable, Sequence

from propolis.errors import PropolisError
from propolis.flaws.signature import Cargo, Envelope, SignatureError, decode, verify
from propolis.notes import Note
from propolis.stream import Stored, is_marker

MAX_PUSHED = 20_000
"""Pushed ids of one kind; a further one is refused."""
MAX_ID = 80
"""Characters of a key that may be anybody's."""


class Intake:
    """What was pushed of one kind. ``versions`` are the newest that were accepted, by id, withdrawn ones too.

    ``trusted`` gives the public keys, asked anew every time. ``accept`` makes use of a version that is believed and
    new and gives the note of it, or raises :class:`~propolis.errors.PropolisError` with why it cannot; ``refuse`` is
    given an id and why, and gives the note of that.
    """

    def __init__(
        self,
        cargo: Cargo,
        trusted: Callable[[], Sequence[str]],
        accept: Callable[[Envelope], Note],
        refuse: Callable[[str, str], Note],
    ) -> None:
        self._cargo = cargo
        self._trusted = trusted
        self._accept = accept
        self._refuse = refuse
        self.versions: dict[str, int] = {}

    def deliver(self, messages: Iterable[Stored]) -> list[Note]:
        """Messages of the bucket ``lures``: :meth:`take`, or refused if they are no envelopes."""
        notes: list[Note] = []
        envelopes: list[Envelope] = []
        for stored in messages:
            name = stored.subject.removeprefix(self._cargo.subject(""))
            try:
                envelopes.append(self._envelope(stored, name))
            except SignatureError as error:
                notes.append(self._refuse(name[:MAX_ID], str(error)))
        return notes + self.take(envelopes)

    def take(self, envelopes: Iterable[Envelope]) -> list[Note]:
        """Of each id the newest good version is accepted, if it is newer than what is; everything else is refused."""
        notes: list[Note] = []
        trusted = self._trusted()
        by_id: dict[str, list[Envelope]] = {}
        for envelope in envelopes:
            why = self._fault(envelope, trusted)
            if why:
                notes.append(self._refuse(envelope.id, why))
            else:
                by_id.setdefault(envelope.id, []).append(envelope)
        for name, versions in by_id.items():
            known = self.versions.get(name, 0)
            for envelope in sorted(versions, key=lambda version: -version.version):
                if envelope.version > self.versions.get(name, 0):
                    notes.append(self._try(envelope))
                elif envelope.version < known:
                    notes.append(self._older(envelope, known))
        return notes

    def _try(self, envelope: Envelope) -> Note:
        try:
            note = self._accept(envelope)
        except PropolisError as error:
            return self._refuse(envelope.id, str(error))
        self.versions[envelope.id] = envelope.version
        return note

    def _fault(self, envelope: Envelope, trusted: Sequence[str]) -> str:
        """Why a version cannot be believed; empty if it can."""
        try:
            verify(envelope, trusted, self._cargo)
        except SignatureError as error:
            return f"version {envelope.version} {error}"
        if envelope.id not in self.versions and len(self.versions) >= MAX_PUSHED:
            return f"there are {MAX_PUSHED} pushed {self._cargo.word}s already"
        return ""

    def _envelope(self, stored: Stored, name: str) -> Envelope:
        """What a key holds, not yet believed. Raises :class:`SignatureError`."""
        if is_marker(stored.headers):
            cure = f"use `{self._cargo.command} rollback`"
            raise SignatureError(f"its key was deleted, which nobody signed; {cure}")
        envelope = decode(stored.data, self._cargo)
        if envelope.id != name:
            raise SignatureError(
                f"is the {self._cargo.word} {envelope.id[:MAX_ID]!r} under another one's key"
            )
        return envelope

    def _older(self, envelope: Envelope, known: int) -> Note:
        why = f"version {envelope.version} is older than version {known}, which is live"
        return self._refuse(envelope.id, f"{why}; if the stream was set up anew, restart this stage")
