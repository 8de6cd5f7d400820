"""What keeps decisions safe to leave alone: small pure functions, asked in order; the first that says no is the last.

Each looks at one :class:`Proposal` in its :class:`Context` and lets it pass, lowers its action, keeps it in shadow, or
stops it, and says why. None of them sees the network, the clock or another decision than the one in force.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from ipaddress import IPv4Network
from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from propolis.clock import SECOND
from propolis.config import Decisions
from propolis.decisions.decision import ACTIONS, EVERYWHERE, LIMITING, Action, Decision, Target
from propolis.decisions.networks import SPECIAL, UNUSABLE, Network, Networks, network_of
from propolis.events import EvidenceClass

Mode: TypeAlias = Literal["shadow", "armed"]
"""shadow: decisions are written down and not carried out · armed: they are carried out."""

Budget: TypeAlias = Literal["max_blocks_per_minute", "max_active"]
"""The settings that bound how much is done."""

OPERATOR: Final = "operator"
POLICY: Final = "policy"

_LOOPBACK = IPv4Network("127.0.0.0/8")
_OWN_LOOPBACK = IPv4Network("127.0.0.1")


class Drill(msgspec.Struct, frozen=True):
    """A rehearsal over loopback: sources inside ``network`` are acted against by ``enforcer``, and by no other.

    ``until`` in UTC nanoseconds; no decision of the drill outlasts it. 127.0.0.1 itself, from which this host's own
    services speak, is never part of one. Raises ``ValueError`` for a network outside 127.0.0.0/8, or for no enforcer.
    """

    network: str
    enforcer: str
    until: int

    def __post_init__(self) -> None:
        """Refuse a drill that could reach anybody but this host."""
        network = network_of(self.network)
        if not isinstance(network, IPv4Network) or not network.subnet_of(_LOOPBACK):
            raise ValueError(f"a drill stays inside 127.0.0.0/8, {self.network} does not")
        if not self.enforcer or self.enforcer == EVERYWHERE:
            raise ValueError("a drill names the one enforcer it is for")

    def covers(self, network: Network, now: int) -> bool:
        """Whether a source belongs to this drill, and the drill still runs."""
        if not isinstance(network, IPv4Network) or not network.subnet_of(_LOOPBACK) or now >= self.until:
            return False
        return network.subnet_of(IPv4Network(self.network)) and not network.overlaps(_OWN_LOOPBACK)


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy, or an operator (``by``), would do about a target.

    ``last_seen`` (UTC nanoseconds) and ``evidence_class`` belong to the evidence, ``ttl_seconds`` to the policy line.
    """

    target: Target
    network: Network
    action: Action
    evidence_class: EvidenceClass
    last_seen: int
    ttl_seconds: float
    by: Literal["policy", "operator"] = POLICY


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What guards may know of the world.

    ``held`` is the decision about this very target in the state this one would have, if there is one. ``blocks`` counts
    the blocks of the last minute, ``kept`` the decisions of that state, ``watching`` those of them that limit nobody.
    ``legitimate`` holds the addresses (text form) that real systems saw legitimate sessions from.
    """

    settings: Decisions
    trusted: Networks
    mode: Mode
    now: int
    held: Decision | None = None
    blocks: int = 0
    kept: int = 0
    watching: int = 0
    legitimate: AbstractSet[str] = frozenset()
    drill: Drill | None = None

    def is_drill(self, proposal: Proposal) -> bool:
        """Whether the proposal is about a source of the running drill; an operator's word never is."""
        return (
            proposal.by == POLICY and self.drill is not None and self.drill.covers(proposal.network, self.now)
        )


class Lowered(msgspec.Struct, frozen=True, gc=False, tag=True, forbid_unknown_fields=True):
    """A guard allowed only a milder action."""

    guard: str
    action: Action
    reason: str


class Shadowed(msgspec.Struct, frozen=True, gc=False, tag=True, forbid_unknown_fields=True):
    """A guard lets the decision be written down, and not carried out."""

    guard: str
    reason: str


