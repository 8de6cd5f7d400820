"""How a web server reads the head of a request: what it takes, what it refuses, and with which page.

nginx's reading is code (:mod:`propolis.lures.http.wire`); that of every other server is :class:`Rules` of its persona.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import msgspec

from propolis.lures.http import wire
from propolis.lures.http.server import PageName, Rules
from propolis.lures.http.target import resolve

MAX_HEAD_BYTES = 65_536
"""A longer head is refused even where the product has no bound."""
DETAIL_BYTES = 8_192
"""How much of what gave offence a page repeats."""
NOWHERE = b""
"""The path of a target that no file can have."""

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")


class Request(msgspec.Struct, frozen=True):
    """A head that the server takes; ``path`` is what its target resolves to, ``end`` where the head ends."""

    line: wire.RequestLine
    fields: wire.Fields
    framing: wire.Framing
    path: bytes
    end: int


class Refusal(msgspec.Struct, frozen=True):
    """A head that the server refuses: why, with which page (empty: without a word), and what it could read of it.

    ``detail`` is the piece that gave offence, for the products that repeat it.
    """

    reason: str
    page: PageName
    line: wire.RequestLine | None = None
    fields: wire.Fields = wire.Fields((), {})
    detail: bytes = b""


Reading: TypeAlias = Request | Refusal | None
"""``None`` is a head that is not whole yet."""
Reader: TypeAlias = Callable[[bytes], Reading]


def reader(rules: Rules | None) -> Reader:
    """What reads heads as a server with these rules does; nginx if it has none."""
    return read_as_nginx if rules is None else partial(read, _Patterns(rules))


class _Patterns:
    """Rules with their patterns compiled."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.line = _pattern(rules.line)
        self.line_faults = tuple((_pattern(text), reason) for text, reason in rules.line_faults)
        self.begins = _pattern(rules.begins) if rules.begins else None
        self.field = _pattern(rules.field)
        self.field_faults = tuple((_pattern(text), reason) for text, reason in rules.field_faults)
        self.host = _pattern(rules.host)
        self.host_faults = tuple((_pattern(text), reason) for text, reason in rules.host_faults)
        self.coding = _pattern(rules.coding)
        self.unique = frozenset(name.encode() for name in rules.unique)
        self.needs_length = frozenset(name.encode() for name in rules.needs_length)

    def refusal(
        self,
        reason: str,
        line: wire.RequestLine | None = None,
        fields: wire.Fields | None = None,
        detail: bytes = b"",
    ) -> Refusal:
        known = self.rules.refusals
        page = known.get(reason, known.get(reason.partition(" ")[0], "400"))
        return Refusal(reason, page, line, fields or wire.Fields((), {}), detail)


def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode("latin-1"), re.DOTALL)


def read(patterns: _Patterns, sent: bytes) -> Reading:
    """The head that ``sent`` begins with, read by rules. O(bytes); bounded by :data:`MAX_HEAD_BYTES`."""
    rules = patterns.rules
    data = sent.lstrip(b"\r\n")
    skipped = len(sent) - len(data)
    first, newline, _ = data.partition(b"\n")
    if not newline:
        return _unfinished(patterns, data)
    if rules.needs_crlf and not first.endswith(b"\r"):
        return patterns.refusal("bare LF", detail=first)
    first = first.removesuffix(b"\r")
    line = _line(patterns, first, data)
    if isinstance(line, Refusal):
        return None if rules.waits_for_head and not wire.head_end(data) else line
    if line.minor == wire.HTTP_09:
        path = _path(patterns, line, b"")
        if isinstance(path, str):
            return patterns.refusal(path, line)
        return Request(line, wire.Fields((), {}), wire.NO_BODY, path, len(first))
    end = wire.head_end(data)
    block = data[:end] if end else data
    fault = _too_large(patterns, line, first, block)
    if fault:
        return fault
    if not end:
        return None
    if rules.needs_crlf and block.count(b"\n") != block.count(b"\r\n"):
        return patterns.refusal("bare LF", line)
    return _fields(patterns, line, wire.head_lines(block)[1:-1], skipped + end)


