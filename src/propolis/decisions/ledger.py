"""The ledger: append-only entries, from which the present state can be told at any time.

An entry's ``id`` follows from what it says, so writing it twice is writing it once: it is the message id on the stream.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias, get_args

import msgspec

from propolis.clock import SECOND
from propolis.decisions.decision import Decision, Target
from propolis.decisions.guards import Budget, Lowered, Mode, Shadowed
from propolis.errors import CodecError

VERSION = 1

MINUTE = 60 * SECOND


class _Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag=True, forbid_unknown_fields=True):
    """``time`` is when it was written, UTC nanoseconds."""

    time: int
    version: int = VERSION


class Decided(_Entry, frozen=True, kw_only=True, gc=False):
    """A new decision, shadow or active; ``remarks`` are the guards that had a word in it."""

    decision: Decision
    remarks: tuple[Lowered | Shadowed, ...] = ()

    @property
    def id(self) -> str:
        """One per decision."""
        return f"decided.{self.decision.id}"


class Extended(_Entry, frozen=True, kw_only=True, gc=False):
    """Fresh evidence: the next revision of a decision, that ends later or does more."""

    decision: Decision
    remarks: tuple[Lowered | Shadowed, ...] = ()

    @property
    def id(self) -> str:
        """One per revision."""
        return f"extended.{self.decision.id}.{self.decision.revision}"


class Refused(_Entry, frozen=True, kw_only=True, gc=False):
    """A guard stopped a finding, or an operator's request; written once per target, guard and minute.

    ``target`` is what was asked about, as text; ``finding`` is the first that was stopped.
    """

    target: str
    guard: str
    reason: str
    finding: str
    rule: str
    by: str

    @property
    def id(self) -> str:
        """One per target, guard and minute."""
        return f"refused.{refusal_key(self.target, self.guard)}.{self.time // MINUTE}"


class Revoked(_Entry, frozen=True, kw_only=True, gc=False):
    """A decision was lifted before its end, by whom and why."""

    target: Target
    decision: str
    reason: str
    by: str

    @property
    def id(self) -> str:
        """One per decision."""
        return f"revoked.{self.decision}"


class Expired(_Entry, frozen=True, kw_only=True, gc=False):
    """A decision ended as it was meant to."""

    target: Target
    decision: str
    reason: str

    @property
    def id(self) -> str:
        """One per decision."""
        return f"expired.{self.decision}"


class ModeChanged(_Entry, frozen=True, kw_only=True, gc=False):
    """Armed, or stood down to shadow."""

    mode: Mode
    by: str
    reason: str

    @property
    def id(self) -> str:
        """One per moment."""
        return f"mode.{self.mode}.{self.time}"


class BudgetExhausted(_Entry, frozen=True, kw_only=True, gc=False):
    """A budget was used up, and decisions refused for it: an alarm, once a minute. ``budget`` names the setting."""

    budget: Budget
    limit: int

    @property
    def id(self) -> str:
        """One per budget and minute."""
        return f"budget.{self.budget}.{self.time // MINUTE}"


Entry: TypeAlias = Decided | Extended | Refused | Revoked | Expired | ModeChanged | BudgetExhausted

ENTRIES: tuple[type[Entry], ...] = get_args(Entry)
"""Every kind of entry there is."""


def refusal_key(target: str, guard: str) -> str:
    """What makes two refusals the same within a minute: 16 hex digits, whatever the text."""
    return hashlib.blake2b(f"{guard}\0{target}".encode("utf-8", "replace"), digest_size=8).hexdigest()


def about(entries: Iterable[Entry], decision: str) -> Iterator[Entry]:
    """Those entries that are about this decision, in their order."""
    return (entry for entry in entries if decision_of(entry) == decision)


def decision_of(entry: Entry) -> str:
    """The id of the decision an entry is about; empty for one that is about none."""
    match entry:
        case Decided() | Extended():
            return entry.decision.id
        case Revoked() | Expired():
            return entry.decision
        case _:
            return ""


_DECODER = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """An entry as JSON; its class is in ``type``."""
    return msgspec.json.encode(entry)


def decode(data: bytes) -> Entry:
    """What :func:`encode` wrote. Raises :class:`~propolis.errors.CodecError` naming the field at fault."""
    try:
        entry: Entry = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why, _, where = str(error).partition(" - at ")
        raise CodecError("ledger entry", where.strip("`") or f"{len(data)} bytes", why) from error
    if entry.version > VERSION:
        raise CodecError(
            "ledger entry", "$.version", f"is {entry.version}, newer than {VERSION}: update this host"
        )
    return entry
