"""FINDING: a judged pattern, with its evidence."""

from propolis.findings.finding import (
    GRADES,
    SEVERITIES,
    Evidence,
    Finding,
    Grade,
    Severity,
    decode,
    encode,
    finding_id,
)

__all__ = [
    "GRADES",
    "SEVERITIES",
    "Evidence",
    "Finding",
    "Grade",
    "Severity",
    "decode",
    "encode",
    "finding_id",
]
