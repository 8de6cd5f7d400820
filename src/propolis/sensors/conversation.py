"""One connection: bytes go to the lure, its effects are carried out, what happened goes to the batcher."""

import asyncio
import ipaddress
import os
import random
import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from propolis.clock import SECOND, Clock
from propolis.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Interaction,
    pack,
    shard_of,
)
from propolis.lures import Effect, Emit, Hangup, Lure, Reply, Visit
from propolis.lures.lure import Knowledge
from propolis.machine.host import Host
from propolis.sensors import proxy, tls
from propolis.sensors.batch import Batcher
from propolis.sensors.limits import Guests, Tally

MAX_UNSENT_BYTES = 256 * 1024
MAX_PROXY_BYTES = proxy.V2_LONGEST
PROXY_SECONDS = 5.0
HANDSHAKE_SECONDS = 60.0
"""How long a client may take for TLS, as nginx lets it (``client_header_timeout``)."""

PATIENT = frozenset({ConnectionOpened, ConnectionClosed})
"""That somebody came or went is evidence of little; it may wait for what was said."""

ORDINARY = frozenset({"peer", "lure", "reset", "tls"})
LASTING_NS = SECOND
"""A connection that ended in one of these ways, sooner, and after something was said needs no event of its own."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What all conversations at one port share."""

    sensor: str
    lure: type[Lure]
    persona: str
    seed: bytes
    machine: Host
    keys: Path
    proxies: tuple[Network, ...]
    max_bytes_in: int
    batcher: Batcher
    guests: Guests[bytes, "Conversation"]
    tally: Tally
    clock: Clock
    random: random.Random
    new_id: Callable[[int], bytes]
    figures: "Figures"
    front: Callable[[], tls.Front] | None = None
    flaws: Knowledge | None = None


class Figures(msgspec.Struct):
    """What a worker counts, for its heartbeat."""

    connections: int = 0
    events: int = 0
    refused: int = 0
    first_connection: int = 0
    last_connection: int = 0


