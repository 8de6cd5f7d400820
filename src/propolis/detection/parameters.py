"""What a request gives its application: names with values, wherever in the message they stand.

Query and form (URL Standard, "application/x-www-form-urlencoded"), multipart parts and file names (RFC 7578), the
leaves of JSON (RFC 8259) and the texts of XML, cookies (RFC 6265). Values stay as sent but for the percent encoding of
the place they stand in; a value that is itself base64 of text is given once more as what it encodes. Nothing fails:
what cannot be read is no parameter.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

PARAMETERS = 256
"""How many of a request are looked at."""

BODY_BYTES = 65_536
"""How much of a body is looked at."""

DEPTH = 12
"""How deep JSON may nest; what is deeper is not looked at."""

NESTING = 3
"""How deep bodies may be parts of bodies."""

Pair = tuple[bytes, bytes]

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{6,}={0,2}")
_PRINTABLE = re.compile(rb"[\t\r\n\x20-\x7e]{4,}")
_PART = re.compile(
    rb"content-disposition:[^\r\n]{0,200}?\bname=\"?([^\"\r\n;]*)\"?([^\r\n]*)\r?\n(.*)",
    re.IGNORECASE | re.DOTALL,
)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_FILE = re.compile(rb"\bfilename\*?=(?:\"([^\"\r\n]*)|([^\"\s;]*))", re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary=\"?([^\";\s]{1,70})", re.IGNORECASE)
_XML = re.compile(rb"<([A-Za-z_][\w:.-]{0,80})(?:\s[^<>]*)?>([^<>]{1,4096})</")
_JSON = frozenset({b"{", b"["})
_NESTED = _JSON | {b"<"}
_FORM = re.compile(rb"\s*[\w.%+\[\]\-*$@:]{1,200}=")


def parameters(query: bytes, cookie: bytes, content_type: bytes, body: bytes) -> list[Pair]:
    """Names and values in the order they stand, at most ``PARAMETERS``. O(bytes)."""
    found = islice(_all(query, cookie, content_type, body[:BODY_BYTES]), PARAMETERS)
    pairs: list[Pair] = []
    for name, value in found:
        pairs.append((name, value))
        inner = from_base64(value)
        if inner:
            pairs.append((name, inner))
    return pairs


def _all(query: bytes, cookie: bytes, content_type: bytes, body: bytes) -> Iterator[Pair]:
    yield from _form(query)
    if body:
        yield from _body(content_type, body, NESTING)
    for part in cookie.split(b";") if cookie else ():
        name, _, value = part.partition(b"=")
        yield name.strip(), unquote_to_bytes(value.strip())


def _body(content_type: bytes, body: bytes, nesting: int) -> Iterator[Pair]:
    kind, start = content_type.lower(), body.lstrip()[:1]
    if nesting == 0:
        yield b"", body
    elif b"multipart/" in kind or body.lstrip().startswith(b"--"):
        yield from _multipart(content_type, body, nesting - 1)
    elif start in _JSON:
        yield from _json(body)
    elif start == b"<":
        for match in _XML.finditer(body):
            yield match[1], match[2]
        yield b"", body
    elif b"form-urlencoded" in kind or _FORM.match(body):
        yield from _form(body)
    else:
        yield b"", body


def _form(data: bytes) -> Iterator[Pair]:
    for part in data.split(b"&") if data else ():
        name, equals, value = part.partition(b"=")
        if part:
            name, value = _unquote(name), _unquote(value)
            yield (name, value) if equals else (b"", name)
            if value[:1] in _JSON:
                yield from _json(value)
            elif value[:1] == b"<":
                yield from ((match[1], match[2]) for match in _XML.finditer(value))


def _unquote(data: bytes) -> bytes:
    return unquote_to_bytes(data.replace(b"+", b" "))


def _multipart(content_type: bytes, body: bytes, nesting: int) -> Iterator[Pair]:
    named = _BOUNDARY.search(content_type)
    boundary = b"--" + named[1] if named else body.lstrip().split(b"\n", 1)[0].rstrip()
    for part in islice(body.split(boundary) if boundary else (), 1, PARAMETERS):
        match = _PART.search(part)
        if match is None:
            yield from _body(b"", _EMPTY_LINE.split(part, maxsplit=1)[-1].strip(), nesting)
            continue
        name, rest, content = match[1], match[2], match[3]
        content = _EMPTY_LINE.split(b"\n" + content, maxsplit=1)[-1].strip(b"\r\n")
        file = _FILE.search(rest)
        if file:
            yield name + b".filename", file[1] or file[2] or b""
        yield name, content
        if content[:1] in _NESTED:
            yield from _body(b"", content, nesting)


def _json(body: bytes) -> Iterator[Pair]:
    tree = _tree(body)
    if tree is None:
        yield b"", body
    yield from _leaves(b"", tree, DEPTH)


def _tree(text: bytes) -> Any:
    """What a text of JSON says; None for one that is none."""
    try:
        return msgspec.json.decode(text, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _leaves(name: bytes, node: Any, depth: int) -> Iterator[Pair]:
    if depth == 0:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(str(key).encode("utf-8", "replace"), value, depth - 1)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(name, value, depth - 1)
    elif node is not None:
        text = str(node).encode("utf-8", "replace")
        yield name, text
        if text[:1] in _JSON:
            yield from _leaves(name, _tree(text), depth - 1)


def from_base64(value: bytes) -> bytes:
    """The text that a value is the base64 of, or nothing."""
    if not _BASE64.fullmatch(value):
        return b""
    padded = value.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        text = base64.b64decode(padded + b"=" * (-len(padded) % 4))
    except (binascii.Error, ValueError):
        return b""
    return text if _PRINTABLE.fullmatch(text) else b""
