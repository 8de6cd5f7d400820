"""What the tests of decisions judge: findings, proposals and the world around them, one thing changed at a time."""

from typing import Any

import msgspec

from propolis.clock import SECOND
from propolis.config import Decisions
from propolis.decisions import Networks, Target, target_of
from propolis.decisions.guards import Context, Proposal
from propolis.decisions.networks import network_of
from propolis.findings import Finding, finding_id

NOW = 1_700_000_000 * SECOND
SETTINGS = Decisions()
STRANGER = "9.9.9.9"


def trusting(*texts: str) -> Networks:
    return Networks((network_of(text), f"trusted {text}") for text in texts)


def finding(source: str = STRANGER, number: int = 0, at: int = NOW, **changes: Any) -> Finding:
    return msgspec.structs.replace(
        Finding(
            id=finding_id("ssh-guessing", source, number),
            rule="ssh-guessing",
            title="Credentials tried on a decoy",
            source=source,
            shard=1,
            grade="attempt",
            severity="high",
            confidence=90,
            evidence_class="dialogue",
            first_seen=at - SECOND,
            last_seen=at,
            found=at,
            count=3,
            sensors=("edge",),
            lures=("ssh",),
            evidence=(),
        ),
        **changes,
    )


def proposal(text: str = STRANGER, **changes: Any) -> Proposal:
    target: Target = target_of(text)
    fields: dict[str, Any] = {
        "target": target,
        "network": target.network,
        "action": "block",
        "evidence_class": "dialogue",
        "last_seen": NOW,
        "ttl_seconds": 600.0,
    }
    return Proposal(**fields | changes)


def context(**changes: Any) -> Context:
    fields: dict[str, Any] = {"settings": SETTINGS, "trusted": Networks(), "mode": "armed", "now": NOW}
    return Context(**fields | changes)