def _unfinished(patterns: _Patterns, data: bytes) -> Reading:
    rules = patterns.rules
    limit = rules.line_bytes or rules.head_bytes or MAX_HEAD_BYTES
    if len(data) > limit:
        return patterns.refusal("request line length", detail=data)
    if patterns.begins and not patterns.begins.fullmatch(data):
        return _fault(patterns, patterns.line_faults, data) or patterns.refusal("beginning", detail=data)
    return None


def _fault(
    patterns: _Patterns, faults: tuple[tuple[re.Pattern[bytes], str], ...], text: bytes
) -> Refusal | None:
    for pattern, reason in faults:
        found = pattern.search(text)
        if found:
            return patterns.refusal(
                reason, detail=found[1][:DETAIL_BYTES] if pattern.groups else text[:DETAIL_BYTES]
            )
    return None


def _line(patterns: _Patterns, first: bytes, data: bytes) -> wire.RequestLine | Refusal:
    if patterns.rules.line_bytes and len(first) > patterns.rules.line_bytes:
        return patterns.refusal("request line length")
    match = patterns.line.fullmatch(first)
    if match is None:
        return _fault(patterns, patterns.line_faults, data) or patterns.refusal("request line", detail=first)
    minor = match["minor"]
    if minor is None and patterns.rules.knows_http_09:
        return wire.RequestLine(match["method"], match["target"], wire.HTTP_09)
    return wire.RequestLine(match["method"], match["target"], int(minor or b"0"))


def _too_large(patterns: _Patterns, line: wire.RequestLine, first: bytes, block: bytes) -> Refusal | None:
    rules = patterns.rules
    if len(block) > (rules.head_bytes or MAX_HEAD_BYTES):
        is_line = len(first) - len(b" HTTP/1.1") > (rules.head_bytes or MAX_HEAD_BYTES)
        return patterns.refusal("request line length" if is_line else "head length")
    lines = block.split(b"\n")[1:]
    if rules.field_bytes and any(len(text) - 1 > rules.field_bytes for text in lines):
        return patterns.refusal("field length", line)
    if rules.field_count and len(lines) - 2 > rules.field_count:
        return patterns.refusal("field count", line)
    return None


def _fields(patterns: _Patterns, line: wire.RequestLine, lines: list[bytes], end: int) -> Reading:
    names: list[bytes] = []
    values: dict[bytes, bytes] = {}
    for text in lines:
        name, _, value = text.partition(b":")
        names.append(name)
        lower = name.lower()
        if not patterns.field.fullmatch(text):
            detail = lower + text[len(name) :]
            return _fault(patterns, patterns.field_faults, text) or patterns.refusal(
                "field", line, detail=detail
            )
        if lower in values and lower in patterns.unique:
            return patterns.refusal(
                f"second {lower.decode('latin-1')}", line, wire.Fields(tuple(names), values)
            )
        value = value.strip(b" \t")
        values[lower] = values[lower] + b", " + value if lower in values else value
        if patterns.rules.field_bytes and len(values[lower]) > patterns.rules.field_bytes:
            return patterns.refusal("field length", line)
    fields = wire.Fields(tuple(names), values)
    reason = _host_reason(patterns, line, values)
    if reason:
        host = values.get(b"host", b"")
        known = _fault(patterns, patterns.host_faults, host) if reason == "host" else None
        return known or patterns.refusal(reason, line, fields, host)
    framing = _framing(patterns, line, values)
    if isinstance(framing, str):
        return patterns.refusal(framing, line, fields)
    path = _path(patterns, line, values.get(b"host", b""))
    if isinstance(path, str):
        return patterns.refusal(path, line, fields)
    return Request(line, fields, framing, path, end)


def _host_reason(patterns: _Patterns, line: wire.RequestLine, values: dict[bytes, bytes]) -> str:
    rules = patterns.rules
    host = values.get(b"host")
    if host == b"" and rules.empty_host_is_none:
        host = None
    if host is None:
        return (
            "no host"
            if rules.needs_host and line.minor > 0 and not _has_authority(rules, line, values)
            else ""
        )
    if not patterns.host.fullmatch(host):
        return "host"
    authority = _AUTHORITY.match(line.target)
    return "authority" if authority and authority[1] and not patterns.host.fullmatch(authority[1]) else ""


def _has_authority(rules: Rules, line: wire.RequestLine, values: dict[bytes, bytes]) -> bool:
    return rules.empty_host_is_none and b"host" in values and _AUTHORITY.match(line.target) is not None


