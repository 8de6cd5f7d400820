"""The decider: findings and an operator's words in, ledger entries out; it keeps the present they add up to."""

from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush
from typing import TypeVar

import msgspec

from propolis.config import Decisions, PolicyLine
from propolis.decisions.decision import ACTIONS, Action, Decision, State, Target, target_of
from propolis.decisions.draft import by_operator, by_policy, given, note_id, printable, source_of
from propolis.decisions.guards import (
    GUARDS,
    OPERATOR,
    OPERATOR_GUARDS,
    POLICY,
    Context,
    Drill,
    Mode,
    Proposal,
    Stopped,
    Verdict,
    weigh,
)
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
    decision_of,
    refusal_key,
)
from propolis.decisions.lifetime import GAIN, is_over, step_of, until_on
from propolis.decisions.networks import Networks
from propolis.decisions.policy import fit
from propolis.decisions.present import Generations, Present
from propolis.findings import Finding

MAX_REFUSALS_PER_MINUTE = 1_000
"""Refusals written down; further ones are counted in :attr:`Decider.unrecorded`: no flood fills the ledger."""

MAX_TRAIL = 4
"""Entries kept at hand per decision, the first and the latest; the ledger has them all."""

MAX_ENDED = 10_000
"""Decisions that are over and can still be asked about without reading the ledger."""

MAX_EXPIRED = 5_000
"""Decisions ended in one call: some 80 ms, in which nothing else is judged."""

_Recorded = TypeVar("_Recorded", bound=Entry)


