"""How a TLS client says hello: its ClientHello as fields (RFC 8446, 4.1.2), and the fingerprints JA3 and JA4 of it.

JA4 is an implementation of FoxIO's published method for TLS clients (BSD 3-Clause, "JA4: TLS Client
Fingerprinting"); JA3 of Salesforce's (BSD 3-Clause). No other method of the JA4+ family is here: they have another
licence.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

MAX_MESSAGE_BYTES = 16_384
"""The longest ClientHello that is read; real ones have 200 to 2,000 bytes."""
MAX_RAW_BYTES = 2 * MAX_MESSAGE_BYTES
"""The same with the records around it, which a client may make as small as it likes."""
MAX_RECORD_BYTES = 16_384
"""RFC 8446, 5.1."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_RECORD_HEAD = 5
_MESSAGE_HEAD = 4

SERVER_NAME = 0
SUPPORTED_GROUPS = 10
EC_POINT_FORMATS = 11
SIGNATURE_ALGORITHMS = 13
ALPN = 16
SUPPORTED_VERSIONS = 43

_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NOTHING = "0" * 12


class Hello(msgspec.Struct, frozen=True):
    """A ClientHello. Every list is in the client's order, with the GREASE values (RFC 8701) it has.

    ``version`` is the legacy one; ``extensions`` are types; ``sni`` is empty when no host name was sent. A list whose
    extension is absent, or cannot be read, is empty or ends where it breaks.
    """

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    sni: bytes = b""
    alpn: tuple[bytes, ...] = ()
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    supported_versions: tuple[int, ...] = ()


class NotHello(msgspec.Struct, frozen=True):
    """These bytes do not begin with a ClientHello; ``reason`` says why."""

    reason: str


class Incomplete(msgspec.Struct, frozen=True):
    """More bytes are needed."""


Greeting: TypeAlias = Hello | NotHello | Incomplete


class Listener:
    """Hears bytes, split anywhere, until the ClientHello is whole. O(bytes) in all; keeps :data:`MAX_RAW_BYTES`.

    ``raw`` is all that was heard, what came behind the hello included; ``hello_bytes`` of it are the records that hold
    the hello, 0 while there is none.
    """

    __slots__ = ("_message", "_place", "hello_bytes", "raw")

    def __init__(self) -> None:
        self.raw = bytearray()
        self.hello_bytes = 0
        self._message = bytearray()
        self._place = 0

    def hear(self, data: bytes) -> Greeting:
        """What all the bytes so far are."""
        self.raw += data
        while len(self.raw) - self._place >= _RECORD_HEAD:
            head = self.raw[self._place : self._place + _RECORD_HEAD]
            length = int.from_bytes(head[3:], "big")
            reason = _record_fault(head, length)
            if reason:
                return NotHello(reason)
            end = self._place + _RECORD_HEAD + length
            if len(self.raw) < end:
                break
            self._message += self.raw[self._place + _RECORD_HEAD : end]
            self._place = end
            greeting = read(bytes(self._message))
            if not isinstance(greeting, Incomplete):
                self.hello_bytes = end if isinstance(greeting, Hello) else 0
                return greeting
        if self.raw and not self._place and self.raw[0] != _HANDSHAKE:
            return NotHello(_stranger(self.raw))
        return NotHello("hello too long") if len(self.raw) > MAX_RAW_BYTES else Incomplete()


def _record_fault(head: bytes | bytearray, length: int) -> str:
    if head[0] != _HANDSHAKE:
        return _stranger(head)
    if head[1] != 3:
        return f"record version {head[1]}.{head[2]}"
    return "" if 0 < length <= MAX_RECORD_BYTES else f"record of {length} bytes"


def _stranger(head: bytes | bytearray) -> str:
    is_ssl2 = head[0] & 0x80 and head[2:3] == bytes([_CLIENT_HELLO])
    return "SSL 2.0 hello" if is_ssl2 else f"record type {head[0]}"


def read(message: bytes) -> Greeting:
    """A handshake message without its records, from its type and length on; what follows it is not looked at."""
    if not message:
        return Incomplete()
    if message[0] != _CLIENT_HELLO:
        return NotHello(f"handshake type {message[0]}")
    if len(message) < _MESSAGE_HEAD:
        return Incomplete()
    end = _MESSAGE_HEAD + int.from_bytes(message[1:4], "big")
    if end > MAX_MESSAGE_BYTES:
        return NotHello("hello too long")
    if len(message) < end:
        return Incomplete()
    return _parse(message[_MESSAGE_HEAD:end])


