"""The dialogue of a port nobody speaks on: the client's first bytes are the fact."""

from collections.abc import Iterable
from typing import ClassVar

from propolis.events import PayloadReceived
from propolis.lures.lure import Effect, Emit, Hangup, Visit

KEPT_BYTES = 16_384
"""Enough for the first message of any protocol (a TLS ClientHello, an SMB negotiation); then the lure hangs up."""
MAX_CHUNKS = 16
"""A client that writes byte by byte is not listened to for longer than this many writes."""


class TcpLure:
    """Takes the first bytes of whatever comes, TLS, HTTP and SSH included, and tells them as they are."""

    name: ClassVar[str] = "tcp"
    __slots__ = ("_chunks", "_room")

    def __init__(self, _visit: Visit) -> None:
        self._room = KEPT_BYTES
        self._chunks = 0

    def connected(self) -> Iterable[Effect]:
        """Say nothing: a protocol that is spoken to first gives itself away only to its own clients."""
        return ()

    def receive(self, data: bytes) -> Iterable[Effect]:
        """One fact a write, up to the bounds, then the end."""
        if self._room <= 0 or not data:
            return ()
        kept = data[: self._room]
        self._chunks += 1
        self._room = 0 if self._chunks == MAX_CHUNKS else self._room - len(kept)
        told = Emit(PayloadReceived(kept))
        return (told,) if self._room else (told, Hangup())

    def closed(self) -> Iterable[Effect]:
        """Nothing is left to tell."""
        return ()
