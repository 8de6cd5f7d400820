"""One connection's TLS, without sockets: bytes from the wire in, steps out.

Every byte of the client's is heard here first, so its ClientHello is kept as it was sent; then OpenSSL has it, and what
it answers, alerts included, is what any server built on it would answer.
"""

import contextlib
import ssl
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from propolis.events import Event, Malformed, TlsOffered
from propolis.events.hello import Hello, Incomplete, Listener, NotHello, ja3, ja4
from propolis.lures import Tls
from propolis.sensors.tls.front import Front

READ_BYTES = 65_536
SAMPLE_BYTES = 4_096
MAX_NAME_CHARS = 1_024
"""Of a server name, and of the protocols a client offers."""

_NO_PROTOCOL = b"\x15\x03\x03\0\2\2\x78"
"""A fatal alert ``no_application_protocol`` (RFC 7301, 3.2); Python's OpenSSL would go on without a protocol."""


class Reported(msgspec.Struct, frozen=True):
    """Something happened that is worth an event."""

    event: Event


class Answered(msgspec.Struct, frozen=True):
    """TLS itself says this to the client."""

    data: bytes


class Opened(msgspec.Struct, frozen=True):
    """The handshake is done: the dialogue begins."""

    tls: Tls


class Received(msgspec.Struct, frozen=True):
    """The client said this inside TLS."""

    data: bytes


class Unprotected(msgspec.Struct, frozen=True):
    """The client does not speak TLS. These are all its bytes so far; the channel takes no more."""

    data: bytes


class Ended(msgspec.Struct, frozen=True):
    """There is nothing more to say on this connection; ``reason`` is a word."""

    reason: str


Step: TypeAlias = Reported | Answered | Opened | Received | Unprotected | Ended


class Channel:
    """TLS with one client. Nothing a client sends raises out of it; it keeps one hello and one record at most."""

    __slots__ = ("_incoming", "_is_open", "_listener", "_outgoing", "_tls", "front", "hello")

    def __init__(self, front: Front) -> None:
        self.front = front
        self._listener: Listener | None = Listener()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._is_open = False
        self.hello: Hello | None = None

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done."""
        return self._is_open

    def receive(self, data: bytes) -> Iterator[Step]:
        """Bytes came. The steps are to be taken in order, each before the next is asked for."""
        if self._listener is not None:
            greeting = self._listener.hear(data)
            if isinstance(greeting, NotHello) and self.front.hears_clear and not _is_tls(self._listener.raw):
                yield Unprotected(bytes(self._listener.raw))
                return
            yield from self._heard(self._listener, greeting)
            if isinstance(greeting, Hello) and self._is_refused(greeting):
                yield Answered(_NO_PROTOCOL)
                yield Ended("tls")
                return
            if not isinstance(greeting, Incomplete):
                self._listener = None
        self._incoming.write(data)
        yield from self._drive()

    def protect(self, data: bytes) -> bytes:
        """What is to be sent so that the client reads ``data``; empty once TLS has ended."""
        if self._tls is None:
            return b""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            return b""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """The alert that ends TLS in order (RFC 8446, 6.1), after everything else."""
        if self._tls is None or not self._is_open:
            return b""
        with contextlib.suppress(ssl.SSLError):  # the client's own goodbye is not waited for
            self._tls.unwrap()
        return self._outgoing.read()

    def _heard(self, listener: Listener, greeting: Hello | NotHello | Incomplete) -> Iterator[Step]:
        match greeting:
            case Hello():
                self.hello = greeting
                yield Reported(_offered(greeting, bytes(listener.raw[: listener.hello_bytes])))
            case NotHello(reason):
                yield Reported(Malformed(f"TLS: {reason}", bytes(listener.raw[:SAMPLE_BYTES])))

    def _is_refused(self, hello: Hello) -> bool:
        front = self.front
        if not (front.protocols and front.profile.refuses_protocols and hello.alpn):
            return False
        return not {name.encode() for name in front.protocols}.intersection(hello.alpn)

    def _drive(self) -> Iterator[Step]:
        if self._tls is None:
            self._tls = self.front.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        reason = ""
        try:
            if not self._is_open:
                self._tls.do_handshake()
                self._is_open = True
                yield from self._answers()
                yield Opened(self._agreed(self._tls))
            while data := self._tls.read(READ_BYTES):
                yield Received(data)
            reason = "peer"
        except ssl.SSLWantReadError:
            pass  # OpenSSL has read all there is
        except ssl.SSLError:
            reason = "tls"
        yield from self._answers()
        if reason:
            yield Ended(reason)

    def _answers(self) -> Iterator[Step]:
        if self._outgoing.pending:
            yield Answered(self._outgoing.read())

    def _agreed(self, tls: ssl.SSLObject) -> Tls:
        hello = self.hello
        if hello is None:  # OpenSSL understood what we did not
            return Tls("", "", "", tls.selected_alpn_protocol() or "")
        return Tls(ja4(hello), ja3(hello), _text(hello.sni), tls.selected_alpn_protocol() or "")


def _is_tls(raw: bytes | bytearray) -> bool:
    """Whether OpenSSL would take this for TLS, or for SSL 2.0's hello."""
    return raw[0] == 0x16 or raw[0] >= 0x80


def _offered(hello: Hello, raw: bytes) -> TlsOffered:
    return TlsOffered(ja4(hello), ja3(hello), _text(hello.sni), _text(b",".join(hello.alpn)), raw)


def _text(data: bytes) -> str:
    return data[:MAX_NAME_CHARS].decode("ascii", "backslashreplace")
