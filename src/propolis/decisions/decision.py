"""DECISION: whom, what action, until when, and why. It cannot be written without an end and a reason."""

import hashlib
import ipaddress
from typing import Literal, TypeAlias, TypeVar

import msgspec

from propolis.errors import CodecError
from propolis.events import EvidenceClass, pack
from propolis.findings import Grade

VERSION = 1

Action: TypeAlias = Literal["monitor", "count", "rate-limit", "challenge", "block"]
"""What is done about the target, mildest first."""

ACTIONS: tuple[Action, ...] = ("monitor", "count", "rate-limit", "challenge", "block")

LIMITING: frozenset[Action] = frozenset({"rate-limit", "challenge", "block"})
"""The actions that a target notices; the others only watch."""

State: TypeAlias = Literal["shadow", "active", "expired", "revoked", "refused"]
"""shadow: would have been · active: in force · refused: a guard stopped it, the reason says which."""

EVERYWHERE = "*"
"""The scope of a decision that every enforcer carries out."""


class Target(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An address or a prefix in text form, always canonical: make it with :func:`target_of`."""

    kind: Literal["address", "prefix"]
    value: str

    @property
    def key(self) -> str:
        """The target as one key of the ``decisions`` bucket: ``address.<hex>`` or ``prefix.<hex>.<length>``."""
        if self.kind == "address":
            return f"address.{pack(self.value).hex()}"
        network = ipaddress.ip_network(self.value)
        return f"prefix.{pack(str(network.network_address)).hex()}.{network.prefixlen}"

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The target as a network; an address is a network of one."""
        return ipaddress.ip_network(self.value)


def target_of(text: str) -> Target:
    """``198.18.1.1``, ``2001:db8::/64``, … to a canonical target. Raises ``ValueError`` if it is neither.

    A zone (``fe80::1%eth0``) is refused: it may hold any text.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone; write the address without it")
    network = ipaddress.ip_network(text.strip(), strict=False)
    if (
        isinstance(network, ipaddress.IPv6Network)
        and network.network_address.ipv4_mapped
        and network.prefixlen >= 96
    ):
        network = ipaddress.ip_network(
            f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}", strict=False
        )
    if network.num_addresses == 1:
        return Target("address", str(network.network_address))
    return Target("prefix", str(network))


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What is to be done about one target, why, and until when.

    Times are UTC nanoseconds. ``first_packet`` (t0), ``found`` (t1) and ``decided`` (t2) belong to the evidence of
    this revision; an extension is a new revision of the same ``id`` with a later ``until``.
    ``step`` counts how often the target came back (the rung of the ladder).
    """

    id: str
    target: Target
    action: Action
    state: State
    since: int
    until: int
    reason: str
    finding: str
    rule: str
    grade: Grade
    confidence: int
    evidence_class: EvidenceClass
    first_packet: int
    found: int
    decided: int
    by: str = "policy"
    scope: tuple[str, ...] = (EVERYWHERE,)
    step: int = 0
    revision: int = 1
    version: int = VERSION

    def __post_init__(self) -> None:
        """Refuse a decision without an end, a reason or a cause."""
        if self.until <= self.since:
            raise ValueError("a decision ends after it begins")
        if not self.reason or not self.finding:
            raise ValueError("a decision has a reason and a finding, or an operator's note in its place")

    def covers(self, enforcer: str) -> bool:
        """Whether this enforcer is in the decision's scope."""
        return EVERYWHERE in self.scope or enforcer in self.scope


def decision_id(finding: str, target: Target, decided: int) -> str:
    """UUIDv7 text (RFC 9562, 5.7) that the same finding about the same target at the same time always gives."""
    digest = bytearray(hashlib.blake2b(f"{finding}\0{target.key}".encode(), digest_size=10).digest())
    digest[0] = 0x70 | digest[0] & 0x0F
    digest[2] = 0x80 | digest[2] & 0x3F
    text = ((decided // 1_000_000) & 0xFFFF_FFFF_FFFF).to_bytes(6, "big").hex() + digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An enforcer read back what it did: ``applied`` is t3. ``holds`` is false when the target is no longer enforced.

    ``enforces`` is false for an enforcer that only pretends (a dry run). ``applied`` is in the stream's time, off by at
    most ``clock_error`` nanoseconds.
    """

    decision: str
    revision: int
    target: Target
    rule: str
    enforcer: str
    host: str
    holds: bool
    first_packet: int
    found: int
    decided: int
    applied: int
    clock_error: int = 0
    enforces: bool = True
    version: int = VERSION


_Noun = TypeVar("_Noun", Decision, Acknowledgement)

_DECISION = msgspec.json.Decoder(Decision)
_ACKNOWLEDGEMENT = msgspec.json.Decoder(Acknowledgement)


def encode(noun: Decision | Acknowledgement) -> bytes:
    """A decision or acknowledgement as JSON."""
    return msgspec.json.encode(noun)


def decode(data: bytes) -> Decision:
    """What :func:`encode` wrote for a decision. Raises :class:`~propolis.errors.CodecError` naming the field."""
    return _checked(_DECISION, data, "decision")


def decode_acknowledgement(data: bytes) -> Acknowledgement:
    """What :func:`encode` wrote for an acknowledgement; errors as :func:`decode`."""
    return _checked(_ACKNOWLEDGEMENT, data, "acknowledgement")


def _checked(decoder: msgspec.json.Decoder[_Noun], data: bytes, what: str) -> _Noun:
    try:
        noun = decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why, _, where = str(error).partition(" - at ")
        raise CodecError(what, where.strip("`") or f"{len(data)} bytes", why) from error
    if noun.version > VERSION:
        raise CodecError(what, "$.version", f"is {noun.version}, newer than {VERSION}: update this host")
    return noun
