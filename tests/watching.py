"""What the console's tests watch: decisions, acknowledgements and heartbeats, one thing changed at a time."""

from typing import Any

import msgspec

from propolis.clock import MILLISECOND, SECOND
from propolis.decisions import Acknowledgement, Decided, Decision, Refused, decision_id, target_of
from propolis.stream import Heartbeat

NOW = 1_700_000_000 * SECOND


def decision(target: str = "203.0.113.7", number: int = 0, **changes: Any) -> Decision:
    named = target_of(target)
    return msgspec.structs.replace(
        Decision(
            id=decision_id(f"finding {number}", named, NOW),
            target=named,
            action="block",
            state="active",
            since=NOW,
            until=NOW + 600 * SECOND,
            reason="attempt by cve-2021-41773",
            finding=f"finding {number}",
            rule="cve-2021-41773",
            grade="attempt",
            confidence=92,
            evidence_class="dialogue",
            first_packet=NOW - 3 * MILLISECOND,
            found=NOW - 2 * MILLISECOND,
            decided=NOW,
        ),
        **changes,
    )


def decided(target: str = "203.0.113.7", number: int = 0, **changes: Any) -> Decided:
    return Decided(time=NOW, decision=decision(target, number, **changes))


def refused(target: str = "127.0.0.1", at: int = NOW, guard: str = "bogon") -> Refused:
    return Refused(time=at, target=target, guard=guard, reason="loopback", finding="f", rule="r", by="policy")


def acknowledgement(of: Decision, milliseconds: float = 5.0, **changes: Any) -> Acknowledgement:
    """Read back this long after the first packet."""
    return msgspec.structs.replace(
        Acknowledgement(
            decision=of.id,
            revision=of.revision,
            target=of.target,
            rule=of.rule,
            enforcer="nftables",
            host="edge",
            holds=True,
            first_packet=of.first_packet,
            found=of.found,
            decided=of.decided,
            applied=of.first_packet + int(milliseconds * MILLISECOND),
        ),
        **changes,
    )


def heartbeat(stage: str = "sensor", name: str = "edge.0", **figures: Any) -> Heartbeat:
    return Heartbeat(
        stage=stage,
        name=name,
        host="edge",
        pid=42,
        started=NOW,
        time=NOW,
        rss_bytes=50 * 2**20,
        clock_offset=-1_500_000,
        clock_error=500_000,
        notes={"StreamLost": 2},
        figures=figures,
    )
