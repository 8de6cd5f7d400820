"""The engine: batches of events in, findings out, the state of one lane in between. No clock, no stream."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.detection import sources
from propolis.detection.behaviours import BEHAVIOURS
from propolis.detection.claim import Claim, claim_of_canary
from propolis.detection.columns import SCAN_BYTES, SPOOFABLE, Rows
from propolis.detection.draft import Draft, Hits, cite, gather
from propolis.detection.files import Scans
from propolis.detection.knowledge import Knowledge
from propolis.detection.match import Matcher, Verdict
from propolis.detection.report import Place, Reporter, uuid_text
from propolis.detection.rules import RuleSet, Threshold
from propolis.detection.state import Layout, State
from propolis.detection.told import Given, Told
from propolis.detection.trail import NOWHERE, Firsts, Trail, follow, keep
from propolis.events import (
    Connection,
    ConnectionOpened,
    CredentialTried,
    Event,
    Interaction,
    RequestReceived,
    unpack,
)
from propolis.events.interaction import to_batch
from propolis.findings import Evidence, Finding, finding_id
from propolis.notes import LimitHit, tell

__all__ = ["Engine", "Knowledge", "State"]


class Tally(NamedTuple):
    """What one behaviour made of a batch: counts per row, the trail behind them, and the rules that ask for them."""

    counts: NDArray[np.int32]
    trail: Trail
    firsts: Firsts
    thresholds: dict[int, int]


class Judging(NamedTuple):
    """What follows from a set of rules, made beside the work of an engine (:meth:`Engine.prepare`)."""

    rules: RuleSet
    layout: Layout
    matcher: Matcher
    reporter: Reporter
    thresholds: tuple[dict[int, int], ...]


class Engine:
    """Judges batches of :data:`propolis.events.interaction.SCHEMA` by a set of rules.

    A rule, a flaw and a canary are reported once per source and window; windows are ``window_seconds`` of event time.
    At most ``max_sources`` sources are tracked. ``entropy`` keys the hash table and decides nothing else: the same
    batches from the same state give the same findings in the same order. Rows whose source could be forged
    (``spoofable``) give no finding and count nowhere: they say nothing of who sent them.

    Cost: about 1 µs a row, 50 µs for a short request not met before (milliseconds for one of 64 KiB), 10 µs for another
    text, 6 µs a finding; 120 µs for a
    batch of one connection.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        max_sources: int,
        window_seconds: int = 60,
        entropy: random.Random | None = None,
    ) -> None:
        self._entropy = entropy or random.SystemRandom()
        self._window_seconds = window_seconds
        self._max_sources = max_sources
        self._window = window_seconds * SECOND
        self._first = Matcher(rules)
        self._knowledge = Knowledge()
        self._files: Scans | None = None
        self.adopt(self.prepare(rules))
        self._scratch = np.full((2, max_sources), NOWHERE, np.int32)
        self._untold = {"max_sources": 0, "scan_bytes": 0}
        self._told = dict.fromkeys(self._untold, -SECOND)

    def fresh(self) -> State:
        """The state before the first batch."""
        return State(self.layout, (self._entropy.getrandbits(64), self._entropy.getrandbits(64)))

    def know(self, knowledge: Knowledge) -> None:
        """Name the flaws of this catalogue, and find the canaries of this mint, from the next batch on."""
        self._knowledge = knowledge
        self._matcher.know(knowledge)

    def scan_with(self, files: Scans) -> None:
        """Look with these for files in what is sent, from the next batch on."""
        self._files = files
        self._matcher.scan_with(files)

    def prepare(self, rules: RuleSet) -> Judging:
        """Compile other rules, for :meth:`adopt`; in any thread. Milliseconds for each that the first set lacked.

        Rules of the first set stand first and in the same order, or their replacements do.
        """
        return Judging(
            rules=rules,
            layout=Layout(tuple(rule.id for rule in rules.rules), self._window_seconds, self._max_sources),
            matcher=Matcher(rules, self._first.compiled),
            reporter=Reporter(rules),
            thresholds=tuple(_thresholds(rules, behaviour.name) for behaviour in BEHAVIOURS),
        )

    def adopt(self, judging: Judging) -> None:
        """Judge by these rules from the next batch on; states follow when they are stepped, and keep what they know."""
        judging.matcher.know(self._knowledge)
        if self._files is not None:
            judging.matcher.scan_with(self._files)
        self.rules, self.layout, self._matcher, self._reporter, self._thresholds = judging

    def warm(self) -> None:
        """Load or compile every kernel, so that the first batch is as fast as the next.

        Under a second from numba's cache, some ten seconds on the very first start.
        """
        connection = Connection(bytes(16), 0, "", "", bytes(16), 0, bytes(16), 0, 0)
        events: tuple[Event, ...] = (
            ConnectionOpened(),
            CredentialTried("", ""),
            RequestReceived("GET", "/", "", "", b"", 0),
        )
        batch = to_batch([Interaction(0, connection, ordinal, event) for ordinal, event in enumerate(events)])
        _, state = self.step(batch, self.fresh(), 0, 0)
        state = State.from_bytes(state.to_bytes(), self)
        state.expire(3)
        state.expire(6)

    def step(
        self, batch: pa.RecordBatch, state: State, now: int, sequence: int
    ) -> tuple[tuple[Finding, ...], State]:
        """The findings of one batch, and the state after it (the same object, changed).

        ``now`` is UTC nanoseconds and becomes ``Finding.found``, nothing else; ``sequence`` says which message of the
        stream the batch came in. O(rows) + O(findings).
        """
        rows = Rows(batch)
        if not rows.count:
            return (), state
        if state.layout is not self.layout:
            state.adopt(self.layout)
        evicted = state.evicted
        counted = rows.evidence_class != SPOOFABLE
        windows = rows.time // self._window
        state.expire(int(windows.max()))
        slots, turned, effective = sources.locate(state.sources, rows.source, windows, counted)
        verdicts = self._matcher(rows, counted)
        tallies = self._count(rows, state, slots, turned)
        hits: Hits = [(row, rule) for row, verdict in verdicts for rule in verdict.rules]
        for tally in tallies:
            for rule, least in tally.thresholds.items():
                hits += [(row, rule) for row in np.flatnonzero(tally.counts == least).tolist()]
        hits.sort()
        counting = {rule: tally for tally in tallies for rule in tally.thresholds}
        verdict_of, place, found = dict(verdicts), Place(sequence, now), []
        for draft in gather(hits, state.reported, slots, turned):
            behind = counting.get(draft.rule)
            if behind is not None:
                cite(draft, behind.trail, behind.thresholds[draft.rule])
            window = effective.item(draft.row)
            found.append(
                self._reporter.write(draft, rows, window, behind and behind.firsts, verdict_of, place)
            )
        found += self._claims(rows, verdicts, state, slots, effective, place)
        for tally in tallies:
            keep(tally.firsts, rows, slots, tally.counts, sequence)
        self._tell(
            "max_sources", state.evicted - evicted, "sources forgotten before their window was over", now
        )
        self._tell(
            "scan_bytes", self._matcher.take_cut(), f"events judged by their first {SCAN_BYTES} bytes", now
        )
        return tuple(found), state

    def _claims(  # noqa: PLR0917 - a batch, what was seen in it, and the state
        self,
        rows: Rows,
        verdicts: list[tuple[int, Verdict]],
        state: State,
        slots: NDArray[np.int32],
        effective: NDArray[np.int64],
        place: Place,
    ) -> list[Finding]:
        """The findings of flaws and canaries, in order, each told once per source, grade and window. O(verdicts)."""
        drafts: dict[str, tuple[Claim, Draft, Evidence | None]] = {}
        answered = rows.texts("answered")
        for row, verdict in verdicts:
            if verdict.flaw is None and not verdict.canaries and not verdict.files:
                continue
            source, window = rows.source[row].tobytes(), effective.item(row)
            for claim, given in _claimed(verdict, state.told):
                identity = finding_id(claim.key, unpack(source), window)
                if again := drafts.get(identity):
                    again[1].add(row)
                elif state.told.tell(identity, window):
                    before = tuple(state.reported[slots[row]].tolist())
                    drafts[identity] = claim, Draft(-1, row, int(slots[row]), [row], 1, before), given
            if answered[row]:
                where = (rows.id[row].tobytes(), rows.time.item(row), place.sequence, row)
                state.told.answer(source, where)
        seen = dict(verdicts)
        return [
            self._reporter.claim(claim, draft, rows, effective.item(draft.row), seen, place, given)
            for claim, draft, given in drafts.values()
        ]

    def _count(
        self, rows: Rows, state: State, slots: NDArray[np.int32], turned: NDArray[np.bool_]
    ) -> tuple[Tally, ...]:
        tallies = []
        for behaviour, columns, firsts, thresholds in zip(
            BEHAVIOURS, state.columns, state.firsts, self._thresholds, strict=True
        ):
            counts = behaviour.count(rows, slots, turned, columns)
            tallies.append(Tally(counts, follow(slots, counts, self._scratch), firsts, thresholds))
        return tuple(tallies)

    def _tell(self, limit: str, cost: int, what: str, now: int) -> None:
        """Tell that a bound was hit, at most once a second each."""
        self._untold[limit] += cost
        if self._untold[limit] and now - self._told[limit] >= SECOND:
            tell(LimitHit(stage="detection", limit=limit, cost=f"{self._untold[limit]} {what}"))
            self._untold[limit], self._told[limit] = 0, now


def _claimed(verdict: Verdict, told: Told) -> Iterator[tuple[Claim, Evidence | None]]:
    """What is held against a row beside its rules, and where a canary in it had been given away, if that is known."""
    for canary in verdict.canaries:
        given = told.answered.get(canary.source)
        yield claim_of_canary(canary), given and _given(given, canary.source)
    if verdict.flaw is not None:
        yield msgspec.structs.replace(verdict.flaw, alternatives=verdict.alternatives), None
    for claim in verdict.files:
        yield claim, None


def _given(place: Given, source: bytes) -> Evidence:
    identity, time, sequence, row = place
    return Evidence(uuid_text(identity), time, sequence, row, f"the last answer to {unpack(source)} before")


def _thresholds(rules: RuleSet, behaviour: str) -> dict[int, int]:
    """By the number of each rule about this behaviour, the count at which it fires."""
    return {
        number: rule.logic.at_least
        for number, rule in enumerate(rules.rules)
        if isinstance(rule.logic, Threshold) and rule.logic.behaviour == behaviour
    }
