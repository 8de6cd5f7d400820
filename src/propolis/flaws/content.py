"""What is in the body of a request: codings undone, forms, multipart, JSON, XML; any bytes, as far as they make sense.

Entities of XML are never expanded, compressed bodies never beyond a bound.
"""

import json
import re
import zlib
from typing import Any

import msgspec

from propolis.flaws.unwrap import MAX_UNWRAPPED, unquote

MAX_CONTENT = 262_144
"""Bytes of a body once it is unchunked and decompressed."""
MAX_FIELDS = 512
"""Fields of a form or a query, elements of XML; those after are not seen."""
MAX_TEXTS = 65_536
"""Values inside a JSON array or object."""
MAX_PARTS = 64
MAX_DEPTH = 64
"""Elements of XML inside one another."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")
_BOUNDARY = re.compile(rb"""(?i)boundary\s*=\s*(?:"([^"]{1,200})"|([^;\s]{1,200}))""")
_NAME = re.compile(rb"""(?i)[;\s]name\s*=\s*(?:"([^"\r\n]*)"|'([^'\r\n]*)'|([^;\s]+))""")
_FILE_NAME = re.compile(rb"""(?i)[;\s]filename\s*=\s*(?:"([^"\r\n]*)"|'([^'\r\n]*)'|([^;\s]+))""")
_MARKUP = re.compile(
    rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[(.*?)(?:\]\]>|\Z)|<[?!][^>]*+>?|<(/?)([^\s<>/!?]++)([^<>]*+)>?", re.DOTALL
)
_REFERENCE = re.compile(rb"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot|apos));")
_ENTITIES = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'"}


class Part(msgspec.Struct, frozen=True):
    """One part of a multipart body (RFC 7578); ``file_name`` is ``None`` for a text field."""

    name: bytes
    file_name: bytes | None
    content: bytes


def unchunk(data: bytes) -> bytes:
    """The content of a chunked body (RFC 9112, 7.1), up to where it breaks or :data:`MAX_CONTENT`."""
    content = bytearray()
    at = 0
    while len(content) < MAX_CONTENT:
        size = _SIZE.match(data, at)
        if size is None or not int(size[1], 16):
            break
        length = int(size[1], 16)
        content += data[size.end() : size.end() + length]
        at = size.end() + length
        at += 2 if data[at : at + 2] == b"\r\n" else 1
    return bytes(content[:MAX_CONTENT])


def inflate(data: bytes, coding: bytes) -> bytes:
    """Content without its ``Content-Encoding`` (gzip or deflate, RFC 9110, 8.4.1), at most :data:`MAX_CONTENT` bytes.

    Of a broken one, what could be read; as it is where nothing could.
    """
    windows = {b"gzip": (31,), b"x-gzip": (31,), b"deflate": (15, -15)}.get(coding.strip().lower(), ())
    for window in windows:
        reader = zlib.decompressobj(window)
        try:
            return reader.decompress(data, MAX_CONTENT)
        except zlib.error:
            continue
    return data