class Conversation(asyncio.Protocol):
    """An asyncio protocol around one lure. Nothing an attacker sends raises out of it."""

    __slots__ = (
        "_bytes_in",
        "_bytes_out",
        "_channel",
        "_connection",
        "_delayed",
        "_hanging_up",
        "_header",
        "_later",
        "_lure",
        "_ordinal",
        "_post",
        "_reason",
        "_transport",
        "_visit",
        "active_at",
        "began_at",
        "last_heard",
        "opened",
    )

    def __init__(self, post: Post) -> None:
        self._post = post
        self._transport: Any = None
        self._connection: Connection | None = None
        self._lure: Lure | None = None
        self._channel: tls.Channel | None = None
        self._visit: Visit | None = None
        self._header: bytearray | None = None
        self._bytes_in = 0
        self._bytes_out = 0
        self._ordinal = 0
        self._hanging_up = False
        self._later = 0.0
        self._delayed: list[Callable[[], None]] = []
        self._reason = "peer"
        self.opened = 0
        self.last_heard = 0
        self.began_at = self.active_at = post.clock.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A handshake completed."""
        self._transport = transport
        self.opened = self.last_heard = self._post.clock.now()
        peer = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        if peer is None or local is None:
            transport.abort()  # type: ignore[attr-defined]  # every stream transport has it
            return
        if self._post.proxies and _is_in(peer[0], self._post.proxies):
            self._header = bytearray()
            asyncio.get_running_loop().call_later(PROXY_SECONDS, self._await_header_no_longer)
            return
        self._begin(peer[0], peer[1], local[0], local[1])

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        post = self._post
        self.last_heard = post.clock.now()
        self.active_at = post.clock.monotonic()
        if self._header is not None:
            data = self._unwrap(data)
        if self._connection is None or self._hanging_up or not data:
            return
        post.guests.touch(self)
        self._bytes_in += len(data)
        if self._bytes_in > post.max_bytes_in:
            post.tally.hit("sensors.max_bytes_in", "a connection was closed")
            self.hang_up("max_bytes_in")
            return
        if self._channel is not None:
            self._follow(self._channel.receive(data))
        elif self._lure is not None:
            self._carry_out(self._lure.receive(data))

    def eof_received(self) -> bool:
        """The client sent all it will; what it is still owed is sent before the connection closes."""
        return bool(self._delayed)

    def pause_writing(self) -> None:
        """The client does not read; it will not make us remember more."""
        self._post.tally.hit("unsent bytes", "a connection was closed")
        self.hang_up("does not read")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        post = self._post
        post.guests.leave(self)
        if self._connection is None:
            return
        lure, self._lure = self._lure, None
        # a visit knows its way back here: without it, everything goes as soon as nobody needs it
        self._visit = self._channel = None
        now = post.clock.now()
        for effect in lure.closed() if lure is not None else ():
            if isinstance(effect, Emit):
                self._report(effect.event, now)
        reason = "reset" if exc is not None and self._reason == "peer" else self._reason
        duration = max(0, now - self.opened)
        if not self._ordinal or duration >= LASTING_NS or reason not in ORDINARY:
            self._report(ConnectionClosed(self._bytes_in, self._bytes_out, duration, reason), now)

    def tell_if_silent(self) -> None:
        """Report the connection if nothing was said on it yet."""
        if not self._ordinal:
            self._report(ConnectionOpened(), self._post.clock.now())

    def hang_up(self, reason: str) -> None:
        """Close without waiting for unsent bytes."""
        self._reason = reason
        self._hanging_up = True
        self._transport.abort()

    def _begin(self, source_ip: str, source_port: int, target_ip: str, target_port: int) -> None:
        post = self._post
        source = pack(source_ip)
        if not post.guests.has_room(source):
            post.figures.refused += 1
            post.tally.hit("sensors.max_connections_per_source", "a connection was refused")
            self._transport.abort()
            return
        leaving = post.guests.enter(self, source)
        if leaving is not None:
            post.tally.hit("sensors.max_connections", "the longest idle connection was closed")
            leaving.hang_up("max_connections")
        self._connection = Connection(
            post.new_id(self.opened),
            self.opened,
            post.sensor,
            post.lure.name,
            source,
            source_port,
            pack(target_ip),
            target_port,
            shard_of(source),
        )
        figures = post.figures
        figures.connections += 1
        figures.first_connection = figures.first_connection or self.opened
        figures.last_connection = self.opened
        visit = Visit(
            source_ip,
            source_port,
            target_ip,
            target_port,
            post.seed,
            post.random,
            post.keys,
            post.persona,
            self._carry_out_later,
            post.clock,
            flaws=post.flaws,
            machine=post.machine,
        )
        if post.front is None:
            self._meet(post.lure(visit))
            return
        self._visit = visit
        self._channel = tls.Channel(post.front())
        asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._await_handshake_no_longer)

    def _meet(self, lure: Lure) -> None:
        self._lure = lure
        greeting = lure.connected()
        if greeting:
            self._carry_out(greeting)

    def _follow(self, steps: Iterable[tls.Step]) -> None:
        """Do what TLS asks for, until somebody hangs up."""
        for step in steps:
            match step:
                case tls.Reported(event):
                    self._report(event, self.last_heard)
                case tls.Answered(data):
                    self._post.batcher.secure()
                    self._write(data)
                case tls.Opened(said) if self._visit is not None:
                    self._meet(self._post.lure(msgspec.structs.replace(self._visit, tls=said)))
                case tls.Received(data) if self._lure is not None:
                    self._carry_out(self._lure.receive(data))
                case tls.Unprotected(data):
                    self._speak_in_clear(data)
                case tls.Ended(reason):
                    self._hang_up_after(0, reason)
            if self._hanging_up:
                return

    def _speak_in_clear(self, data: bytes) -> None:
        post, channel, self._channel = self._post, self._channel, None
        if channel is not None and self._visit is not None:
            self._lure = tls.InClear(post.lure(self._visit), channel.front.profile, post.clock)
            self._carry_out(self._lure.receive(data))

    def _await_handshake_no_longer(self) -> None:
        if self._channel is not None and not self._channel.is_open:
            self.hang_up("tls handshake")

    def _await_header_no_longer(self) -> None:
        if self._header is not None:
            self.hang_up("proxy header")

    def _unwrap(self, data: bytes) -> bytes:
        """Take the PROXY header off the beginning; gives the bytes behind it."""
        header = self._header
        if header is None:
            return data
        header += data
        match proxy.parse(bytes(header)):
            case proxy.Incomplete():
                if len(header) > MAX_PROXY_BYTES:
                    self.hang_up("proxy header")
                return b""
            case proxy.NotProxied(reason):
                self._post.tally.hit("proxy header", f"a proxy sent none: {reason}")
                self.hang_up("proxy header")
                return b""
            case proxy.Proxied(source_ip=""):
                self.hang_up("proxy health check")
                return b""
            case proxy.Proxied() as proxied:
                self._header = None
                self._begin(proxied.source_ip, proxied.source_port, proxied.target_ip, proxied.target_port)
                return bytes(header[proxied.length :])

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        out: list[bytes] = []
        now = self.last_heard
        for effect in effects:
            if type(effect) is Emit:
                self._report(effect.event, now)
            elif type(effect) is Reply:
                if effect.after_seconds or self._delayed:
                    self._flush(out)
                    self._reply_later(effect)
                else:
                    out.append(effect.data)
            elif type(effect) is Hangup:
                self._flush(out)
                self._hang_up_after(effect.after_seconds)
                return
        self._flush(out)

    def _carry_out_later(self, effects: Iterable[Effect]) -> None:
        if self._lure is not None and not self._hanging_up:
            self.last_heard = self._post.clock.now()
            self._carry_out(effects)

    def _flush(self, out: list[bytes]) -> None:
        """Nothing is answered before what it answers is on disk."""
        if out:
            self._post.batcher.secure()
            self._send(b"".join(out) if len(out) > 1 else out[0])
            out.clear()

    def _send(self, data: bytes) -> None:
        self._write(data if self._channel is None else self._channel.protect(data))

    def _write(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._bytes_out += len(data)
            self._transport.write(data)

    def _close(self) -> None:
        if self._channel is not None:
            self._write(self._channel.goodbye())
        self._transport.close()

    def _reply_later(self, reply: Reply) -> None:
        self._post.batcher.secure()
        self._delay(reply.after_seconds, partial(self._send, reply.data))

    def _hang_up_after(self, seconds: float, reason: str = "lure") -> None:
        self._reason = reason
        self._hanging_up = True
        if seconds or self._delayed:
            self._delay(seconds, self._close)
        else:
            self._close()

    def _delay(self, seconds: float, act: Callable[[], None]) -> None:
        """Act after all that was delayed before, however its timers fall."""
        loop = asyncio.get_running_loop()
        self._delayed.append(act)
        self._later = max(self._later, loop.time()) + seconds
        loop.call_at(self._later, self._act_next)

    def _act_next(self) -> None:
        """One of the timers is due; which one does not matter, what is done is the oldest."""
        act = self._delayed.pop(0)
        act()

    def _report(self, event: Event, now: int) -> None:
        connection = self._connection
        if connection is None:
            return
        self._post.figures.events += 1
        self._post.batcher.add(
            Interaction(now, connection, self._ordinal, event), can_wait=type(event) in PATIENT
        )
        self._ordinal += 1


def _is_in(text: str, networks: tuple[Network, ...]) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


_UUID = struct.Struct(">QQ")
_LOW = (1 << 62) - 1


class ConnectionIds:
    """UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, 74 random bits, from a buffered generator."""

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # noqa: S311 - ids are unique, not secret

    def __call__(self, now: int) -> bytes:
        """A new id for something that began at ``now`` (UTC ns)."""
        bits = self._random.getrandbits(74)
        milliseconds = now // 1_000_000 & 0xFFFF_FFFF_FFFF
        return _UUID.pack(milliseconds << 16 | 0x7000 | bits >> 62, 1 << 63 | bits & _LOW)
