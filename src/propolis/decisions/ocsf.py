"""Decisions and acknowledgements as OCSF 1.7 Network Remediation Activity (class 7004), with D3FEND countermeasures."""

from propolis.clock import MILLISECOND
from propolis.decisions.decision import Acknowledgement, Action, Decision, Target
from propolis.events.ocsf import Ocsf, ocsf_head

_ISOLATE, _RESTORE, _DETECT, _OTHER = 1, 3, 5, 99
_SUCCESS = 1
_INBOUND = 1
_INFORMATIONAL = 1
_IP_ADDRESS, _SUBNET = 2, 12

_ISOLATION: Ocsf = {
    "d3f_tactic": {"name": "Isolate"},
    "d3f_technique": {"uid": "D3-ITF", "name": "Inbound Traffic Filtering"},
}
_DETECTION: Ocsf = {
    "d3f_tactic": {"name": "Detect"},
    "d3f_technique": {"uid": "D3-NTA", "name": "Network Traffic Analysis"},
}
_MEASURES: dict[Action, tuple[int, Ocsf]] = {
    "monitor": (_DETECT, _DETECTION),
    "count": (_DETECT, _DETECTION),
    "rate-limit": (_ISOLATE, _ISOLATION),
    "challenge": (_ISOLATE, _ISOLATION),
    "block": (_ISOLATE, _ISOLATION),
}


def to_ocsf(decision: Decision) -> Ocsf:
    """One decision as an OCSF event; ``command_uid`` is the decision's id.

    What an action does is an activity (Isolate, Detect), its end is Restore. The state is OCSF's status "Other" with
    our own word for it: a decision that a guard refused did not fail, and one in shadow did not succeed.
    """
    activity, measure = _MEASURES[decision.action]
    ended = decision.state in {"expired", "revoked"}
    head = ocsf_head(
        7004, _RESTORE if ended else activity, decision.decided, f"{decision.id}/{decision.revision}"
    )
    return {
        **head,
        "command_uid": decision.id,
        "connection_info": {"direction_id": _INBOUND},
        "status_id": _OTHER,
        "status": decision.state,
        "status_detail": decision.reason,
        "start_time": decision.since // MILLISECOND,
        "end_time": decision.until // MILLISECOND,
        "countermeasures": [measure],
        "observables": [_observable(decision.target)],
        "unmapped": {
            "action": decision.action,
            "finding": decision.finding,
            "rule": decision.rule,
            "grade": decision.grade,
            "confidence": decision.confidence,
            "evidence_class": decision.evidence_class,
            "scope": list(decision.scope),
            "by": decision.by,
            "step": decision.step,
            "revision": decision.revision,
        },
    }


def acknowledgement_to_ocsf(acknowledgement: Acknowledgement) -> Ocsf:
    """What an enforcer read back, as an OCSF event: Isolate where the target is held, Restore where it no longer is.

    ``duration`` is the time to defence of this enforcer in milliseconds, t3 minus t0.
    """
    activity = _ISOLATE if acknowledgement.holds else _RESTORE
    uid = f"{acknowledgement.decision}/{acknowledgement.revision}/{acknowledgement.enforcer}/{acknowledgement.host}"
    return {
        **ocsf_head(7004, activity, acknowledgement.applied, uid),
        "command_uid": acknowledgement.decision,
        "connection_info": {"direction_id": _INBOUND},
        "status_id": _SUCCESS,
        "duration": max(0, acknowledgement.applied - acknowledgement.first_packet) // MILLISECOND,
        "countermeasures": [_ISOLATION],
        "observables": [_observable(acknowledgement.target)],
        "unmapped": {
            "enforcer": acknowledgement.enforcer,
            "host": acknowledgement.host,
            "rule": acknowledgement.rule,
            "clock_error_ns": acknowledgement.clock_error,
        },
    }


def _observable(target: Target) -> Ocsf:
    return {
        "name": "target",
        "type_id": _IP_ADDRESS if target.kind == "address" else _SUBNET,
        "value": target.value,
    }
