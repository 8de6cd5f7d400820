"""What the ledger adds up to: mode, decisions kept, and what must be remembered of the past; bounded throughout."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar, assert_never

import msgspec

from propolis.clock import SECOND
from propolis.decisions.decision import LIMITING, Decision, State
from propolis.decisions.guards import Mode
from propolis.decisions.ledger import (
    MINUTE,
    BudgetExhausted,
    Decided,
    Entry,
    Expired,
    Extended,
    ModeChanged,
    Refused,
    Revoked,
    refusal_key,
)

MAX_REMEMBERED = 131_072
"""Keys in one generation of a memory; at most twice as many are kept."""

MAX_PAST = 16
"""Earlier ends kept per target: more than any ladder has rungs worth having."""

DAY_SECONDS = 86_400.0
YEAR_SECONDS = 366 * DAY_SECONDS

_Value = TypeVar("_Value")


class Generations(msgspec.Struct, Generic[_Value]):
    """A memory in two generations: full or old enough, the young one becomes the old one and the old one is forgotten.

    A key is known for at least ``span`` nanoseconds, unless ``capacity`` others came after it. Every step is O(1).
    A clock that jumps either way turns a generation over, and nothing worse.
    """

    span: int
    capacity: int = MAX_REMEMBERED
    began: int = 0
    young: dict[str, _Value] = {}
    old: dict[str, _Value] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def __contains__(self, key: str) -> bool:
        return key in self.young or key in self.old

    def get(self, key: str) -> _Value | None:
        """What was last put there, if it is still known."""
        value = self.young.get(key)
        return value if value is not None else self.old.get(key)

    def put(self, key: str, value: _Value, time: int) -> None:
        """Remember; ``time`` in UTC nanoseconds."""
        if len(self.young) >= self.capacity or abs(time - self.began) >= self.span:
            self.old, self.young, self.began = self.young, {}, time
        self.young[key] = value


class Present(msgspec.Struct):
    """The present state. It changes by :meth:`apply` alone, so it is the same wherever the same entries were read.

    ``held`` are decisions by their target's key, shadow and active: one a target; ``targets`` the keys by decision id;
    ``kept`` and ``watching`` how many of each state there are, and how many of those limit nobody. ``past`` are, by
    target's key, the times when holds that limited it ran out; ``judged`` the findings that were given an entry;
    ``blocks`` the times of the last minute's blocks, in order; ``refused`` the minute in which a refusal was last
    written down; ``refusals`` the latest such minute, and how many it has.
    """

    past: Generations[tuple[int, ...]]
    judged: Generations[bool]
    applied: Generations[bool]
    refused: Generations[int]
    mode: Mode = "shadow"
    held: dict[str, Decision] = {}
    targets: dict[str, str] = {}
    watching: dict[State, int] = {}
    kept: dict[State, int] = {}
    blocks: list[int] = []
    refusals: tuple[int, int] = (0, 0)

    @classmethod
    def empty(cls, memory_seconds: float = DAY_SECONDS) -> "Present":
        """Before the first entry. ``memory_seconds`` is how long the past of a target counts."""
        span = int(min(max(memory_seconds, 60.0), YEAR_SECONDS)) * SECOND
        year = (
            int(YEAR_SECONDS) * SECOND
        )  # what was judged or applied is forgotten by number, hardly ever by time
        return cls(Generations(span), Generations(year), Generations(year), Generations(MINUTE))

    def in_state(self, state: State) -> tuple[Decision, ...]:
        """The decisions that are ``active``, or ``shadow``, oldest first."""
        return tuple(decision for decision in self.held.values() if decision.state == state)

    def by_id(self, decision: str) -> Decision | None:
        """A decision that is kept, by its id."""
        return self.held.get(self.targets.get(decision, ""))

    def blocks_since(self, time: int, now: int) -> int:
        """Blocks written after ``time`` and up to ``now``; one from before the clock was set back is not counted."""
        return bisect_right(self.blocks, now) - bisect_right(self.blocks, time)

    def refusals_in(self, minute: int) -> int:
        """How many refusals were written in this minute (minutes since the epoch)."""
        return self.refusals[1] if self.refusals[0] == minute else 0

    def apply(self, entry: Entry) -> bool:
        """Let an entry be true. False, and nothing changed, if it was already."""
        if entry.id in self.applied:
            return False
        self.applied.put(entry.id, True, entry.time)  # noqa: FBT003 - the value of a set
        match entry:
            case Decided(decision=decision):
                self._judge(decision.finding, entry.time)
                self._release(decision.target.key)
                self._hold(decision)
                self._count_block(decision, None, entry.time)
            case Extended(decision=decision):
                self._judge(decision.finding, entry.time)
                self._extend(decision, entry.time)
            case Refused():
                self._refuse(entry)
            case Revoked(target=target, decision=id_):
                if self.targets.get(id_) == target.key:
                    self._release(target.key)
            case Expired():
                self._expire(entry)
            case ModeChanged():
                self.mode = entry.mode
                self.blocks.clear()  # what shadow would have blocked is not charged to what is now in force
            case BudgetExhausted():
                self.refused.put(refusal_key(entry.budget, "budget"), entry.time // MINUTE, entry.time)
            case _:
                assert_never(entry)
        return True

    def _judge(self, finding: str, time: int) -> None:
        self.judged.put(finding, True, time)  # noqa: FBT003 - the value of a set

    def _hold(self, decision: Decision) -> None:
        self.held[decision.target.key] = decision
        self.targets[decision.id] = decision.target.key
        self._tally(decision, 1)

    def _release(self, key: str) -> Decision | None:
        decision = self.held.pop(key, None)
        if decision:
            del self.targets[decision.id]
            self._tally(decision, -1)
        return decision

    def _tally(self, decision: Decision, change: int) -> None:
        self.kept[decision.state] = self.kept.get(decision.state, 0) + change
        if decision.action not in LIMITING:
            self.watching[decision.state] = self.watching.get(decision.state, 0) + change

    def _extend(self, decision: Decision, time: int) -> None:
        key = decision.target.key
        held = self.held.get(key)
        if held is None or held.id != decision.id or held.revision >= decision.revision:
            return
        self._tally(held, -1)
        self._tally(decision, 1)
        self.held[key] = decision
        self._count_block(decision, held, time)

    def _count_block(self, decision: Decision, before: Decision | None, time: int) -> None:
        if decision.action != "block" or (before and before.action == "block"):
            return
        del self.blocks[
            bisect_right(self.blocks, time) :
        ]  # the clock was set back: those times are not known any more
        del self.blocks[: bisect_right(self.blocks, time - MINUTE)]
        self.blocks.append(time)

    def _refuse(self, entry: Refused) -> None:
        minute = entry.time // MINUTE
        self._judge(entry.finding, entry.time)
        self.refused.put(refusal_key(entry.target, entry.guard), minute, entry.time)
        self.refusals = (minute, self.refusals_in(minute) + 1)

    def _expire(self, entry: Expired) -> None:
        key = entry.target.key
        if self.targets.get(entry.decision) != key:
            return
        decision = self._release(key)
        if decision and decision.action in LIMITING and entry.time >= decision.until:
            past = (*(self.past.get(key) or ()), entry.time)
            self.past.put(key, past[-MAX_PAST:], entry.time)


def fold(entries: Iterable[Entry], memory_seconds: float = DAY_SECONDS) -> Present:
    """The present state after these entries, in their order. O(entries); the same entries always give the same."""
    present = Present.empty(memory_seconds)
    for entry in entries:
        present.apply(entry)
    return present
