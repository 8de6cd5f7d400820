"""HTTP/1.x requests off the wire (RFC 9112), read as nginx 1.22 reads them: its tolerance, its limits, its refusals.

Nothing is normalised: names keep case and order, the target is what was sent. A request that nginx would refuse
becomes a :class:`Fault` that names the page it would be refused with.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

SMALL_BUFFER = 1_024
"""``client_header_buffer_size``."""
LARGE_BUFFER = 8_192
"""``large_client_header_buffers``: the longest line of a head."""
LARGE_BUFFERS = 4
"""``large_client_header_buffers``: so many of them, then the head is refused; no head grows beyond about 33 KiB."""

LENGTH_DIGITS = 18
"""A longer ``Content-Length`` overflows nginx's ``off_t``."""

HTTP_09 = -1
"""The minor version of a request line without one (HTTP/0.9): an answer without a head, then the end."""

_TARGET = (
    rb"(/[^\x00-\x20\x7f]*|[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9.-]+|\[[A-Za-z0-9:.\-_~!$&'()*+,;=]+\])"
    rb"(?::[0-9]*)?(?:[/?][^\x00-\x20\x7f]*)?)"
)
_LINE = re.compile(rb"([A-Z_-]+) +" + _TARGET + rb"(?: *| +HTTP/1\.([0-9]{1,9}) *)")
_FUTURE = re.compile(rb"[A-Z_-]+ +" + _TARGET + rb" +HTTP/(?:[2-9]|1[0-9])")
_BEGINNING = re.compile(
    rb"[A-Z_-]*|[A-Z_-]+ +(?:[/A-Za-z][^\x00-\x20\x7f]*(?: +(?:H(?:T(?:T(?:P(?:/[0-9.]*)?)?)?)? *)?)?)?\r?"
)
_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?]*)")
_NAME = re.compile(rb"[A-Za-z0-9-]+")
_HOST = re.compile(
    rb"(?!\.?(?::|$))(?:\[[^\x00-\x20/\x7f\]]*\]|(?!.*\.\.)[^\x00-\x20/\x7f:]+)(?::[^\x00-\x20/\x7f]*)?"
)
_UNIQUE = frozenset(
    b"authorization content-length content-range expect host if-match if-modified-since if-none-match "
    b"if-range if-unmodified-since transfer-encoding".split()
)


class Fault(msgspec.Struct, frozen=True):
    """A request nginx refuses: why, and the page (status, or 494 for a head that is too large) it answers with."""

    reason: str
    page: int = 400


class RequestLine(msgspec.Struct, frozen=True):
    """Method, request target and minor version as sent; :data:`HTTP_09` for none."""

    method: bytes
    target: bytes
    minor: int


class Fields(msgspec.Struct, frozen=True):
    """Header names in order and case; values by lower-case name, the first of each."""

    names: tuple[bytes, ...]
    values: dict[bytes, bytes]


class Sized(msgspec.Struct, frozen=True):
    """A body of so many bytes (RFC 9112, 6.2); 0 for none."""

    length: int


class Chunked(msgspec.Struct, frozen=True):
    """A body in chunks (RFC 9112, 7.1)."""


Framing: TypeAlias = Sized | Chunked
NO_BODY = Sized(0)


def head_end(data: bytes) -> int:
    """Where the first head in ``data`` ends: past its empty line; 0 if it does not yet. Bare LF ends a line too."""
    crlf = data.find(b"\n\r\n")
    bare = data.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else 0


def head_lines(block: bytes) -> list[bytes]:
    """The complete lines of a head without their ends; one CR before LF belongs to the end."""
    lines = block.split(b"\r\n")
    if block.count(b"\n") != len(lines) - 1:
        lines = [line.removesuffix(b"\r") for line in block.split(b"\n")]
    lines.pop()
    return lines


def request_line(line: bytes) -> RequestLine | Fault:
    """One line without its end, to its parts."""
    match = _LINE.fullmatch(line)
    if match is None:
        return Fault("version", 505) if _FUTURE.match(line) else Fault("request line")
    method, target, minor = match.groups()
    if minor is None:
        return RequestLine(method, target, HTTP_09)
    if int(minor) // 10 > 99:
        return Fault("version")
    return RequestLine(method, target, int(minor))


def may_begin_request(part: bytes) -> bool:
    """Whether a request line can begin with these bytes; a TLS ClientHello, for one, cannot."""
    return _BEGINNING.fullmatch(part) is not None


@lru_cache(maxsize=4_096)
def _lower(name: bytes) -> bytes | None:
    """The name in lower case; empty if it is to be ignored, ``None`` if it breaks the request."""
    if _NAME.fullmatch(name):
        return name.lower()
    return None if not name or min(name) <= 0x20 or 0x7F in name else b""


def fields(lines: Sequence[bytes]) -> Fields | Fault:
    """Header lines without their ends, to names and values. O(bytes)."""
    text = b"".join(lines)
    if b"\0" in text or (b"\r" in text and any(b"\r" in line.rstrip(b"\r") for line in lines)):
        return Fault("header value")
    names = []
    values: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        names.append(name)
        lower = _lower(name)
        if lower in values:
            if lower in _UNIQUE:
                return Fault(f"second {lower.decode()} header")
            if lower != b"connection":
                continue
        if lower:
            values[lower] = value.strip(b" \r")
        elif lower is None:
            return Fault("header name")
    return Fields(tuple(names), values)