class Stopped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guard refused. ``budget`` names the setting that was used up, where that is why."""

    guard: str
    reason: str
    budget: Budget | None = None


Outcome: TypeAlias = Lowered | Shadowed | Stopped | None
"""What one guard did; ``None``: it let the proposal pass."""

Guard: TypeAlias = Callable[[Proposal, Context], Outcome]


class Verdict(msgspec.Struct, frozen=True):
    """What may be done, and which guards had a word in it, in their order."""

    action: Action
    state: Literal["shadow", "active"]
    scope: tuple[str, ...]
    remarks: tuple[Lowered | Shadowed, ...] = ()


def bogon(proposal: Proposal, context: Context) -> Outcome:
    """Addresses that cannot be a stranger's: IANA's special-purpose registries."""
    if context.is_drill(proposal):
        return None
    if label := UNUSABLE.touched_by(proposal.network):
        return Stopped("bogon", f"{proposal.target.value} touches {label}")
    if not context.settings.allow_private and (label := SPECIAL.touched_by(proposal.network)):
        return Stopped(
            "bogon",
            f"{proposal.target.value} touches {label}; decisions.allow_private would let it be acted against",
        )
    return None


def never_block(proposal: Proposal, context: Context) -> Outcome:
    """The trusted list wins over everything: a prefix that merely touches it is refused whole."""
    if context.is_drill(proposal):
        return None
    if label := context.trusted.touched_by(proposal.network):
        return Stopped("never-block", f"{proposal.target.value} touches {label}")
    return None


def prefix_cap(proposal: Proposal, context: Context) -> Outcome:
    """No wider than ``max_prefix_v4`` and ``max_prefix_v6``."""
    network, settings = proposal.network, context.settings
    widest = settings.max_prefix_v4 if network.version == 4 else settings.max_prefix_v6
    if network.prefixlen < widest:
        return Stopped(
            "prefix-cap",
            f"/{network.prefixlen} is wider than /{widest} (decisions.max_prefix_v{network.version})",
        )
    return None


def evidence(proposal: Proposal, context: Context) -> Outcome:
    """Only a completed handshake limits anybody, and only while a block in good time would still be in force.

    A forged source is somebody else's address, and an address changes hands: old evidence is about its last holder.
    """
    age_seconds = (context.now - proposal.last_seen) / SECOND
    if age_seconds > proposal.ttl_seconds:
        return Stopped(
            "evidence", f"was {age_seconds:.0f} s old, and the policy holds for {proposal.ttl_seconds:.0f} s"
        )
    if proposal.evidence_class == "spoofable" and proposal.action in LIMITING:
        return Lowered("evidence", "count", "the source may be forged")
    return None


def shared_address(proposal: Proposal, context: Context) -> Outcome:
    """Somebody works from this address: a NAT, a proxy, an office. Slow it down, do not lock it out."""
    if proposal.action in ("block", "challenge") and proposal.target.value in context.legitimate:
        return Lowered("shared-address", "rate-limit", "legitimate sessions were seen from it")
    return None


def budget(proposal: Proposal, context: Context) -> Outcome:
    """A fault in a rule must not lock out the world: blocks a minute, and decisions kept at once.

    Decisions that only watch may fill half of the room, so that forged sources cannot crowd out defence. An operator
    is not held to the rate.
    """
    settings, held = context.settings, context.held
    blocks_more = proposal.action == "block" and (held is None or held.action != "block")
    if blocks_more and proposal.by == POLICY and context.blocks >= settings.max_blocks_per_minute:
        return Stopped("budget", f"{context.blocks} blocks in the last minute", "max_blocks_per_minute")
    if held is not None:
        return None
    if context.kept >= settings.max_active:
        return Stopped("budget", f"{context.kept} decisions are kept", "max_active")
    if proposal.action not in LIMITING and context.watching * 2 >= settings.max_active:
        return Stopped("budget", f"{context.watching} decisions only watch", "max_active")
    return None


def mode(proposal: Proposal, context: Context) -> Outcome:
    """In shadow mode decisions are written down and not carried out."""
    if context.mode == "armed" or context.is_drill(proposal):
        return None
    return Shadowed("mode", "shadow mode")


GUARDS: tuple[Guard, ...] = (bogon, never_block, prefix_cap, evidence, shared_address, budget, mode)
"""In the order they are asked."""

OPERATOR_GUARDS: tuple[Guard, ...] = (bogon, never_block, prefix_cap, budget)
"""Those that hold for an operator's word as well."""


def weigh(proposal: Proposal, context: Context, guards: tuple[Guard, ...] = GUARDS) -> Verdict | Stopped:
    """Ask each guard in turn. An action is only ever lowered."""
    remarks: list[Lowered | Shadowed] = []
    for guard in guards:
        match guard(proposal, context):
            case Stopped() as stopped:
                return stopped
            case Lowered(action=action) as lowered:
                if ACTIONS.index(action) < ACTIONS.index(proposal.action):
                    proposal = msgspec.structs.replace(proposal, action=action)
                    remarks.append(lowered)
            case Shadowed() as shadowed:
                remarks.append(shadowed)
            case None:
                pass
            case other:
                assert_never(other)
    return Verdict(
        action=proposal.action,
        state="shadow" if any(isinstance(remark, Shadowed) for remark in remarks) else "active",
        scope=(context.drill.enforcer,) if context.drill and context.is_drill(proposal) else (EVERYWHERE,),
        remarks=tuple(remarks),
    )
