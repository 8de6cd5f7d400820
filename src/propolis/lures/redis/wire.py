"""RESP2 and RESP3 on the wire: what clients send to typed requests, values to replies.

Source: the Redis serialization protocol specification, and what Debian's redis-server 7.0 answers to broken input.
"""

import re
from typing import Literal, TypeAlias

import msgspec

from propolis.lures.redis.quoting import split

LINE_BYTES = 65_536
"""The longest inline command or count line (``PROTO_INLINE_MAX_SIZE``)."""
COUNT_MAX = 2**31 - 1
"""The most words a request may announce; how many it may have is bounded by :data:`WORDS_MAX`."""
BULK_MAX = 512 * 1024 * 1024
"""The longest word a request may announce (``proto-max-bulk-len``)."""
REQUEST_BYTES = 1_048_576
"""The most bytes of one unfinished request; the real limit (``client-query-buffer-limit``) is a gigabyte."""
WORDS_MAX = 65_536
"""The most words of one request; a real server has no bound below :data:`COUNT_MAX`."""
REPLY_BYTES = 4_194_304
"""The longest reply to one request."""

Protocol: TypeAlias = Literal[2, 3]


class Status(msgspec.Struct, frozen=True):
    """A simple string, ``+OK``."""

    text: str


class Error(msgspec.Struct, frozen=True):
    """A simple error, its code included: ``ERR syntax error``."""

    text: str


class Many(msgspec.Struct, frozen=True):
    """A RESP3 set (``~``), push (``>``) or pairs (``%``, flat); an array in RESP2."""

    kind: Literal["~", ">", "%"]
    items: list["Value"]


class Verbatim(msgspec.Struct, frozen=True):
    """Text for people: a verbatim string in RESP3, a bulk string in RESP2."""

    text: bytes


class Silence(msgspec.Struct, frozen=True):
    """Nothing at all, as a blocking command answers."""


class NullArray(msgspec.Struct, frozen=True):
    """Null where an array would be; RESP2 writes it ``*-1``."""


class Encoded(msgspec.Struct, frozen=True):
    """A value that was encoded before, for the protocol that is spoken."""

    raw: bytes


class Several(msgspec.Struct, frozen=True):
    """More than one reply to one request (``SUBSCRIBE a b``)."""

    items: list["Value"]


Value: TypeAlias = (
    bytes
    | int
    | float
    | bool
    | list["Value"]
    | Status
    | Error
    | Many
    | Verbatim
    | Silence
    | NullArray
    | Encoded
    | Several
    | None
)

OK = Status("OK")
SILENCE = Silence()
NULL_ARRAY = NullArray()


class Request(msgspec.Struct, frozen=True):
    """One command: its words, at least one, and the bytes that said so."""

    words: list[bytes]
    raw: bytes


class Fault(msgspec.Struct, frozen=True):
    """Bytes that are not RESP: the server's words for it (empty if it says nothing) and the bytes."""

    reason: str
    sample: bytes


_COUNT = re.compile(rb"\*([1-9]\d{0,4})\r\n")
_LENGTH = re.compile(rb"\$(0|[1-9]\d{0,6})\r\n")
"""What almost every client sends; all else is read with care."""


