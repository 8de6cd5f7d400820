"""DECISION: who, what action, why, until when. The noun here; policy, guards and the ledger beside it."""

from propolis.decisions.decision import (
    ACTIONS,
    EVERYWHERE,
    Acknowledgement,
    Action,
    Decision,
    State,
    Target,
    decision_id,
    decode,
    decode_acknowledgement,
    encode,
    target_of,
)

__all__ = [
    "ACTIONS",
    "EVERYWHERE",
    "Acknowledgement",
    "Action",
    "Decision",
    "State",
    "Target",
    "decision_id",
    "decode",
    "decode_acknowledgement",
    "encode",
    "target_of",
]