def fields(data: bytes) -> dict[bytes, bytes]:
    """A query or a form (URL Standard, 5.1): the first value of each name, both decoded.

    Read up to :data:`~propolis.flaws.unwrap.MAX_UNWRAPPED` bytes.
    """
    found: dict[bytes, bytes] = {}
    for pair in data[:MAX_UNWRAPPED].split(b"&", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = pair.partition(b"=")
        found.setdefault(unquote(name), unquote(value))
    return found


def parts(data: bytes, kind: bytes) -> tuple[Part, ...]:
    """The parts of a multipart body whose ``Content-Type`` is ``kind``; none if it names no boundary."""
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return ()
    pieces = data.split(b"--" + (boundary[1] or boundary[2]), MAX_PARTS + 1)
    return tuple(part for piece in pieces[1 : MAX_PARTS + 1] if (part := _part(piece)) is not None)


def json_of(data: bytes) -> Any:
    """A JSON text with its numbers as they were written; ``None`` if it is none (or is ``null``)."""
    try:
        return _JSON.decode(data.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None


def json_at(value: Any, path: str) -> Any:
    """What is at a path such as ``a.0.b`` in decoded JSON; keys may hold dots; ``None`` for nothing."""
    keys = path.split(".")
    while keys:
        if isinstance(value, list):
            index = keys.pop(0)
            if not (index.isdecimal() and index.isascii() and len(index) < 6 and int(index) < len(value)):
                return None
            value = value[int(index)]
            continue
        if not isinstance(value, dict):
            return None
        length = next((n for n in range(1, len(keys) + 1) if ".".join(keys[:n]) in value), 0)
        if not length:
            return None
        value = value[".".join(keys[:length])]
        del keys[:length]
    return value


def json_texts(value: Any, *, with_keys: bool = False) -> list[bytes]:
    """The scalars inside a JSON value as bytes, in order, at most :data:`MAX_TEXTS`; its keys too if asked for."""
    found: list[bytes] = []
    waiting = [value]
    while waiting and len(found) < MAX_TEXTS:
        match waiting.pop():
            case dict() as inner:
                items = list(inner.items())[:MAX_TEXTS]
                waiting += [
                    piece
                    for key, held in reversed(items)
                    for piece in ((held, key) if with_keys else (held,))
                ]
            case list() as inner:
                waiting += reversed(inner[:MAX_TEXTS])
            case str() as text:
                found.append(_encode(text))
            case other:
                found.append({True: b"true", False: b"false"}.get(other, b"null"))
    return found


class Xml:
    """The text of the elements of an XML document, by local name; read once, never expanded."""

    __slots__ = ("_places", "_texts")

    def __init__(self, data: bytes) -> None:
        self._texts: list[bytes] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        waiting: list[tuple[bytes, int]] = []
        at = 0
        for count, mark in enumerate(_MARKUP.finditer(data)):
            if count >= MAX_FIELDS * 2:
                break
            self._texts.append(_unrefer(data[at : mark.start()]))
            at = mark.end()
            if mark[1] is not None:
                self._texts.append(mark[1])
            if mark[3] is not None:
                self._take(mark[3].rpartition(b":")[2], waiting, mark)
        end = len(self._texts)
        for name, start in reversed(waiting):
            self._places.setdefault(name, (start, end))

    def text(self, name: bytes) -> bytes | None:
        """The character data of the first element of this local name, its descendants' included."""
        place = self._places.get(name)
        return None if place is None else b"".join(self._texts[place[0] : place[1]]).strip()

    def _take(self, name: bytes, waiting: list[tuple[bytes, int]], mark: re.Match[bytes]) -> None:
        here = len(self._texts)
        if not mark[2]:
            if mark[4].endswith(b"/"):
                self._places.setdefault(name, (here, here))
            elif len(waiting) < MAX_DEPTH:
                self._places.setdefault(name, (here, -1))
                waiting.append((name, here))
            return
        if not any(name == other for other, _ in waiting):
            return
        while waiting:
            opened, start = waiting.pop()
            if self._places[opened] == (start, -1):
                self._places[opened] = (start, here)
            if opened == name:
                break


_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)


def _encode(text: str) -> bytes:
    """UTF-8; bytes that were none come back as they were sent, a lone surrogate as its escape."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


def _part(piece: bytes) -> Part | None:
    head, gap, content = piece.partition(b"\r\n\r\n")
    if not gap:
        head, gap, content = piece.partition(b"\n\n")
    name = _NAME.search(head) if gap else None
    if name is None:
        return None
    file = _FILE_NAME.search(head)
    content = content.removesuffix(b"\n").removesuffix(b"\r")
    return Part(_group(name), None if file is None else _group(file), content)


def _group(found: re.Match[bytes]) -> bytes:
    return next(group for group in found.groups() if group is not None)


def _unrefer(text: bytes) -> bytes:
    return _REFERENCE.sub(_refer, text) if b"&" in text else text


def _refer(found: re.Match[bytes]) -> bytes:
    if found[3]:
        return _ENTITIES[found[3]]
    point = int(found[1], 16) if found[1] else int(found[2])
    return chr(point).encode(errors="replace") if point < 0x110000 else found[0]
