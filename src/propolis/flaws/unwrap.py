r"""Undo what a client can wrap bytes in: percent and plus, JSON and IIS escapes, dot segments, Log4j lookups.

Never fails: what is no escape stays as it was sent.
"""

import re
from urllib.parse import unquote_to_bytes

MAX_UNWRAPPED = 65_536
"""Bytes of a text in which escapes are undone; those after stay as sent, for they cost more to read than to send."""
ROUNDS = 3
"""How often escapes are undone: attackers encode twice, rarely three times."""
LOOKUP_ROUNDS = 16
"""How deep Log4j lookups may nest."""

_UNICODE = re.compile(rb"[\\%]u00([0-9a-fA-F]{2})")
# no possessive group: Python before 3.11.4 loses what it captured
_LOOKUP = re.compile(
    rb"\$\{(?:(?:lower|upper):([^${}]*+)|date:'([^${}']*+)'|(?:(?!:-)[^${}])*:-([^${}]*+))\}"
)
_SCHEME_AND_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


def unquote(data: bytes) -> bytes:
    """One level of form encoding undone (URL Standard, 5.1): plus is a space, ``%2f`` a byte."""
    data, rest = data[:MAX_UNWRAPPED], data[MAX_UNWRAPPED:]
    if b"+" in data:
        data = data.replace(b"+", b" ")
    return unquote_to_bytes(data) + rest if b"%" in data else data + rest


def locate(target: bytes) -> bytes:
    """The path of a request target, unescaped once, without dot segments and doubled slashes.

    A climb above the root ends at the root; a broken escape stays (RFC 3986, 5.2.4 and 6.2.2). O(bytes).
    """
    if target[:1] != b"/":
        target = _SCHEME_AND_AUTHORITY.sub(b"", target, count=1)
        if target[:1] != b"/":
            target = b"/" + target
    path = target.partition(b"?")[0].partition(b"#")[0]
    if b"%" in path:
        path = unquote_to_bytes(path)
    return _without_dots(path) if b"/." in path or b"//" in path else path


def _without_dots(path: bytes) -> bytes:
    segments = path.split(b"/")
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    is_folder = segments[-1] in (b"", b".", b"..") and kept
    return b"/" + b"/".join(kept) + (b"/" if is_folder else b"")


def decode(data: bytes) -> bytes:
    r"""Undo escapes and lower the case: ``+``, ``%2f`` (up to ``ROUNDS`` times), ``\u002f``, ``%u002f`` and ``\/``.

    RFC 3986 2.1, the form encoding of the URL Standard, RFC 8259 7. O(bytes).
    """
    return unwrap(data.replace(b"+", b" ")) if is_wrapped(data) else data.lower()


def is_wrapped(data: bytes) -> bool:
    """Whether :func:`decode` could change more than the case."""
    return b"+" in data or b"%" in data or b"\\" in data


def unwrap(data: bytes) -> bytes:
    """What :func:`decode` does, where ``+`` means itself. O(bytes)."""
    for _ in range(ROUNDS):
        before = data
        if b"u00" in data:
            data = _UNICODE.sub(lambda escape: bytes((int(escape[1], 16),)), data)
        if b"%" in data:
            data = unquote_to_bytes(data)
        if data == before:
            break
    return data.replace(b"\\/", b"/").lower()


def resolve(data: bytes) -> bytes:
    """Undo Log4j lookups that stand for text, innermost first.

    Such are ``${lower:j}``, ``${::-j}``, ``${env:X:-j}``, ``${date:'j'}``. What remains is what the library would have
    resolved against the world, such as ``${jndi:...}`` (Apache Log4j 2 manual, Lookups). O(bytes) a round, at most
    ``LOOKUP_ROUNDS``.
    """
    for _ in range(LOOKUP_ROUNDS):
        if b"${" not in data:
            break
        data, changed = _LOOKUP.subn(
            lambda lookup: lookup[lookup.lastindex] if lookup.lastindex else b"", data
        )
        if not changed:
            break
    return data
