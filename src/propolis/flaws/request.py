"""A request as conditions and expressions see it: fields by name, worked out when they are asked for, and remembered.

Any bytes are a request; what cannot be read is absent.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from propolis.flaws.content import (
    Part,
    Xml,
    fields,
    inflate,
    json_at,
    json_of,
    json_texts,
    parts,
    unchunk,
)
from propolis.flaws.unwrap import MAX_UNWRAPPED, decode, locate, resolve, unquote

MAX_RAW = 1_179_648
"""Bytes of a message that are read: a body of 1 MiB and its head; those after are not seen."""
MAX_XML = 262_144
"""Bytes of a body that are read as XML."""
MAX_NAME = 256
"""Characters of a field's name."""
HTTP_09 = -1
"""The minor version of a request line that names none."""


class Request:
    """One request. ``request["query.id"]`` are bytes, ``None`` if it has no such field.

    ``raw`` is the message as sent and ``content`` its body without transfer coding; ``minor`` the version of
    ``HTTP/1.minor``, :data:`HTTP_09` for a request line without one; ``body_offset`` where the body begins in ``raw``.
    ``sent`` is everything that any field is made of: requests that agree in it agree in every field.
    """

    __slots__ = (
        "_files",
        "_forms",
        "_headers",
        "_json",
        "_known",
        "_lines",
        "_parts",
        "_queries",
        "_xml",
        "body_offset",
        "content",
        "method",
        "minor",
        "path",
        "raw",
        "sent",
        "target",
    )

    def __init__(  # noqa: PLR0917 - a message has as many parts
        self,
        method: bytes,
        target: bytes,
        minor: int,
        lines: Sequence[bytes],
        raw: bytes,
        body_offset: int,
        content: bytes,
    ) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.raw = raw
        self.body_offset = body_offset
        self.content = content
        self.path = locate(target)
        self.sent: tuple[bytes, ...] = (raw,)
        self._lines = lines
        self._known: dict[str, bytes | None] = {"method": method, "target": target, "path": self.path}
        self._headers: dict[bytes, bytes] | None = None
        self._queries: dict[bytes, bytes] | None = None
        self._forms: dict[bytes, bytes] | None = None
        self._parts: tuple[Part, ...] | None = None
        self._json: tuple[Any] | None = None
        self._xml: Xml | None = None

    @classmethod
    def of(  # noqa: PLR0917 - the same
        cls,
        method: bytes,
        target: bytes,
        minor: int,
        lines: Sequence[bytes],
        raw: bytes,
        body_offset: int,
        content: bytes,
        *,
        ja4: bytes = b"",
        ja3: bytes = b"",
        sni: bytes = b"",
    ) -> "Request":
        """A request that somebody has taken apart: ``lines`` are its header lines without their ends."""
        request = cls(method, target, minor, lines, raw, body_offset, content)
        if ja4 or ja3 or sni:
            request._known.update(ja4=ja4 or None, ja3=ja3 or None, sni=sni or None)
            request.sent = (raw, ja4, ja3, sni)
        return request

    @classmethod
    def parse(cls, raw: bytes, *, ja4: bytes = b"", ja3: bytes = b"", sni: bytes = b"") -> "Request":
        """The request that a whole message is (RFC 9112). Never raises; ``raw`` beyond :data:`MAX_RAW` is not seen."""
        raw = raw[:MAX_RAW]
        end = _head_end(raw)
        lines = [line.removesuffix(b"\r") for line in raw[:end].rstrip(b"\r\n").split(b"\n")]
        method, _, rest = lines[0].rstrip(b" ").partition(b" ")
        target, version, minor = rest.rpartition(b" HTTP/1.")
        if not version:
            target, number = rest, HTTP_09
        else:
            number = int(minor) if minor.isdigit() and len(minor) < 4 else 1
        request = cls.of(
            method, target.strip(b" "), number, lines[1:], raw, end, b"", ja4=ja4, ja3=ja3, sni=sni
        )
        request.content = request.framed(raw[end:])
        return request

    def __getitem__(self, field: str) -> bytes | None:
        try:
            return self._known[field]
        except KeyError:
            value = self._known[field] = self._derive(field)
            return value

    def framed(self, rest: bytes) -> bytes:
        """What of the bytes after the head is the content of this request (RFC 9112, 6.3)."""
        if b"chunked" in (self["header.transfer-encoding"] or b"").lower():
            return unchunk(rest)
        length = self["header.content-length"] or b""
        return rest[: int(length)] if length.isdigit() and len(length) < 10 else rest

    def scanned(self) -> bytes:
        """Every view that a literal of a condition may have to be sought in, line breaks between them. O(bytes)."""
        raw, target = self.raw, self.target
        body = self["body"] if self.content else None
        is_apart = body is not None and (body is not self.content or len(body) != len(raw) - self.body_offset)
        is_wrapped = b"%" in raw or b"+" in raw or b"\\" in raw or b"${" in raw
        views = [(self["any"] or b"") if is_wrapped or is_apart else raw]
        if not target.startswith(self.path):
            views.append(self.path)
        if b"%" in target or b"+" in target:
            views.append(unquote(target))
        if body is not None:
            if b"%" in body or b"+" in body:
                views.append(unquote(body))
            if b"\\" in body:
                views += json_texts(self._decoded_json(), with_keys=True)
        return b"\n".join(views) if len(views) > 1 else views[0]

    def _derive(self, field: str) -> bytes | None:
        family, dot, name = field.partition(".")
        if not dot:
            plain = self.PLAIN.get(field)
            return plain(self) if plain else None
        named = self.NAMED.get(family)
        return named(self, name) if named and name else None

    def _query(self) -> bytes | None:
        _, mark, query = self.target.partition(b"?")
        return query if mark else None

    def _query_value(self, name: str) -> bytes | None:
        if self._queries is None:
            self._queries = fields(self["query"] or b"")
        return self._queries.get(_encode(name))

    def _version(self) -> bytes:
        return b"HTTP/0.9" if self.minor == HTTP_09 else b"HTTP/1.%d" % self.minor

    def _host(self) -> bytes | None:
        return self._header(b"host")

    def _header_named(self, name: str) -> bytes | None:
        return self._header(name.lower().encode("latin-1", "replace"))

    def _header(self, name: bytes) -> bytes | None:
        if self._headers is None:
            headers: dict[bytes, bytes] = {}
            for line in self._lines:
                key, _, value = line.partition(b":")
                headers.setdefault(key.strip().lower(), value.strip())
            self._headers = headers
        return self._headers.get(name)

    def _head_block(self) -> bytes:
        start = self.raw.find(b"\n") + 1
        return self.raw[start : self.body_offset].rstrip(b"\r\n") if start else b""

    def _header_names(self) -> bytes:
        return b", ".join(line.partition(b":")[0] for line in self._lines)

    def _cookie(self, name: str) -> bytes | None:
        sought = _encode(name)
        for pair in (self._header(b"cookie") or b"").split(b";"):
            key, mark, value = pair.partition(b"=")
            if mark and key.strip() == sought:
                return value.strip()
        return None

    def _body(self) -> bytes | None:
        coding = self._header(b"content-encoding") if self.content else None
        return (self.content if coding is None else inflate(self.content, coding)) or None

    def _multipart(self) -> tuple[Part, ...]:
        if self._parts is None:
            kind = self._header(b"content-type") or b""
            is_multipart = kind[:64].lstrip().lower().startswith(b"multipart/")
            self._parts = parts(self["body"] or b"", kind) if is_multipart else ()
        return self._parts

    def _file(self, name: str = "") -> bytes | None:
        """The file name of the part of this name, of the first that has one if none is given."""
        sought = _encode(name)
        files = (part for part in self._multipart() if not name or part.name == sought)
        return next((part.file_name for part in files if part.file_name is not None), None)

    def _part(self, name: str) -> bytes | None:
        sought = _encode(name)
        return next((part.content for part in self._multipart() if part.name == sought), None)

    def _form(self, name: str) -> bytes | None:
        if self._forms is None:
            texts = [part for part in reversed(self._multipart()) if part.file_name is None]
            self._forms = (
                {part.name: part.content for part in texts} if texts else fields(self["body"] or b"")
            )
        return self._forms.get(_encode(name))

    def _decoded_json(self) -> Any:  # what JSON can hold
        if self._json is None:
            self._json = (json_of(self["body"] or b""),)
        return self._json[0]

    def _json_body(self) -> bytes | None:
        return None if self._decoded_json() is None else self["body"]

    def _json_at(self, path: str) -> bytes | None:
        value = json_at(self._decoded_json(), path)
        return None if value is None else b" ".join(json_texts(value))

    def _xml_text(self, name: str) -> bytes | None:
        if self._xml is None:
            self._xml = Xml((self["body"] or b"")[:MAX_XML])
        return self._xml.text(_encode(name))

    def _any(self) -> bytes:
        views = [self.raw]
        body = self["body"] or b""
        if body and body not in self.raw:
            views.append(body)
        decoded = decode(b"\n".join(views)[:MAX_UNWRAPPED])
        views.append(decoded)
        if b"${" in decoded:
            views.append(resolve(decoded))
        return b"\n".join(views)

    PLAIN: ClassVar[dict[str, Callable[["Request"], bytes | None]]] = {
        "any": _any,
        "body": _body,
        "file": _file,
        "header_names": _header_names,
        "headers": _head_block,
        "host": _host,
        "json": _json_body,
        "query": _query,
        "raw": lambda request: request.raw,
        "raw_path": lambda request: request.target.partition(b"?")[0],
        "version": _version,
    }
    NAMED: ClassVar[dict[str, Callable[["Request", str], bytes | None]]] = {
        "cookie": _cookie,
        "file": _file,
        "form": _form,
        "header": _header_named,
        "json": _json_at,
        "part": _part,
        "query": _query_value,
        "xml": _xml_text,
    }


PLAIN = frozenset({*Request.PLAIN, "ja3", "ja4", "method", "path", "sni", "target"})
"""The fields that stand for themselves."""
NAMED = frozenset(Request.NAMED)
"""The fields that are named, as in ``query.id``."""


def is_field(name: str) -> bool:
    """Whether conditions and expressions may ask for a field of this name."""
    family, _, rest = name.partition(".")
    return name in PLAIN or (family in NAMED and 0 < len(rest) <= MAX_NAME)


def _encode(name: str) -> bytes:
    return name.encode(errors="surrogatepass")


def _head_end(raw: bytes) -> int:
    """Where the head ends: past its empty line, or the end of what there is. A bare LF ends a line too."""
    crlf = raw.find(b"\n\r\n")
    bare = raw.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(raw))
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else len(raw)
