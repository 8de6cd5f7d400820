"""From a finding's evidence back to the bytes: the row of the event, from the stream or, later, from the lake."""

from typing import Any

from propolis.errors import CodecError
from propolis.events import unpack
from propolis.events.interaction import decode
from propolis.findings import Evidence
from propolis.stream import Stream, Unreachable, subjects


async def event_of(stream: Stream, evidence: Evidence) -> dict[str, Any] | None:
    """The event's columns by name (absent ones left out), addresses and ids as text, ``payload`` as bytes.

    None when the stream does not keep it any more: ask the lake for ``id = evidence.event``.
    """
    try:
        stored = await stream.message(subjects.EVENTS, evidence.sequence)
    except Unreachable:
        return None
    if stored is None:
        return None
    try:
        batch = decode(stored.data)
    except CodecError:
        return None
    if evidence.row >= batch.num_rows:
        return None
    row: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        value = column[evidence.row]
        if value.is_valid:
            row[name] = value.value if name in {"time", "opened"} else value.as_py()
    for name in ("source_ip", "target_ip"):
        row[name] = unpack(row[name])
    for name in ("id", "connection"):
        row[name] = uuid_text(row[name])
    return row


def uuid_text(raw: bytes) -> str:
    """16 bytes in the text form of RFC 9562."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
