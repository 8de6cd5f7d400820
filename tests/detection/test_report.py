from uuid import UUID

import numpy as np

from batches import BEGIN, batch_of, built_in, engine_of, opens, tries
from propolis.clock import MILLISECOND
from propolis.detection.columns import Rows
from propolis.detection.draft import Draft
from propolis.detection.report import Place, Reporter, uuid_text
from propolis.detection.trail import firsts
from propolis.events import RequestReceived, pack, shard_of
from propolis.findings import Finding, finding_id

NAMES = [rule.id for rule in built_in().rules]


def write(rows: Rows, draft: Draft, kept: object = None) -> Finding:
    return Reporter(built_in()).write(draft, rows, 28, kept, {}, Place(sequence=5, now=99))


def test_a_finding_says_who_what_when_and_where_the_bytes_are() -> None:
    batch = batch_of([*tries("192.0.2.7", 1), *tries("192.0.2.7", 1)])
    finding = write(Rows(batch), Draft(NAMES.index("credential-tried"), 0, 0, [0, 1], 2, (0,)))
    assert finding.id == finding_id("credential-tried", "192.0.2.7", 28)
    assert (finding.source, finding.shard) == ("192.0.2.7", shard_of(pack("192.0.2.7")))
    assert (finding.first_seen, finding.last_seen, finding.found) == (
        BEGIN - MILLISECOND,
        BEGIN + MILLISECOND,
        99,
    )
    assert (finding.sensors, finding.lures, finding.count) == (("sensor-1",), ("http",), 2)
    assert (finding.grade, finding.severity, finding.confidence, finding.technique) == (
        "attempt",
        "medium",
        90,
        "T1110",
    )
    assert finding.evidence_class == "dialogue"
    first, second = finding.evidence
    assert UUID(first.event).bytes == batch.column("id")[0].as_py()
    assert (first.time, first.sequence, first.row, first.summary) == (
        BEGIN,
        5,
        0,
        "root / secret-0 (password)",
    )
    assert second.row == 1


def test_bare_connections_are_handshakes() -> None:
    rows = Rows(batch_of(opens("192.0.2.7", 22, 23, 24)))
    finding = write(rows, Draft(NAMES.index("port-sweep"), 2, 0, [0, 1, 2], 3, (0,)), firsts(4))
    assert finding.evidence_class == "handshake"
    assert [evidence.summary for evidence in finding.evidence] == ["port 22", "port 23", "port 24"]


def test_a_count_that_began_earlier_begins_with_its_remembered_event() -> None:
    kept = firsts(4)
    kept.id[3], kept.time[3], kept.opened[3], kept.sequence[3], kept.row[3] = (
        np.array([1, 2], np.uint64),
        50,
        40,
        4,
        17,
    )
    rows = Rows(batch_of(tries("192.0.2.7", 1)))
    finding = write(rows, Draft(NAMES.index("password-guessing"), 0, 3, [0], 5, (0,), earlier=3), kept)
    assert finding.first_seen == 40
    first = finding.evidence[0]
    assert (first.event, first.time, first.sequence, first.row) == (
        uuid_text(kept.id[3].tobytes()),
        50,
        4,
        17,
    )
    assert first.summary == "the first of 5"


def test_what_the_source_did_before_raises_confidence() -> None:
    rows = Rows(batch_of(tries("192.0.2.7", 1)))
    before = (1 << NAMES.index("port-sweep"),)
    assert write(rows, Draft(NAMES.index("credential-tried"), 0, 0, [0], 1, before)).confidence == 98


def test_the_evidence_of_a_request_is_its_decisive_bytes() -> None:
    request = RequestReceived("GET", "/.env", "h", "ua", b"GET /.env HTTP/1.1\r\nHost: h\r\n\r\n", 0)
    (finding,), _ = (engine := engine_of()).step(batch_of([("192.0.2.7", request)]), engine.fresh(), 0, 0)
    assert finding.evidence[0].summary == "GET /.env"


def test_the_class_of_attack_and_what_else_it_could_be() -> None:
    raw = b"GET /a?x=..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: h\r\n\r\n"
    request = RequestReceived("GET", "/a", "h", "ua", raw, 0)
    (finding,), _ = (engine := engine_of()).step(batch_of([("192.0.2.7", request)]), engine.fresh(), 0, 0)
    assert (finding.rule, finding.kind, finding.cve) == ("file-read", "file-read", ())
    assert "path-traversal:92" in finding.alternatives


def test_an_id_is_written_as_uuid() -> None:
    assert uuid_text(bytes(range(16))) == str(UUID(bytes=bytes(range(16))))
