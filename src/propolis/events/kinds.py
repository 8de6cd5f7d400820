"""What a decoy can report: frozen facts in the past tense, without judgement.

A lure says *what* happened. The sensor adds when, and on which connection (:class:`Connection`).
Every field name here is a column of the interaction schema (:mod:`propolis.events.interaction`).
"""

from typing import Literal, TypeAlias

import msgspec

EvidenceClass: TypeAlias = Literal["dialogue", "handshake", "spoofable"]
"""How hard the source address was to forge: bytes were exchanged, a handshake completed, or neither."""


class Connection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One connection to a decoy, as the sensor saw it open.

    ``id`` is a UUIDv7 (RFC 9562) in 16 bytes, ``opened`` UTC nanoseconds, addresses 16 bytes.
    """

    id: bytes
    opened: int
    sensor: str
    lure: str
    source_ip: bytes
    source_port: int
    target_ip: bytes
    target_port: int
    shard: int
    evidence_class: EvidenceClass = "handshake"


class ConnectionOpened(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A handshake completed, and nothing was said for a second; the source address is real.

    Whoever speaks or leaves sooner is told of by what was said, and by :class:`ConnectionClosed`.
    """


class ConnectionClosed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The connection is gone, and that says more than what was said on it: it was silent, long, or ended by a limit.

    ``duration`` in nanoseconds; ``reason`` is a word: ``peer``, ``lure``, ``idle``, ….
    """

    bytes_in: int
    bytes_out: int
    duration: int
    reason: str


class ClientIdentified(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The client's own name for itself, and a fingerprint of how it speaks (HASSH for SSH)."""

    software: str
    fingerprint: str = ""


class CredentialTried(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A user name and a secret (password, or public key in OpenSSH form) were offered. ``method`` names the scheme."""

    username: str
    secret: str
    method: str = "password"
    accepted: bool = False
    payload: bytes = b""


class CommandRun(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A command line was given to the decoy (shell, Redis, …). ``payload`` is what came over the wire."""

    command: str
    payload: bytes = b""


class TlsOffered(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A TLS client said hello. ``payload`` is its ClientHello as sent, TLS records included (RFC 8446, 4.1.2).

    ``ja4`` and ``ja3`` say how it speaks, ``sni`` whom it asked for (RFC 6066, 3), ``alpn`` the protocols it offers
    in its order, separated by commas (RFC 7301, 3.1).
    """

    ja4: str
    ja3: str
    sni: str
    alpn: str
    payload: bytes


class RequestReceived(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An HTTP request: ``path`` is the target as sent, ``payload`` the message, ``body_offset`` where the body is.

    ``flaws`` names the known flaws it asks for as ``id/step:score``, best first, separated by spaces (scores 0 to
    999); ``extracted`` is a JSON object of what was found in it, kind to list of texts; ``answered`` is the
    ``id/step`` that gave the answer, empty when the server's own persona did.
    """

    method: str
    path: str
    host: str
    user_agent: str
    payload: bytes
    body_offset: int
    fingerprint: str = ""
    flaws: str = ""
    extracted: str = ""
    answered: str = ""


class PayloadReceived(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Bytes of a protocol that no lure speaks."""

    payload: bytes


class Malformed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Bytes that break the protocol they came in on; ``reason`` says how."""

    reason: str
    payload: bytes


Event: TypeAlias = (
    ConnectionOpened
    | ConnectionClosed
    | ClientIdentified
    | CredentialTried
    | CommandRun
    | TlsOffered
    | RequestReceived
    | PayloadReceived
    | Malformed
)

KINDS: tuple[type[Event], ...] = (
    ConnectionOpened,
    ConnectionClosed,
    ClientIdentified,
    CredentialTried,
    CommandRun,
    TlsOffered,
    RequestReceived,
    PayloadReceived,
    Malformed,
)
"""Every event class there is; read it and you know all that a decoy can say."""


class Interaction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event in its place: when (UTC nanoseconds), on which connection, and as its how-manieth event."""

    time: int
    connection: Connection
    ordinal: int
    event: Event
