"""Bodies that hold given pieces of text, in the shape of what they are: a page, JSON, XML, plain lines.

Pieces stand in a body exactly as they are given, whatever is put around them.
"""

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias, assert_never

Shape: TypeAlias = Literal["page", "json", "xml", "lines", "tight"]

_HEAD: Final = re.compile(rb"(?i)\s*<(?:title|meta|link|base|style)\b")
_WHOLE: Final = re.compile(rb"(?i)<!doctype|<html|<\?xml|^%PDF|^PK\x03\x04|^\x89PNG|^GIF8|^SQLite")
_KEY: Final = re.compile(r"[A-Za-z0-9_.@:/ -]{1,80}")
_MIME_SHAPES: Final[tuple[tuple[bytes, tuple[Shape, ...]], ...]] = (
    (b"json", ("json", "lines", "tight")),
    (b"xml", ("xml", "lines", "tight")),
    (b"html", ("page", "json", "lines", "tight")),
)
MIMES: Final[dict[Shape, bytes]] = {
    "page": b"text/html; charset=UTF-8",
    "json": b"application/json",
    "xml": b"text/xml; charset=UTF-8",
    "lines": b"text/html; charset=UTF-8",
    "tight": b"text/html; charset=UTF-8",
}


def shapes(pieces: Sequence[bytes], mime: bytes) -> tuple[Shape, ...]:
    """The shapes a body of these pieces may have, the likeliest first; ``mime`` is its type if that is settled."""
    if any(_WHOLE.search(piece) for piece in pieces):
        return ("lines", "tight", "page")
    for word, likely in _MIME_SHAPES:
        if word in mime.lower():
            return ("json", "page", "lines", "tight") if word == b"html" and is_json(pieces) else likely
    if mime:
        return ("lines", "tight", "page")
    if is_json(pieces):
        return ("json", "lines", "page", "tight")
    return ("page", "lines", "tight")


def is_json(pieces: Iterable[bytes]) -> bool:
    """Whether a piece is one of JSON."""
    return any(
        re.match(rb'\s*(?:[{\[]+\s*"|"[^"<>]{0,80}"\s*:|\{\}|\[\]|[\w]+"\s*:)', piece) for piece in pieces
    )


def compose(shape: Shape, pieces: Sequence[bytes], title: str) -> bytes:
    """A body of that shape with all pieces in it; the title is what a page is headed with."""
    match shape:
        case "page":
            return _page(pieces, title)
        case "json":
            return _object(pieces)
        case "xml":
            inner = b"\n".join(pieces)
            return b'<?xml version="1.0" encoding="UTF-8"?>\n<response>\n' + inner + b"\n</response>\n"
        case "lines":
            return b"\n".join(pieces) + (b"\n" if len(pieces) > 1 else b"")
        case "tight":
            return b"".join(pieces)
        case _ as never:
            assert_never(never)


def _page(pieces: Sequence[bytes], title: str) -> bytes:
    head = [piece for piece in pieces if _HEAD.match(piece)]
    body = [piece for piece in pieces if not _HEAD.match(piece)]
    if not any(b"<title" in piece.lower() for piece in head):
        head.insert(0, f"<title>{html.escape(title, quote=False)}</title>".encode())
    return b"\n".join(
        [
            b"<!DOCTYPE html>",
            b"<html>",
            b"<head>",
            b'<meta charset="utf-8">',
            *head,
            b"</head>",
            b"<body>",
            *body,
            b"</body>",
            b"</html>",
            b"",
        ]
    )


def _object(pieces: Sequence[bytes]) -> bytes:
    """One JSON object (or an array of one) in which every piece stands as it was written."""
    opening, closing, members = "{", "}", list[str]()
    notes = 0
    ordered = sorted(pieces, key=lambda piece: not piece.lstrip().startswith((b"{", b"[")))
    for index, piece in enumerate(ordered):
        text = piece.decode("utf-8", "surrogateescape")
        done = _completed(text)
        if done is None:
            notes += 1
            key = "message" if notes == 1 else f"message{notes}"
            members.append(f'"{text}":1' if _KEY.fullmatch(text) else f'"{key}":{_string(text)}')
        elif not done.startswith(("{", "[")):
            members.append(done)
        elif index == 0:
            opening, closing = _brackets(done)
            inner = done[len(opening) : len(done) - len(closing)]
            members += [inner] if inner else []
        else:
            members.append(f'"data{index}":{done}')
    return (opening + ",".join(members) + closing).encode("utf-8", "surrogateescape")


def _brackets(done: str) -> tuple[str, str]:
    """What opens and closes the place where further members go."""
    found = re.match(r"\[\s*\{", done)
    if found and re.search(r"\}\s*\]$", done) and isinstance(json.loads(done)[0], dict):
        tail = re.search(r"\}\s*\]$", done)
        return found[0], tail[0] if tail else "}]"
    return ("{", "}") if done.startswith("{") else (done, "")


def _completed(text: str) -> str | None:
    """A piece made whole: an object, an array, or members of an object; ``None`` if it is no piece of JSON."""
    stripped = text.strip()
    if not re.match(r'[{\["]|[\w-]+"\s*:', stripped):
        return None
    lead = stripped if stripped[0] in '{["' else f'"{stripped}'
    for opened in (lead, "{" + lead):
        closing = _closing(opened)
        for middle in _MIDDLES:
            try:
                tree = json.loads(opened + middle + closing)
            except (ValueError, RecursionError):
                continue
            if isinstance(tree, dict | list):
                whole = opened + middle + closing
                return whole if opened == lead else whole[1:-1]
    return None


_MIDDLES: Final = ("", '"', "1", ":1", '":1', '"x":1')
"""What can be missing where a piece was broken off: a quote, a value, a colon."""


def _closing(opened: str) -> str:
    """The brackets that close what a text has opened outside of strings."""
    stack: list[str] = []
    for mark in re.findall(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\]]', opened, re.DOTALL):
        if mark in {"{", "["}:
            stack.append({"{": "}", "[": "]"}[mark])
        elif mark in {"}", "]"} and stack:
            stack.pop()
    return "".join(reversed(stack))


def _string(text: str) -> str:
    """A JSON string that shows the text as it is where that is possible."""
    return json.dumps(text, ensure_ascii=False) if '"' in text or "\\" in text else f'"{text}"'
