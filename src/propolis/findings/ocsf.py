"""Findings as OCSF 1.7 Detection Findings (class 2004)."""

from propolis.clock import MILLISECOND
from propolis.events.ocsf import Ocsf, ocsf_head
from propolis.findings.finding import SEVERITIES, Evidence, Finding

_CREATE = 1
_NEW = 1
_RULE = 1
_ALERTS = frozenset({"attempt", "confirmed"})


def to_ocsf(finding: Finding) -> Ocsf:
    """One finding as an OCSF event; ``finding_info.uid`` is the finding's id, ``evidences[].uid`` are event ids.

    The grade, for which OCSF has no name, stands under ``unmapped``. A technique ``T1110.001`` is OCSF's
    sub-technique of ``T1110``.
    """
    head = ocsf_head(2004, _CREATE, finding.found, finding.id, 1 + SEVERITIES.index(finding.severity))
    info: Ocsf = {
        "uid": finding.id,
        "title": finding.title,
        "analytic": {"uid": finding.rule, "name": finding.rule, "type_id": _RULE},
        "first_seen_time": finding.first_seen // MILLISECOND,
        "last_seen_time": finding.last_seen // MILLISECOND,
        "created_time": finding.found // MILLISECOND,
        "data_sources": list(finding.sensors),
    }
    if finding.technique:
        info["attacks"] = [_attack(finding.technique)]
    return {
        **head,
        "status_id": _NEW,
        "is_alert": finding.grade in _ALERTS,
        "confidence_score": finding.confidence,
        "count": finding.count,
        "start_time": finding.first_seen // MILLISECOND,
        "end_time": finding.last_seen // MILLISECOND,
        "finding_info": info,
        "evidences": [_evidence(evidence, finding.source) for evidence in finding.evidence],
        "vulnerabilities": [{"cve": {"uid": cve}} for cve in finding.cve],
        "observables": [{"name": "evidences[].src_endpoint.ip", "type_id": 2, "value": finding.source}],
        "unmapped": {
            "grade": finding.grade,
            "evidence_class": finding.evidence_class,
            "source": finding.source,
            "shard": finding.shard,
            "lures": list(finding.lures),
        },
    }


def _attack(technique: str) -> Ocsf:
    parent, dot, _ = technique.partition(".")
    attack: Ocsf = {"technique": {"uid": parent}}
    if dot:
        attack["sub_technique"] = {"uid": technique}
    return attack


def _evidence(evidence: Evidence, source: str) -> Ocsf:
    return {
        "uid": evidence.event,
        "name": evidence.summary,
        "src_endpoint": {"ip": source},
        "data": {
            "time": evidence.time // MILLISECOND,
            "stream_sequence": evidence.sequence,
            "row": evidence.row,
        },
    }