def _parse(body: bytes) -> Hello | NotHello:
    if len(body) < 35:
        return NotHello("hello cut short")
    place = 35 + body[34]  # version, random and session id
    ciphers, place = _vector(body, place, 2)
    if ciphers is None or len(ciphers) % 2:
        return NotHello("cipher suites")
    methods, place = _vector(body, place, 1)
    if methods is None:
        return NotHello("compression methods")
    version = int.from_bytes(body[:2], "big")
    if place == len(body):
        return Hello(version, _words(ciphers))
    block, place = _vector(body, place, 2)
    if block is None or place != len(body):
        return NotHello("extensions")
    extensions: list[tuple[int, bytes]] = []
    place = 0
    while place < len(block):
        content, end = _vector(block, place + 2, 2)
        if content is None:
            return NotHello("extension")
        extensions.append((int.from_bytes(block[place : place + 2], "big"), content))
        place = end
    return _hello(version, _words(ciphers), extensions)


def _hello(version: int, ciphers: tuple[int, ...], extensions: list[tuple[int, bytes]]) -> Hello:
    contents = dict(reversed(extensions))  # of two that are alike, the first counts
    return Hello(
        version,
        ciphers,
        tuple(kind for kind, _ in extensions),
        _server_name(contents.get(SERVER_NAME, b"")),
        tuple(_strings(_list(contents.get(ALPN, b""), 2))),
        _words(_list(contents.get(SUPPORTED_GROUPS, b""), 2)),
        tuple(_list(contents.get(EC_POINT_FORMATS, b""), 1)),
        _words(_list(contents.get(SIGNATURE_ALGORITHMS, b""), 2)),
        _words(_list(contents.get(SUPPORTED_VERSIONS, b""), 1)),
    )


def _vector(data: bytes, place: int, width: int) -> tuple[bytes | None, int]:
    """A vector (RFC 8446, 3.4) whose length takes ``width`` bytes, and where it ends; None if it is cut short."""
    start = place + width
    end = start + int.from_bytes(data[place:start], "big")
    return (data[start:end], end) if start <= len(data) and end <= len(data) else (None, end)


def _list(content: bytes, width: int) -> bytes:
    """The one vector an extension holds; empty if it is cut short."""
    return _vector(content, 0, width)[0] or b""


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data) - 1, 2))


def _strings(data: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(data):
        text, place = _vector(data, place, 1)
        if text is None:
            return
        yield text


def _server_name(content: bytes) -> bytes:
    """The first host name (RFC 6066, 3: a list of entries of a type and a name)."""
    entries = _list(content, 2)
    return _vector(entries, 1, 2)[0] or b"" if entries[:1] == b"\0" else b""


def is_grease(value: int) -> bool:
    """Whether a client sends this only to keep servers tolerant (RFC 8701, 2)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def ja3(hello: Hello) -> str:
    """The JA3 fingerprint: 32 hexadecimal digits."""
    lists: tuple[Iterable[int], ...] = (
        hello.ciphers,
        hello.extensions,
        hello.groups,
        hello.point_formats,
    )
    parts = ["-".join(str(value) for value in values if not is_grease(value)) for values in lists]
    text = ",".join([str(hello.version), *parts])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ja4(hello: Hello, *, quic: bool = False) -> str:
    """The JA4 fingerprint, ``t13d1516h2_8daaf6152771_e5627efa2ab1`` for one; ``quic`` when the hello came in QUIC."""
    ciphers = [value for value in hello.ciphers if not is_grease(value)]
    extensions = [value for value in hello.extensions if not is_grease(value)]
    head = (
        f"{'q' if quic else 't'}{_ja4_version(hello)}{'d' if SERVER_NAME in extensions else 'i'}"
        f"{min(len(ciphers), 99):02d}{min(len(extensions), 99):02d}{_ja4_alpn(hello)}"
    )
    kept = _hexes(sorted(value for value in extensions if value not in {SERVER_NAME, ALPN}))
    algorithms = _hexes(value for value in hello.signature_algorithms if not is_grease(value))
    rest = f"{kept}_{algorithms}" if algorithms else kept
    return f"{head}_{_digest(_hexes(sorted(ciphers)))}_{_digest(rest)}"


def _ja4_version(hello: Hello) -> str:
    offered = [value for value in hello.supported_versions if not is_grease(value)]
    return _VERSIONS.get(max(offered, default=hello.version), "00")


def _ja4_alpn(hello: Hello) -> str:
    """First and last character of the first protocol, or of its hexadecimal form where one is not alphanumeric."""
    names = (
        name for name in hello.alpn if name and not (len(name) == 2 and is_grease(name[0] << 8 | name[1]))
    )
    first = next(names, b"")
    ends = first[:1] + first[-1:]
    if not ends:
        return "00"
    if ends.isalnum():  # of bytes: ASCII letters and digits
        return ends.decode("ascii")
    return first.hex()[0] + first.hex()[-1]


def _hexes(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
