"""FINDING: a judged pattern, with its evidence."""

import hashlib
from typing import Literal, TypeAlias

import msgspec

from propolis.errors import CodecError
from propolis.events import EvidenceClass

VERSION = 2

Grade: TypeAlias = Literal["seen", "scan", "attempt", "confirmed"]
"""seen: touched us · scan: looked for something · attempt: satisfies an exploit's grammar, or tried a credential ·
confirmed: used something only our own earlier answer contained."""

GRADES: tuple[Grade, ...] = ("seen", "scan", "attempt", "confirmed")

Severity: TypeAlias = Literal["informational", "low", "medium", "high", "critical"]
"""OCSF ``severity_id`` 1 to 5, by name."""

SEVERITIES: tuple[Severity, ...] = ("informational", "low", "medium", "high", "critical")


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the bytes are: the event's id (UUID text), its time, and its row in a message of the events stream."""

    event: str
    time: int
    sequence: int
    row: int
    summary: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern a rule or behaviour judged, about one source.

    Times are UTC nanoseconds; ``source`` is the address's text form; ``confidence`` 0 to 100.
    ``first_seen`` is t0 of the clock of defence (first packet of the evidence), ``found`` is t1.
    ``id`` is :func:`finding_id`: the same pattern has the same id, so a replay writes it once. ``rule`` is a rule, a
    behaviour or a flaw by its id. ``kind`` is the class of attack (``sqli``, ``traversal``, …), empty where there is
    none; ``alternatives`` is what the evidence could be instead: flaws as ``id/step:score`` (0 to 999), rules as
    ``id:confidence``, best first. Both came with version 2.
    """

    id: str
    rule: str
    title: str
    source: str
    shard: int
    grade: Grade
    severity: Severity
    confidence: int
    evidence_class: EvidenceClass
    first_seen: int
    last_seen: int
    found: int
    count: int
    sensors: tuple[str, ...]
    lures: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    technique: str = ""
    cve: tuple[str, ...] = ()
    kind: str = ""
    alternatives: tuple[str, ...] = ()
    version: int = VERSION


def finding_id(rule: str, key: str, window: int) -> str:
    """32 hex digits from what makes it the same finding: the rule, whom it is about, and the window it fell into."""
    return hashlib.blake2b(f"{rule}\0{key}\0{window}".encode(), digest_size=16).hexdigest()


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[Finding, ...])


def encode(findings: tuple[Finding, ...]) -> bytes:
    """Findings as one JSON array, the payload of a message on ``findings.<lane>``."""
    return _ENCODER.encode(findings)


def decode(data: bytes) -> tuple[Finding, ...]:
    """What :func:`encode` wrote. Raises :class:`~propolis.errors.CodecError` naming the first field at fault."""
    try:
        findings = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why, _, where = str(error).partition(" - at ")
        raise CodecError("findings", where.strip("`") or f"{len(data)} bytes", why) from error
    for index, finding in enumerate(findings):
        if finding.version > VERSION:
            raise CodecError(
                "findings",
                f"$[{index}].version",
                f"is {finding.version}, newer than {VERSION}: update this host",
            )
    return findings