class Reader:
    """Splits a stream of bytes into requests. Keeps at most :data:`REQUEST_BYTES` and one read."""

    __slots__ = ("_buffer", "_bulk", "_held", "_later", "_left", "_place", "_start", "_wanted", "_words")

    def __init__(self) -> None:
        self._buffer = b""
        self._later: list[bytes] = []
        self._held = 0
        self._wanted = 0
        self._start = 0
        self._place = 0
        self._left = 0
        self._bulk = -1
        self._words: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived. They are joined only when they can complete a word, so slow peers cost no copies."""
        self._held += len(data)
        if self._held < self._wanted:
            self._later.append(data)
            return
        if self._later:
            data = b"".join((*self._later, data))
            self._later = []
        if self._start < len(self._buffer):
            data = self._buffer[self._start :] + data
        self._place -= self._start
        self._start = 0
        self._buffer = data
        self._held = len(data)
        self._wanted = 0

    @property
    def unread(self) -> bytes:
        """The bytes of a request that is not complete."""
        return b"".join((self._buffer[self._start :], *self._later))

    def next(self) -> Request | Fault | None:
        """The next request; ``None`` if more bytes are needed. After a fault nothing more can be read."""
        while self._start < len(self._buffer):
            found = None
            if self._held >= self._wanted:
                is_inline = not self._left and self._buffer[self._start] != 0x2A
                found = self._inline() if is_inline else self._multibulk()
            if found is None and (self._held - self._start > REQUEST_BYTES or len(self._words) > WORDS_MAX):
                return Fault("", self.unread)
            if not isinstance(found, Request) or found.words:
                return found
        return None

    def _inline(self) -> Request | Fault | None:
        buffer, start = self._buffer, self._start
        end = _find(buffer, b"\n", start)
        if end < 0:
            return self._fault("too big inline request") if len(buffer) - start > LINE_BYTES else None
        words = split(buffer[start:end].removesuffix(b"\r"))
        return self._fault("unbalanced quotes in request") if words is None else self._finish(words, end + 1)

    def _multibulk(self) -> Request | Fault | None:
        if not self._left:
            found = self._count()
            if not self._left:
                return found
        buffer = self._buffer
        while self._left:
            if self._bulk < 0:
                fault = self._bulk_length()
                if fault is not None or self._bulk < 0:
                    return fault
            end = self._place + self._bulk
            # the two bytes behind a word are passed over unread, as the server does
            if len(buffer) < end + 2:
                self._wanted = end + 2
                return None
            self._words.append(buffer[self._place : end])
            self._place = end + 2
            self._bulk = -1
            self._left -= 1
            if len(self._words) > WORDS_MAX:
                return None
        words, self._words = self._words, []
        return self._finish(words, self._place)

    def _count(self) -> Request | Fault | None:
        """How many words follow, to ``_left``; an empty request if none do."""
        quick = _COUNT.match(self._buffer, self._start)
        if quick:
            self._left = int(quick[1])
            self._place = quick.end()
            return None
        line = self._line(self._start, "too big mbulk count string")
        if not isinstance(line, bytes):
            return line
        count = integer(line[1:])
        if count is None or count > COUNT_MAX:
            return self._fault("invalid multibulk length")
        if count <= 0:
            return self._finish([], self._place)
        self._left = count
        return None

    def _bulk_length(self) -> Fault | None:
        """How long the next word is, to ``_bulk``; it stays -1 if that is not known yet."""
        quick = _LENGTH.match(self._buffer, self._place)
        if quick:
            self._bulk = int(quick[1])
            self._place = quick.end()
            return None
        line = self._line(self._place, "too big bulk count string")
        if not isinstance(line, bytes):
            return line
        if line[:1] != b"$":
            return self._fault(f"expected '$', got '{line[:1].decode('latin-1') or chr(13)}'")
        length = integer(line[1:])
        if length is None or not 0 <= length <= BULK_MAX:
            return self._fault("invalid bulk length")
        self._bulk = length
        return None

    def _line(self, place: int, too_long: str) -> bytes | Fault | None:
        """The count line at ``place`` without its end, which is passed over; ``None`` if it is unfinished."""
        buffer = self._buffer
        end = _find(buffer, b"\r", place)
        if end < 0:
            return self._fault(too_long) if len(buffer) - place > LINE_BYTES else None
        if end + 2 > len(buffer):
            return None
        self._place = end + 2
        return buffer[place:end]

    def _fault(self, reason: str) -> Fault:
        return Fault(reason, self.unread)

    def _finish(self, words: list[bytes], end: int) -> Request:
        request = Request(words, self._buffer[self._start : end])
        self._start = self._place = end
        return request


def _find(buffer: bytes, mark: bytes, place: int) -> int:
    """Where ``mark`` is, -1 if nowhere: the server looks with ``strchr``, which sees nothing behind a NUL."""
    found = buffer.find(mark, place)
    return found if found < 0 or buffer.find(b"\0", place, found) < 0 else -1


_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def integer(text: bytes) -> int | None:
    """A signed 64-bit integer in its only spelling (no ``+``, no leading zeros); ``None`` for anything else."""
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def encode(value: Value, protocol: Protocol, limit: int = REPLY_BYTES) -> bytes | None:
    """A value as RESP; ``None`` if it would be longer than ``limit`` bytes. O(bytes)."""
    if isinstance(value, Status | Error):
        return _shallow(value, protocol, [])
    parts: list[bytes] = []
    waiting: list[Value] = [value]
    size = 0
    while waiting:
        part = _shallow(waiting.pop(), protocol, waiting)
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


def _shallow(value: Value, protocol: Protocol, waiting: list[Value]) -> bytes:
    """A value's own bytes; what it contains is left in ``waiting``, last first."""
    match value:
        case Status(text):
            return b"+%b\r\n" % text.encode("latin-1")
        case Error(text):
            return b"-%b\r\n" % text.encode("latin-1").rstrip(b"\r\n").translate(_ONE_LINE)
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case list():
            waiting.extend(reversed(value))
            return b"*%d\r\n" % len(value)
        case Many(kind, items):
            waiting.extend(reversed(items))
            if protocol == 2:
                return b"*%d\r\n" % len(items)
            return b"%b%d\r\n" % (kind.encode(), len(items) // 2 if kind == "%" else len(items))
        case Several(items):
            waiting.extend(reversed(items))
            return b""
        case Silence():
            return b""
        case Encoded(raw):
            return raw
        case _:
            return _plain3(value) if protocol == 3 else _plain2(value)


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def _plain2(value: float | Verbatim | NullArray | None) -> bytes:
    """What RESP2 has no type of its own for; a bool is 1 or 0."""
    match value:
        case int():
            return b":%d\r\n" % value
        case None:
            return b"$-1\r\n"
        case NullArray():
            return b"*-1\r\n"
        case Verbatim(text):
            return b"$%d\r\n%b\r\n" % (len(text), text)
        case float():
            text = number(value)
            return b"$%d\r\n%b\r\n" % (len(text), text)


def _plain3(value: float | Verbatim | NullArray | None) -> bytes:
    """The same in RESP3."""
    match value:
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b":%d\r\n" % value
        case None | NullArray():
            return b"_\r\n"
        case Verbatim(text):
            return b"=%d\r\ntxt:%b\r\n" % (len(text) + 4, text)
        case float():
            return b",%b\r\n" % number(value)


def number(value: float) -> bytes:
    """A double as the server writes it: 17 significant digits at most."""
    return b"%.17g" % value
