"""DECISION: who, what action, why, until when. The noun, and what makes one: policy, guards, ledger, decider."""

from propolis.decisions.decider import Decider
from propolis.decisions.decision import (
    ACTIONS,
    EVERYWHERE,
    LIMITING,
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
from propolis.decisions.guards import GUARDS, Drill, Lowered, Mode, Shadowed, Stopped, Verdict
from propolis.decisions.ledger import (
    ENTRIES,
    BudgetExhausted,
    Decided,
    Entry,
    Expired,
    Extended,
    ModeChanged,
    Refused,
    Revoked,
    about,
)
from propolis.decisions.ledger import decode as decode_entry
from propolis.decisions.ledger import encode as encode_entry
from propolis.decisions.lifetime import next_until
from propolis.decisions.networks import Networks
from propolis.decisions.never_block import Host, this_host, trusted_networks
from propolis.decisions.policy import fit
from propolis.decisions.present import Present, fold

__all__ = [
    "ACTIONS",
    "ENTRIES",
    "EVERYWHERE",
    "GUARDS",
    "LIMITING",
    "Acknowledgement",
    "Action",
    "BudgetExhausted",
    "Decided",
    "Decider",
    "Decision",
    "Drill",
    "Entry",
    "Expired",
    "Extended",
    "Host",
    "Lowered",
    "Mode",
    "ModeChanged",
    "Networks",
    "Present",
    "Refused",
    "Revoked",
    "Shadowed",
    "State",
    "Stopped",
    "Target",
    "Verdict",
    "about",
    "decision_id",
    "decode",
    "decode_acknowledgement",
    "decode_entry",
    "encode",
    "encode_entry",
    "fit",
    "fold",
    "next_until",
    "target_of",
    "this_host",
    "trusted_networks",
]