def framing(line: RequestLine, values: dict[bytes, bytes]) -> Framing | Fault:
    """How long the body is (RFC 9112, 6.3), or why nobody can tell: the shapes of request smuggling."""
    fault = _host_fault(line, values.get(b"host"))
    if fault:
        return fault
    length = values.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) <= LENGTH_DIGITS):
        return Fault("content-length")
    coding = values.get(b"transfer-encoding")
    if coding is None:
        return NO_BODY if length is None else Sized(int(length))
    return _coding_fault(line, coding, length) or Chunked()


def _host_fault(line: RequestLine, host: bytes | None) -> Fault | None:
    if host is None and line.minor > 0:
        return Fault("no host")
    if host is not None and not _HOST.fullmatch(host):
        return Fault("host")
    authority = _AUTHORITY.match(line.target)
    return Fault("authority") if authority and not _HOST.fullmatch(authority[1]) else None


def _coding_fault(line: RequestLine, coding: bytes, length: bytes | None) -> Fault | None:
    if line.minor < 1:
        return Fault("transfer-encoding in HTTP/1.0")
    if coding.lower() != b"chunked":
        return Fault("transfer-encoding", 501)
    return Fault("content-length and transfer-encoding") if length is not None else None


def too_large(lines: Sequence[bytes], partial: int, sent: int) -> Fault | None:
    """Whether these lines, ``partial`` bytes of the next and ``sent`` bytes in all overflow nginx's header buffers."""
    if sent < SMALL_BUFFER:
        return None
    room, buffers = SMALL_BUFFER, 0
    for index, length in enumerate([*(len(line) + 2 for line in lines), partial + 1]):
        if length <= room:
            room -= length
            continue
        buffers += 1
        if length > LARGE_BUFFER:
            return Fault("header length", 494) if index else Fault("request line length", 414)
        if buffers > LARGE_BUFFERS:
            return Fault("head length", 494)
        room = LARGE_BUFFER - length
    return None


@lru_cache(maxsize=4_096)
def signature(minor: int, names: tuple[bytes, ...]) -> str:
    """How a client writes its head: minor version, number of headers, and a hash of their names in order and case."""
    digest = hashlib.blake2b(b"\n".join(names), digest_size=8).hexdigest()
    return f"{'09' if minor == HTTP_09 else f'1{minor}'}-{len(names):02d}-{digest}"


class Counted:
    """Finds the end of a body of known length (RFC 9112, 6.2) and keeps the first ``keep`` bytes of it."""

    __slots__ = ("_keep", "_left", "content", "is_broken")

    def __init__(self, length: int, keep: int) -> None:
        self._left = length
        self._keep = keep
        self.content = bytearray()
        self.is_broken = False

    def feed(self, data: bytes, start: int) -> int:
        """Read on from ``start``; where the body ends, or -1 if it goes on."""
        taken = min(self._left, len(data) - start)
        self.content += data[start : start + min(taken, self._keep - len(self.content))]
        self._left -= taken
        return -1 if self._left else start + taken


_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?")
CHUNK_LINE = 4_096
"""The longest chunk size line, extensions included; nginx has no bound of its own."""


class Chunks:
    """Finds the end of a chunked body (RFC 9112, 7.1) and keeps the first ``keep`` bytes of its content."""

    __slots__ = ("_expected", "_keep", "_left", "_line", "content", "is_broken")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._left = 0
        self._line = b""
        self._expected: Literal["size", "end of chunk", "trailer"] = "size"
        self.content = bytearray()
        self.is_broken = False

    def feed(self, data: bytes, start: int) -> int:
        """Read on from ``start``; where the body ends, or -1 if it goes on. A broken one ends where it breaks."""
        position = start
        while position < len(data):
            if self._left:
                position = self._take(data, position)
                continue
            end = data.find(b"\n", position)
            self._line += data[position : end if end >= 0 else len(data)]
            if len(self._line) > CHUNK_LINE or (self._expected == "end of chunk" and self._line.strip(b"\r")):
                self.is_broken = True
                return position
            if end < 0:
                return -1
            position = end + 1
            line, self._line = self._line.removesuffix(b"\r"), b""
            if self._is_last(line) or self.is_broken:
                return position
        return -1

    def _take(self, data: bytes, position: int) -> int:
        taken = min(self._left, len(data) - position)
        self.content += data[position : position + min(taken, self._keep - len(self.content))]
        self._left -= taken
        return position + taken

    def _is_last(self, line: bytes) -> bool:
        """Take one line that is not content; whether it is the empty one that ends the body."""
        match self._expected:
            case "trailer":
                return not line
            case "end of chunk":
                self._expected = "size"
            case "size":
                size = _SIZE.fullmatch(line)
                if size is None:
                    self.is_broken = True
                else:
                    self._left = int(size[1], 16)
                    self._expected = "end of chunk" if self._left else "trailer"
        return False
