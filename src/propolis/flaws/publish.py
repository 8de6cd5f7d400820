"""Pushing a lure or a rule to everybody who follows them, and going back: signed versions in the bucket ``lures``."""

import contextlib
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from propolis.clock import Clock
from propolis.flaws.signature import LURE, Cargo, Envelope, SignatureError, decode, encode, sign, verify
from propolis.stream import Refused, Stored, Stream, is_marker, subjects
from propolis.stream.client import WRONG_LAST_SEQUENCE

ATTEMPTS = 5
"""Others may push the same at the same time; whoever was slower tries again this often in all."""


class Published(msgspec.Struct, frozen=True):
    """What was pushed, and its message in the bucket: whoever has dealt with ``sequence`` has dealt with it."""

    envelope: Envelope
    sequence: int


class Publisher:
    """Pushes files signed with ``private``; of what is there it believes what one of the ``trusted`` keys signed."""

    def __init__(
        self,
        stream: Stream,
        private: Ed25519PrivateKey,
        trusted: Sequence[str],
        clock: Clock,
        cargo: Cargo = LURE,
    ) -> None:
        self._stream = stream
        self._private = private
        self._trusted = trusted
        self._clock = clock
        self._cargo = cargo

    async def push(self, name: str, text: str) -> Published:
        """Make a text the next version of this id. Raises :class:`~propolis.errors.StreamError`."""
        return await self._publish(name, text, repeats=0)

    async def roll_back(self, name: str) -> Published:
        """Undo the newest push that still stands: what was before it comes back, or nothing (a withdrawal).

        Raises :class:`SignatureError` when nothing stands, or what was before is not kept any more.
        """
        versions = {envelope.version: envelope for envelope in await self.history(name)}
        newest = versions.get(max(versions, default=0))
        if newest is None or not newest.text:
            raise SignatureError(f"{name}: nothing that was pushed is live; see `{self._cargo.command} list`")
        stands = newest.repeats or newest.version
        if stands == 1:
            return await self._publish(name, "", repeats=0)
        before = versions.get(stands - 1)
        if before is None:
            raise SignatureError(
                f"{name}: the version before {stands} is not kept any more; push the text that you want"
            )
        repeats = (before.repeats or before.version) if before.text else 0
        return await self._publish(name, before.text, repeats=repeats)

    async def history(self, name: str) -> list[Envelope]:
        """The versions of an id that are kept and believed, oldest first."""
        kept = []
        async for stored in self._stream.history(f"KV_{subjects.LURES}", subject=self._cargo.subject(name)):
            with contextlib.suppress(SignatureError):
                kept.append(self._believed(stored, name))
        return kept

    async def _publish(self, name: str, text: str, *, repeats: int) -> Published:
        key = self._cargo.subject(name)
        attempts = ATTEMPTS
        while True:
            last = await self._stream.last(f"KV_{subjects.LURES}", key)
            version = await self._version(last, name) + 1
            plain = Envelope(
                id=name, version=version, made=self._clock.now(), text=text, repeats=repeats, key=""
            )
            envelope = sign(plain, self._private, self._cargo)
            attempts -= 1
            try:
                sequence = await self._stream.put(
                    subjects.LURES,
                    self._cargo.key + name,
                    encode(envelope),
                    last=last.sequence if last else 0,
                )
            except Refused as error:
                if error.code not in WRONG_LAST_SEQUENCE or not attempts:
                    raise
            else:
                return Published(envelope, sequence)

    async def _version(self, last: Stored | None, name: str) -> int:
        """The newest version there is; what nobody signed does not count."""
        if last is None:
            return 0
        with contextlib.suppress(SignatureError):
            return self._believed(last, name).version
        return max((envelope.version for envelope in await self.history(name)), default=0)

    def _believed(self, stored: Stored, name: str) -> Envelope:
        """Raises :class:`SignatureError`."""
        if is_marker(stored.headers):
            raise SignatureError("was deleted")
        envelope = decode(stored.data, self._cargo)
        verify(envelope, self._trusted, self._cargo)
        if envelope.id != name:
            raise SignatureError(f"is another {self._cargo.word}'s")
        return envelope