def _framing(patterns: _Patterns, line: wire.RequestLine, values: dict[bytes, bytes]) -> wire.Framing | str:
    length, coding = values.get(b"content-length"), values.get(b"transfer-encoding")
    if not patterns.rules.is_strict:
        is_counted = length is not None and length.isdigit() and len(length) <= wire.LENGTH_DIGITS
        return wire.Sized(int(length or b"0")) if is_counted else wire.NO_BODY
    if length is not None and not (length.isdigit() and len(length) <= wire.LENGTH_DIGITS):
        return "content-length"
    if coding is None:
        if length is None and line.method in patterns.needs_length:
            return "no length"
        return wire.NO_BODY if length is None else wire.Sized(int(length))
    if line.minor < 1:
        return "transfer-encoding in HTTP/1.0"
    if not patterns.coding.fullmatch(coding):
        return "transfer-encoding"
    return "content-length and transfer-encoding" if length is not None else wire.Chunked()


def _path(patterns: _Patterns, line: wire.RequestLine, host: bytes) -> bytes | str:
    """The path of a target; :data:`NOWHERE` for one that no file has; as text, why it is refused."""
    ways = patterns.rules.paths
    target = line.target
    path = target.partition(b"?")[0]
    if target == b"*":
        return "path star" if ways.get("star") == "refuse" and line.method != b"OPTIONS" else b"*"
    authority = _AUTHORITY.match(target)
    if authority:
        way = ways.get("absolute", "")
        if way == "refuse" or (way == "match" and host not in (b"", authority[1])):
            return "path absolute"
        if way == "miss":
            return NOWHERE
        path = path[authority.end() :] or b"/"
    elif not path.startswith(b"/"):
        return NOWHERE if ways.get("relative") == "miss" else "path relative"
    for name, is_there in (
        ("fragment", b"#" in target),
        ("double", b"//" in path),
        ("escape", any(found[1] is None for found in _ESCAPE.finditer(path))),
        ("nul", b"%00" in path),
        ("slash", b"%2f" in path.lower()),
    ):
        way = ways.get(name, "")
        if is_there and way in ("refuse", "miss"):
            return f"path {name}" if way == "refuse" else NOWHERE
    return _plain(path, ways.get("climb", ""))


def _plain(path: bytes, climb: str) -> bytes | str:
    if climb == "keep":
        return path
    path = path.partition(b"#")[0]
    text = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]) if found[1] else found[0], path)
    kept: list[bytes] = []
    segments = text.split(b"/")
    for segment in segments[1:]:
        if segment == b"..":
            if not kept and climb:
                return "path climb" if climb == "refuse" else NOWHERE
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    is_folder = segments[-1] in (b"", b".", b"..") and kept
    return b"/" + b"/".join(kept) + (b"/" if is_folder else b"")


def read_as_nginx(sent: bytes) -> Reading:
    """The head that ``sent`` begins with, as nginx 1.22 reads it."""
    data = sent.lstrip(b"\r\n")
    first, newline, _ = data.partition(b"\n")
    line = wire.request_line(first.removesuffix(b"\r")) if newline else None
    if line is None and not wire.may_begin_request(data):
        line = wire.Fault("request line")
    if isinstance(line, wire.Fault):
        return Refusal(line.reason, str(line.page))
    end = wire.head_end(data)
    if line is not None and line.minor == wire.HTTP_09:
        return Request(line, wire.Fields((), {}), wire.NO_BODY, resolve(line.target) or NOWHERE, len(first))
    lines = wire.head_lines(data[:end] if end else data)
    partial_bytes = 0 if end else len(data) - data.rfind(b"\n") - 1
    fault = wire.too_large(lines, partial_bytes, end or len(data))
    if fault:
        return Refusal(fault.reason, str(fault.page), line)
    if not end or line is None:
        return None
    fields = wire.fields(lines[1:-1])
    if isinstance(fields, wire.Fault):
        return Refusal(fields.reason, str(fields.page), line)
    framing = wire.framing(line, fields.values)
    if isinstance(framing, wire.Fault):
        return Refusal(framing.reason, str(framing.page), line, fields)
    path = resolve(line.target)
    if path is None:
        return Refusal("path", "400", line, fields)
    return Request(line, fields, framing, path, len(sent) - len(data) + end)
