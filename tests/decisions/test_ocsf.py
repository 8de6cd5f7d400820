"""A decision and its acknowledgement are valid OCSF Network Remediation Activities."""

from typing import Any

from hypothesis import HealthCheck, given, settings

from nouns import acknowledgements, decisions
from propolis.decisions import Acknowledgement, Decision
from propolis.decisions.ocsf import acknowledgement_to_ocsf, to_ocsf


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(decision=decisions())
def test_a_decision_is_a_valid_remediation(ocsf: Any, decision: Decision) -> None:
    event = to_ocsf(decision)
    ocsf("NetworkRemediationActivity", event)
    assert event["command_uid"] == decision.id
    assert (event["status"], event["status_detail"]) == (decision.state, decision.reason)
    assert event["unmapped"]["finding"] == decision.finding
    assert event["observables"][0]["value"] == decision.target.value
    if decision.state in {"expired", "revoked"}:
        assert event["activity_id"] == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(acknowledgement=acknowledgements())
def test_an_acknowledgement_is_a_valid_remediation(ocsf: Any, acknowledgement: Acknowledgement) -> None:
    event = acknowledgement_to_ocsf(acknowledgement)
    # OCSF's status_id 1 is Success in every class; pydantic-ocsf 3.0 knows only those this class adds to them
    assert event.pop("status_id") == 1
    ocsf("NetworkRemediationActivity", event)
    assert event["activity_id"] == (1 if acknowledgement.holds else 3)
    assert event["duration"] >= 0
