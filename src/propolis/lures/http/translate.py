"""Between HTTP/2 and HTTP/1.1: a stream's header list as a message, and a message as a header list (RFC 9113, 8)."""

import hashlib
from collections.abc import Iterable

import msgspec

Fields = list[tuple[bytes, bytes]]

_BROKEN = frozenset(b"\r\n\0")
_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""What concerns one HTTP/1.1 connection only (RFC 9113, 8.2.2)."""


class Unsound(msgspec.Struct, frozen=True):
    """A header list that is no request; ``reason`` says why."""

    reason: str


class Head(msgspec.Struct, frozen=True):
    """A request's header list: pseudo fields by name, the others in order; ``order`` is that of the pseudo fields."""

    pseudo: dict[bytes, bytes]
    fields: tuple[tuple[bytes, bytes], ...]
    order: str

    @property
    def method(self) -> bytes:
        """The method; empty if none was sent."""
        return self.pseudo.get(b":method", b"")

    @property
    def signature(self) -> str:
        """How the client writes its head, as :func:`propolis.lures.http.wire.signature` has it for HTTP/1."""
        names = b"\n".join([self.order.encode(), *(name for name, _ in self.fields)])
        return f"20-{len(self.fields):02d}-{hashlib.blake2b(names, digest_size=8).hexdigest()}"


def head(fields: Iterable[tuple[bytes, bytes]]) -> Head | Unsound:
    """A decoded header list, as the client sent it."""
    pseudo: dict[bytes, bytes] = {}
    plain: Fields = []
    for name, value in fields:
        if _BROKEN.intersection(name) or _BROKEN.intersection(value):
            return Unsound("line end in a header")
        if not name.startswith(b":"):
            plain.append((name, value))
        elif name in pseudo or plain:
            return Unsound("pseudo-header")
        else:
            pseudo[name] = value
    if not pseudo.get(b":method"):
        return Unsound("no method")
    return Head(pseudo, tuple(plain), ",".join(name[1:2].decode("latin-1") for name in pseudo))


def message(asked: Head, body: bytes, *, missing: int = 0) -> bytes:
    """The request as HTTP/1.1; with ``missing`` it says that so many bytes of its body are still to come.

    What HTTP/2 forbids is left in, so that it is seen and refused: a request with ``Transfer-Encoding`` always has a
    length beside it, which is a shape of request smuggling.
    """
    pseudo = asked.pseudo
    authority = pseudo.get(b":authority")
    target = pseudo.get(b":path") or authority or b"/"
    lines = [b"%s %s HTTP/1.1" % (asked.method, target)]
    if authority is not None:
        lines.append(b"host: " + authority)
    cookies = [value for name, value in asked.fields if name == b"cookie"]
    for name, value in asked.fields:
        if name == b"cookie":
            if cookies:
                lines.append(b"cookie: " + b"; ".join(cookies))
                cookies = []
        elif name != b"content-length" and not (name == b"host" and authority is not None):
            lines.append(b"%s: %s" % (name, value))
    names = {name.lower() for name, _ in asked.fields}
    if body or missing or names.intersection((b"content-length", b"transfer-encoding")):
        lines.append(b"content-length: %d" % (len(body) + missing))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Response(msgspec.Struct, frozen=True):
    """A final response: header list with ``:status`` first, and content."""

    fields: Fields
    content: bytes


def response(raw: bytes) -> Response | None:
    """What an HTTP/1.1 server sent, as far as it can be sent in HTTP/2; None if it is no final response."""
    while raw:
        top, _, rest = raw.partition(b"\r\n\r\n")
        lines = top.split(b"\r\n")
        words = lines[0].split(b" ", 2)
        if len(words) < 2 or not (words[1].isdigit() and len(words[1]) == 3):
            return None
        if words[1].startswith(b"1"):
            raw = rest
            continue
        return _response(words[1], lines[1:], rest)
    return None


def _response(status: bytes, lines: list[bytes], rest: bytes) -> Response:
    fields: Fields = [(b":status", status)]
    is_chunked = False
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if name == b"transfer-encoding":
            is_chunked = value.lower() == b"chunked"
        if colon and name and name not in _HOP and not _BROKEN.intersection(name + value):
            fields.append((name, value))
    return Response(fields, _joined(rest) if is_chunked else rest)


def _joined(chunks: bytes) -> bytes:
    """The content of a chunked body of our own (RFC 9112, 7.1)."""
    parts: list[bytes] = []
    place = 0
    while True:
        end = chunks.find(b"\r\n", place)
        digits = chunks[place:end].partition(b";")[0].strip() if end >= 0 else b""
        if not digits or digits.strip(b"0123456789abcdefABCDEF"):
            return b"".join(parts)
        size = int(digits, 16)
        if not size:
            return b"".join(parts)
        parts.append(chunks[end + 2 : end + 2 + size])
        place = end + 4 + size
