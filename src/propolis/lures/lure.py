"""The contract of a lure: bytes in, effects out; no sockets, and no clock but the one it is given.

The sensor makes one lure per connection, feeds it what arrives, and carries out what it answers. Nothing an
attacker sends may raise out of a lure, grow memory past its named limits, or make it reach out.
"""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias

import msgspec

from propolis.clock import Clock, SystemClock
from propolis.events import Event
from propolis.events.canary import Mint
from propolis.flaws.index import Catalogue
from propolis.flaws.session import Sessions
from propolis.machine.host import Host, host_of


class Reply(msgspec.Struct, frozen=True):
    """Send these bytes, after this many seconds (a recorded product's own delay, not a network's)."""

    data: bytes
    after_seconds: float = 0.0


class Emit(msgspec.Struct, frozen=True):
    """Report a fact. The sensor adds when, and on which connection."""

    event: Event


class Hangup(msgspec.Struct, frozen=True):
    """Close the connection once everything replied so far is sent, after this many seconds."""

    after_seconds: float = 0.0


Effect: TypeAlias = Reply | Emit | Hangup


class Tls(msgspec.Struct, frozen=True):
    """How the client came through TLS: what it speaks like, whom it asked for, and the protocol agreed on (ALPN)."""

    ja4: str
    ja3: str
    sni: str = ""
    alpn: str = ""


class Knowledge(Protocol):
    """What a sensor knows of flaws just now, shared by all its visits; the catalogue changes while they go on."""

    sessions: Sessions
    mint: Mint

    @property
    def catalogue(self) -> Catalogue:
        """Every flaw that is recognised."""
        ...

    def plays(self, port: int) -> frozenset[str]:
        """The products that answer on this port."""
        ...

    def server(self, port: int) -> str:
        """The web server that this port pretends to be; empty: the host persona's."""
        ...

    def recognised(self, flaws: tuple[str, ...]) -> None:
        """Count a request that goes for these flaws."""
        ...


class Visit(msgspec.Struct, frozen=True):
    """What a lure may know of the connection it plays on.

    ``persona`` names what this sensor pretends to be; ``seed`` is stable per sensor and port, so two sensors do not
    look alike and one sensor does not change; ``machine`` is what all its ports stand on. ``later`` takes effects that
    a dialogue produces in its own time (only a lure whose protocol library works that way needs it); ``random`` is for
    challenges and cookies. ``keys`` is the folder where a lure keeps what must survive a restart (host keys). ``clock``
    serves what a protocol says of time (``Date``, uptimes, expiry), never a judgement. ``tls`` is there when the
    dialogue is inside TLS, ``flaws`` where vulnerability lures are played.
    """

    source_ip: str
    source_port: int
    target_ip: str
    target_port: int
    seed: bytes
    random: random.Random
    keys: Path
    persona: str = ""
    later: Callable[[Iterable[Effect]], None] = lambda _: None
    clock: Clock = SystemClock()
    tls: Tls | None = None
    flaws: Knowledge | None = None
    machine: Host = host_of(b"")


class Lure(Protocol):
    """One dialogue with one client.

    A lure that is found behind TLS may have an attribute ``alpn: ClassVar[tuple[str, ...]]``: the protocols it speaks
    by their ALPN names (RFC 7301). The sensor offers those of them that the product it plays would offer.
    """

    name: ClassVar[str]
    """The protocol, as configuration and events name it."""

    def __init__(self, visit: Visit) -> None: ...

    def connected(self) -> Iterable[Effect]:
        """The connection is open: a server that speaks first greets here."""
        ...

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Bytes arrived, split anywhere."""
        ...

    def closed(self) -> Iterable[Effect]:
        """The client is gone; only :class:`Emit` means anything now."""
        ...
