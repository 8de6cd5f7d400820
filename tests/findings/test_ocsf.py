"""A finding is a valid OCSF Detection Finding that cites its events."""

from typing import Any

from hypothesis import HealthCheck, given, settings

from nouns import findings
from propolis.findings import Finding
from propolis.findings.ocsf import to_ocsf


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(finding=findings())
def test_a_finding_is_a_valid_detection_finding(ocsf: Any, finding: Finding) -> None:
    event = to_ocsf(finding)
    ocsf("DetectionFinding", event)
    assert event["metadata"]["uid"] == event["finding_info"]["uid"] == finding.id
    assert [one["uid"] for one in event["evidences"]] == [one.event for one in finding.evidence]
    assert [one["cve"]["uid"] for one in event["vulnerabilities"]] == list(finding.cve)
    assert event["unmapped"]["grade"] == finding.grade
    assert event["confidence_score"] == finding.confidence


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(finding=findings())
def test_severity_and_technique_have_ocsfs_numbers_and_places(finding: Finding) -> None:
    event = to_ocsf(finding)
    names = {1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical"}
    assert names[event["severity_id"]] == finding.severity
    attacks = event["finding_info"].get("attacks", [])
    expected = {
        "": [],
        "T1110": [{"technique": {"uid": "T1110"}}],
        "T1110.001": [{"technique": {"uid": "T1110"}, "sub_technique": {"uid": "T1110.001"}}],
    }
    assert attacks == expected[finding.technique]
