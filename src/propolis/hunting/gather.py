"""What a question may need that is not in the lake yet: events still only in the stream, findings and the ledger."""

import contextlib
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa

from propolis import findings
from propolis.decisions import Decision, Entry, decode_entry
from propolis.errors import CodecError
from propolis.events.interaction import decode
from propolis.stream import Stored, Stream, subjects

MAX_EVENTS_BYTES = 512 * 1024 * 1024
MAX_ROWS = 1_000_000
"""Bounds on what is read from the stream into memory; the lake holds the rest."""

_TIME = pa.timestamp("ns", tz="UTC")
_FINDINGS = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("id", "rule", "title", "source", "grade", "severity", "evidence_class", "technique")
        ),
        *((name, pa.int64()) for name in ("confidence", "count", "shard")),
        *((name, _TIME) for name in ("first_seen", "last_seen", "found")),
        *((name, pa.list_(pa.string())) for name in ("cve", "sensors", "lures", "evidence")),
    ]
)
_LEDGER = pa.schema(
    [
        ("time", _TIME),
        *(
            (name, pa.string())
            for name in (
                "entry",
                "decision",
                "target",
                "action",
                "state",
                "rule",
                "guard",
                "reason",
                "by",
                "finding",
            )
        ),
        ("until", _TIME),
    ]
)


async def gather(
    stream: Stream, committed: int
) -> tuple[Mapping[str, Sequence[tuple[int, pa.RecordBatch]]], Mapping[str, pa.Table]]:
    """Batches after the lake's ``committed`` sequence by event class, and the tables ``finding`` and ``ledger``."""
    unflushed: dict[str, list[tuple[int, pa.RecordBatch]]] = {}
    size = 0
    async with contextlib.aclosing(stream.history(subjects.EVENTS, start=committed + 1)) as history:
        async for stored in history:
            with contextlib.suppress(CodecError):
                unflushed.setdefault(stored.subject.split(".")[1], []).append(
                    (stored.sequence, decode(stored.data))
                )
            size += len(stored.data)
            if size > MAX_EVENTS_BYTES:
                break
    found = [row async for stored in stream.history(subjects.FINDINGS) for row in _findings(stored)]
    entries = [row async for stored in stream.history(subjects.LEDGER) for row in _entry(stored)]
    tables = {
        "finding": pa.Table.from_pylist(found[-MAX_ROWS:], _FINDINGS),
        "ledger": pa.Table.from_pylist(entries[-MAX_ROWS:], _LEDGER),
    }
    return unflushed, tables


def _findings(stored: Stored) -> list[dict[str, object]]:
    try:
        found = findings.decode(stored.data)
    except CodecError:
        return []
    return [
        {**msgspec.structs.asdict(finding), "evidence": [e.event for e in finding.evidence]}
        for finding in found
    ]


def _entry(stored: Stored) -> list[dict[str, object]]:
    try:
        entry = decode_entry(stored.data)
    except CodecError:
        return []
    row: dict[str, object] = {"time": entry.time, "entry": type(entry).__name__, **_words(entry)}
    return [row]


def _words(entry: Entry) -> dict[str, object]:
    said = msgspec.structs.asdict(entry)
    decision = said.get("decision")
    if isinstance(decision, Decision):
        said = {**msgspec.structs.asdict(decision), "decision": decision.id}
    target = said.get("target")
    said["target"] = getattr(target, "value", target)
    return {name: said[name] for name in _LEDGER.names if name in said and name not in {"time", "entry"}}
