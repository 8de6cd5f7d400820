"""An event as people read it: its fields, and its payload byte by byte. What an attacker wrote is made inert. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from propolis.clock import rfc3339

MAX_FIELD = 2_000
"""Characters of one field that are shown."""
MAX_PAYLOAD = 4_096
"""Bytes of a payload that are shown."""
ROW = 16
"""Bytes of one line of a dump."""

_TIMES = frozenset({"time", "opened"})


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """``fields`` in the order of the schema; ``dump`` and ``text`` are the first bytes of the payload.

    ``bytes_total`` is the whole payload's length, ``bytes_shown`` how much of it is here.
    """

    fields: dict[str, str]
    dump: tuple[str, ...]
    text: str
    bytes_total: int
    bytes_shown: int


def show(event: Mapping[str, Any]) -> Shown:
    """An event's columns by name (times in UTC nanoseconds, ``payload`` as bytes) as something to look at."""
    payload = event.get("payload", b"")
    head = payload[:MAX_PAYLOAD]
    return Shown(
        fields={name: _field(name, value) for name, value in event.items() if name != "payload"},
        dump=tuple(dump(head)),
        text=inert(head.decode("utf-8", "replace").replace("\r\n", "\n"), MAX_PAYLOAD, keep="\n\t"),
        bytes_total=len(payload),
        bytes_shown=len(head),
    )


def dump(data: bytes) -> Iterator[str]:
    """Lines of offset, hexadecimal and ASCII, sixteen bytes each, as ``hexdump -C`` writes them."""
    for offset in range(0, len(data), ROW):
        row = data[offset : offset + ROW]
        left, right = row[: ROW // 2].hex(" "), row[ROW // 2 :].hex(" ")
        ascii_text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{offset:08x}  {left:<23}  {right:<23}  |{ascii_text}|"


def inert(text: str, limit: int = MAX_FIELD, *, keep: str = "") -> str:
    r"""Bounded, and with every character that would not be seen as itself written out (``\x1b``, ``\u202e``).

    Control characters move a terminal's cursor; bidirectional ones make text read as something else (CVE-2021-42574).
    """
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() or c in keep else _escaped(c) for c in shown)
    return f"{shown}…" if len(text) > limit else shown


def lake_question(event: str) -> str:
    """The command that asks the lake for an event by its id."""
    safe = "".join(character for character in event if character in "0123456789abcdef-")
    return f"propolis hunt \"SELECT * FROM interaction WHERE id = '{safe}'\""  # noqa: S608 - shown, never run here


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _field(name: str, value: object) -> str:
    if name in _TIMES and isinstance(value, int):
        return rfc3339(value)
    return inert(str(value))
