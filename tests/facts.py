"""Batches of every family of facts, from a few words; what the examples of rules about counters are made into."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from batches import BEGIN
from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import Family
from propolis.events import Connection, CredentialTried, Interaction, RequestReceived, pack, shard_of
from propolis.events import flow as flows
from propolis.events import interaction as interactions
from propolis.events import key as keys
from propolis.events.flow import Flow
from propolis.findings import Evidence, Finding

ATTACKER = "203.0.113.9"
FLOW = Flow(
    id=bytes(16),
    time=BEGIN,
    end=BEGIN,
    sensor="border",
    shard=shard_of(pack(ATTACKER)),
    source_ip=pack(ATTACKER),
    source_port=40_000,
    target_ip=pack("10.0.0.1"),
    target_port=443,
    protocol=6,
    source_packets=1,
    source_bytes=60,
    target_packets=0,
    target_bytes=0,
    outcome="no answer",
    evidence_class="spoofable",
)

Row = tuple[int, dict[str, Any]]
"""Seconds after the first, and the fields of an example."""


def address(number: int) -> bytes:
    """The nth address of 10.0.0.0/8."""
    return pack(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")


def flow(target: int = 1, port: int = 443, outcome: str = "no answer", **changes: Any) -> Flow:
    source = pack(changes.pop("source", ATTACKER))
    values = {
        "target_ip": address(target),
        "target_port": port,
        "outcome": outcome,
        "source_ip": source,
        **changes,
    }
    return msgspec.structs.replace(FLOW, shard=shard_of(source), **values)


def batch_of_family(family: str, rows: list[Row]) -> Any:
    """A batch that an engine of this family takes."""
    match family:
        case "flow":
            return flows.to_batch([_flow(seconds, **fields) for seconds, fields in rows])
        case "login":
            return _interactions(
                [(when, CredentialTried(str(row["user"]), str(row["secret"]))) for when, row in rows]
            )
        case "name":
            return _interactions([(when, _request(**row)) for when, row in rows])
        case "key":
            return key_batch([(when, row["source"], row["key"]) for when, row in rows])
        case _:
            return tuple(_finding(when, str(row["grade"])) for when, row in rows)


def _flow(seconds: int, target: int, port: int, outcome: str, protocol: int) -> Flow:
    return flow(target, port, outcome, protocol=protocol, time=BEGIN + seconds * SECOND)


def _request(path: str, answered: str) -> RequestReceived:
    return RequestReceived("GET", path, "h", "x", b"", 0, answered=answered)


def _interactions(events: list[tuple[int, Any]], source: str = ATTACKER) -> pa.RecordBatch:
    packed = pack(source)
    return interactions.to_batch(
        [
            Interaction(
                BEGIN + when * SECOND,
                Connection(
                    bytes(16),
                    BEGIN,
                    "edge-1",
                    "ssh",
                    packed,
                    4_000,
                    address(1),
                    22,
                    shard_of(packed),
                    "dialogue",
                ),
                ordinal,
                event,
            )
            for ordinal, (when, event) in enumerate(events)
        ]
    )


def key_batch(rows: list[tuple[int, int, int]]) -> pa.RecordBatch:
    """Seconds, the number of a source, the number of a key."""
    made = [
        {
            "id": bytes(16),
            "time": BEGIN + when * SECOND,
            "sensor": "edge-1",
            "shard": shard_of(address(source)),
            "source_ip": address(source),
            "evidence_class": 2,
            "kind": 0,
            "key": key.to_bytes(16, "big"),
        }
        for when, source, key in rows
    ]
    return pa.RecordBatch.from_pylist(made, schema=keys.SCHEMA)


def _finding(seconds: int, grade: str) -> Finding:
    time = BEGIN + seconds * SECOND
    return Finding(
        id="0" * 32,
        rule="something",
        title="Something",
        source=ATTACKER,
        shard=1,
        grade=grade,
        severity="low",
        confidence=50,
        evidence_class="dialogue",
        first_seen=time,
        last_seen=time,
        found=time,
        count=1,
        sensors=("edge-1",),
        lures=("ssh",),
        evidence=(Evidence("0", time, 1, 0, "x"),),
    )


def counts_of(family: Family, counter: str, rows: list[Row]) -> list[int]:
    """What a counter makes of the rows of one source, from fresh state; its plain reference must say the same."""
    facts = family.read(batch_of_family(family.name, rows), np.array([1, 2], np.uint64))
    slots, turned = np.zeros(facts.count, np.int32), np.zeros(facts.count, np.bool_)
    turned[:1] = True
    given: dict[str, Any] = {}
    for one in family.counters:
        counts = np.zeros(facts.count, np.int32)
        one.count(facts, slots, turned, one.columns(1), given, counts)
        if one.name == counter:
            assert counts.tolist() == one.plain(facts, slots, turned, given)
            return list(counts.tolist())
        given[one.name] = counts
    raise AssertionError(f"{family.name} has no {counter}")


def visits(*runs: dict[str, Any]) -> list[Row]:
    """Rows of flows: each run's fields, ``times`` of them, ``every`` so many seconds."""
    rows, now = list[Row](), 0
    for run in runs:
        fields = {"target": 1, "port": 443, "outcome": "established", "protocol": 6, **run}
        every, times = fields.pop("every", 1), fields.pop("times", 1)
        for _ in range(times):
            rows.append((now, dict(fields)))
            now += every
    return rows