class Decider:
    """Judges findings by policy and guards. Time is an argument (UTC nanoseconds); nothing here reaches out.

    Takes the ``decisions`` settings, the networks of :func:`~propolis.decisions.never_block.trusted_networks` and the
    ledger so far (call :meth:`protect` if the networks changed since). Every method returns the entries to append, in
    order, and has already applied them to ``present``. ``drill`` and ``legitimate`` may be set at any time. Cost: some
    60 µs a finding; memory is bounded by ``max_active`` and the limits named here and in
    :mod:`~propolis.decisions.present`.
    """

    def __init__(self, settings: Decisions, trusted: Networks, ledger: Iterable[Entry] = ()) -> None:
        self.settings = settings
        self.trusted = trusted
        self._protected: Networks | None = None
        self.drill: Drill | None = None
        self.legitimate: AbstractSet[str] = frozenset()
        self.unrecorded = 0
        self.present = Present.empty(settings.ladder_memory_seconds)
        # Findings that changed nothing and so have no entry; forgotten at a restart, when they are merely judged again.
        self._silent: Generations[bool] = Generations(MINUTE * 60)
        self._trails: dict[str, tuple[Entry, ...]] = {}
        self._ended: deque[str] = deque()
        self._due: list[tuple[int, str]] = []
        self._latest = 0
        for entry in ledger:
            self.recall(entry)

    def recall(self, entry: Entry) -> None:
        """Let the next entry of the ledger be true, as it is read."""
        self._record(entry)

    def judge(self, finding: Finding, now: int) -> tuple[Entry, ...]:
        """What follows from a finding: a decision, an extension, a refusal; nothing for one that was judged before."""
        if finding.id in self.present.judged or finding.id in self._silent:
            return ()
        entries = self._judge(finding, now)
        if finding.id not in self.present.judged:
            self._silent.put(finding.id, True, now)  # noqa: FBT003 - the value of a set
        return entries

    def _judge(self, finding: Finding, now: int) -> tuple[Entry, ...]:
        target = source_of(finding)
        if isinstance(target, Stopped):
            return self._refuse(finding.source, target, now, finding=finding.id, rule=finding.rule)
        line = fit(self.settings.policy, finding)
        if line is None:
            stopped = Stopped("policy", f"no line fits {finding.grade} at confidence {finding.confidence}")
            return self._refuse(target.value, stopped, now, finding=finding.id, rule=finding.rule)
        over = self._end_if_over(target, now)
        proposal = Proposal(
            target=target,
            network=target.network,
            action=line.action,
            evidence_class=finding.evidence_class,
            last_seen=finding.last_seen,
            ttl_seconds=line.ttl_seconds,
        )
        verdict = weigh(proposal, self._context(target, now, POLICY), GUARDS)
        if isinstance(verdict, Stopped):
            return (*over, *self._refuse(target.value, verdict, now, finding=finding.id, rule=finding.rule))
        until, step = self._until(target, line, verdict, now)
        return (*over, *self._write(by_policy(finding, target, verdict, until, step, now=now), verdict, now))

    def add(  # noqa: PLR0917 - whom, how long, why, who, when, what: an operator's sentence
        self, text: str, ttl_seconds: float, reason: str, by: str, now: int, action: Action = "block"
    ) -> tuple[Entry, ...]:
        """An operator's decision about an address or prefix, in force whatever the mode.

        Guards against bogons, trusted networks, wide prefixes and a full table still hold: the answer may be a
        :class:`Refused`. About a target that is held already it can only extend or strengthen; empty: nothing to add.
        """
        by, note = printable(by) or OPERATOR, note_id(text, reason, by, now)
        try:
            target = target_of(text)
        except ValueError as error:
            return self._refuse(text, Stopped("syntax", str(error)), now, finding=note, rule=OPERATOR, by=by)
        if not ttl_seconds > 0:
            stopped = Stopped("syntax", f"{ttl_seconds} s is no time to live")
            return self._refuse(target.value, stopped, now, finding=note, rule=OPERATOR, by=by)
        over = self._end_if_over(target, now)
        proposal = Proposal(
            target=target,
            network=target.network,
            action=action,
            evidence_class="dialogue",
            last_seen=now,
            ttl_seconds=ttl_seconds,
            by=OPERATOR,
        )
        verdict = weigh(proposal, self._context(target, now, OPERATOR), OPERATOR_GUARDS)
        if isinstance(verdict, Stopped):
            return (*over, *self._refuse(target.value, verdict, now, finding=note, rule=OPERATOR, by=by))
        until = until_on(ttl_seconds, len(self.settings.ladder), now, self.settings)
        decision = by_operator(proposal, note, until, reason, by, now=now)
        return (*over, *self._write(decision, verdict, now))

    def revoke(self, what: str, reason: str, by: str, now: int) -> tuple[Entry, ...]:
        """Lift what is held against a target (text) or under a decision's id; empty if nothing is."""
        held = self.present.by_id(what)
        if held is None:
            try:
                held = self.present.held.get(target_of(what).key)
            except ValueError:
                return ()
        return (self._revoke(held, reason, by, now),) if held else ()

    def arm(self, by: str, reason: str, now: int) -> tuple[Entry, ...]:
        """From now on decisions are carried out. Shadow decisions stay shadow until they expire."""
        return () if self.present.mode == "armed" else (self._change_mode("armed", by, reason, now),)

    def stand_down(self, by: str, reason: str, now: int) -> tuple[Entry, ...]:
        """Lift everything in force, an operator's own decisions too, and only write down from now on.

        The mode is the first entry: whatever happens while the rest is written, nothing new is carried out.
        """
        change = () if self.present.mode == "shadow" else (self._change_mode("shadow", by, reason, now),)
        return (
            *change,
            *(self._revoke(decision, reason, by, now) for decision in self.present.in_state("active")),
        )

    def protect(self, trusted: Networks, now: int) -> tuple[Entry, ...]:
        """Replace the trusted networks, and lift whatever is held against them (a drill's own sources excepted).

        O(decisions kept) when the networks changed, or this is the first call; O(networks) otherwise.
        """
        if self._protected == trusted:
            return ()
        self.trusted = self._protected = trusted
        entries: list[Entry] = []
        for decision in tuple(self.present.held.values()):
            label = trusted.touched_by(decision.target.network)
            if label and not (self.drill and self.drill.covers(decision.target.network, now)):
                entries.append(self._revoke(decision, f"touches {label}", "never-block", now))
        return tuple(entries)

    def expire(self, now: int) -> tuple[Entry, ...]:
        """End what has had its time, at most ``MAX_EXPIRED`` at once: call again while there are as many.

        O(log n) for each that ends; after the clock was set back all are looked at.
        """
        ended: list[Entry] = []
        if now < self._latest:
            held = self.present.held.values()
            over = [decision.target for decision in held if is_over(decision.decided, decision.until, now)]
            ended = [entry for target in over[:MAX_EXPIRED] for entry in self._end_if_over(target, now)]
            self._latest = now if len(over) <= MAX_EXPIRED else self._latest
        while self._due and self._due[0][0] <= now and len(ended) < MAX_EXPIRED:
            _, id_ = heappop(self._due)
            found = self.present.by_id(id_)
            if found is not None and found.until > now:
                heappush(self._due, (found.until, id_))
            elif found is not None:
                ended.extend(self._end_if_over(found.target, now))
        return tuple(ended)

    def why(self, decision: str) -> tuple[Entry, ...]:
        """Entries about a decision, first and latest, of every one that is kept and of the last that ended."""
        return self._trails.get(decision, ())

    def _context(self, target: Target, now: int, by: str) -> Context:
        """What the guards are told. O(log blocks of a minute)."""
        present, drill = self.present, self.drill if by == POLICY else None
        in_drill = drill is not None and drill.covers(target.network, now)
        state: State = "active" if by == OPERATOR or present.mode == "armed" or in_drill else "shadow"
        held = present.held.get(target.key)
        return Context(
            settings=self.settings,
            trusted=self.trusted,
            mode=present.mode,
            now=now,
            held=held if held and held.state == state else None,
            blocks=present.blocks_since(now - MINUTE, now),
            kept=present.kept.get(state, 0),
            watching=present.watching.get(state, 0),
            legitimate=self.legitimate,
            drill=drill,
        )

    def _until(self, target: Target, line: PolicyLine, verdict: Verdict, now: int) -> tuple[int, int]:
        """End and rung. What is held stays on its rung; a drill's decision does not outlast the drill."""
        held = self.present.held.get(target.key)
        if held and held.state == verdict.state:
            step = held.step
        else:
            step = step_of(self.present.past.get(target.key) or (), now, self.settings)
        until = until_on(line.ttl_seconds, step, now, self.settings)
        if self.drill and verdict.scope == (self.drill.enforcer,):
            until = min(until, self.drill.until)
        return until, step

    def _write(self, decision: Decision, verdict: Verdict, now: int) -> tuple[Entry, ...]:
        """A decision beside the one that is held: it extends it, takes its place, or changes nothing."""
        held = self.present.held.get(decision.target.key)
        if held is None:
            return (self._record(Decided(time=now, decision=decision, remarks=verdict.remarks)),)
        if held.state == "active" and decision.state == "shadow":
            return ()  # somebody else's word is in force; what shadow would have done is no reason to touch it
        if held.state != decision.state or held.scope != decision.scope:
            replaced = self._revoke(held, f"replaced by {decision.id}", decision.by, now)
            return (replaced, self._record(Decided(time=now, decision=decision, remarks=verdict.remarks)))
        if ACTIONS.index(decision.action) < ACTIONS.index(held.action):
            return ()  # what would only watch, a forged packet say, does not keep a block alive
        if decision.action == held.action and decision.until - held.until < GAIN:
            return ()
        extended = msgspec.structs.replace(
            decision,
            id=held.id,
            since=held.since,
            until=max(held.until, decision.until),
            step=held.step,
            revision=held.revision + 1,
        )
        return (self._record(Extended(time=now, decision=extended, remarks=verdict.remarks)),)

    def _refuse(
        self, target: str, stopped: Stopped, now: int, *, finding: str, rule: str, by: str = POLICY
    ) -> tuple[Entry, ...]:
        minute, target = now // MINUTE, printable(target)
        entries: list[Entry] = []
        if stopped.budget and self.present.refused.get(refusal_key(stopped.budget, "budget")) != minute:
            limit = getattr(self.settings, stopped.budget)
            entries.append(self._record(BudgetExhausted(time=now, budget=stopped.budget, limit=limit)))
        known = self.present.refused.get(refusal_key(target, stopped.guard)) == minute
        if by == POLICY and (known or self.present.refusals_in(minute) >= MAX_REFUSALS_PER_MINUTE):
            self.unrecorded += 1
            return tuple(entries)
        reason = printable(stopped.reason)
        refused = Refused(
            time=now, target=target, guard=stopped.guard, reason=reason, finding=finding, rule=rule, by=by
        )
        return (*entries, self._record(refused))

    def _end_if_over(self, target: Target, now: int) -> tuple[Entry, ...]:
        held = self.present.held.get(target.key)
        if held is None or not is_over(held.decided, held.until, now):
            return ()
        reason = "its time was up" if now >= held.until else "the clock was set back"
        return (self._record(Expired(time=now, target=target, decision=held.id, reason=reason)),)

    def _revoke(self, held: Decision, reason: str, by: str, now: int) -> Entry:
        text = given(reason)
        return self._record(
            Revoked(time=now, target=held.target, decision=held.id, reason=text, by=printable(by) or OPERATOR)
        )

    def _change_mode(self, mode: Mode, by: str, reason: str, now: int) -> Entry:
        entry = ModeChanged(time=now, mode=mode, by=printable(by) or OPERATOR, reason=given(reason))
        while (
            entry.id in self.present.applied
        ):  # a clock that stood still must not make standing down a repetition
            entry = msgspec.structs.replace(entry, time=entry.time + 1)
        return self._record(entry)

    def _record(self, entry: _Recorded) -> _Recorded:
        """Let an entry be true here, and keep what :meth:`why` and :meth:`expire` need of it."""
        if not self.present.apply(entry):
            return entry
        self._latest = max(self._latest, entry.time)
        if decision := decision_of(entry):
            trail = (*self._trails.get(decision, ()), entry)
            self._trails[decision] = trail if len(trail) <= MAX_TRAIL else (trail[0], *trail[2:])
        match entry:
            case Decided(decision=decided):
                heappush(self._due, (decided.until, decided.id))
            case Revoked() | Expired():
                self._forget(decision)
            case _:
                pass
        return entry

    def _forget(self, decision: str) -> None:
        """Bound what is kept of decisions that are over."""
        self._ended.append(decision)
        if len(self._ended) > MAX_ENDED:
            self._trails.pop(self._ended.popleft(), None)
        if len(self._due) > 2 * len(self.present.held) + MAX_ENDED:
            self._due = [(held.until, held.id) for held in self.present.held.values()]
            heapify(self._due)
