"""What a rule would have found: the engine over events of the past, the rule alone beside the rules there are.

Alone, because beside others a rule may stand back (:mod:`propolis.detection.precedence`); beside the others, because
what they find already is no reason for it, and whom they have blocked already is no gain.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
import pyarrow as pa

from propolis.detection.columns import KIND_NAMES, Rows
from propolis.detection.engine import Engine
from propolis.detection.fields import COLUMNS
from propolis.detection.match import judge, values_of
from propolis.detection.promotion import Backtested
from propolis.detection.rules import Rule, RuleSet, Threshold
from propolis.detection.state import State
from propolis.events import Connection, Interaction, RequestReceived
from propolis.events.interaction import to_batch
from propolis.findings import Finding

MAX_TEXTS = 10_000
"""Different texts that are counted, and sources that are named; what comes later is counted under the last of them."""
MOST_TEXTS = 10
"""Texts that are told of."""
MAX_TRACKED = 131_072
"""Sources that the engine tracks at once."""
BENIGN_ROWS = 1_000
MORE = "(more)"

_FIRST_SOURCE = 0x2001_0DB8 << 96


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Times are UTC nanoseconds, 0 if there was no finding.

    ``texts`` are the most frequent of what was found. ``also`` counts by rule or lure how many of the findings' events
    it tells of as well; ``alone`` are those that nobody else does. ``blocked`` are sources that the policy would have
    acted against because of this rule, ``gained`` those of them that no other rule had blocked.
    ``benign`` requests were tried, and ``mistaken`` are the most frequent of those that fitted.
    """

    rule: str
    events: int
    findings: int
    sources: int
    first: int
    last: int
    texts: tuple[tuple[str, int], ...]
    also: dict[str, int]
    alone: int
    blocked: tuple[str, ...]
    gained: tuple[str, ...]
    benign: int = 0
    benign_found: int = 0
    mistaken: tuple[tuple[str, int], ...] = ()

    def summary(self) -> Backtested:
        """What a promotion keeps of it."""
        return Backtested(
            events=self.events,
            findings=self.findings,
            sources=self.sources,
            benign=self.benign,
            benign_found=self.benign_found,
        )


class Backtest:
    """Feed it batches of :data:`propolis.events.interaction.SCHEMA` in time order, then ask for the :meth:`report`.

    ``others`` are the rules there are, one of the same id left out; ``is_blocked`` says whether the policy would act on
    a finding. The cost is that of two engines.
    """

    def __init__(self, rule: Rule, others: RuleSet, is_blocked: Callable[[Finding], bool]) -> None:
        self._rule = rule
        self._others = RuleSet(tuple(other for other in others.rules if other.id != rule.id))
        self._is_blocked = is_blocked
        self._mine, self._theirs = (
            Engine(rules, max_sources=MAX_TRACKED) for rules in (RuleSet((rule,)), self._others)
        )
        self._states = self._mine.fresh(), self._theirs.fresh()
        self._events = self._findings = self._alone = 0
        self._sources: set[str] = set()
        self._span: tuple[int, int] = 0, 0
        self._texts: Counter[str] = Counter()
        self._also: Counter[str] = Counter()
        self._blocked: tuple[set[str], set[str]] = set(), set()

    def feed(self, batch: pa.RecordBatch) -> None:
        """Judge the next batch. O(rows)."""
        self._events += batch.num_rows
        mine, _ = self._mine.step(batch, self._states[0], 0, self._events)
        theirs, _ = self._theirs.step(batch, self._states[1], 0, self._events)
        for blocked, found in zip(self._blocked, (mine, theirs), strict=True):
            blocked.update(one.source for one in found if len(blocked) < MAX_TEXTS and self._is_blocked(one))
        if mine:
            rows = Rows(batch)
            for finding in mine:
                self._count(finding, rows, theirs)

    def report(self, benign: Iterable[bytes] = ()) -> Report:
        """What was found, and what of these ``benign`` raw requests the rule takes for an attack."""
        tried, mistaken = self._benign(benign)
        blocked, theirs = self._blocked
        return Report(
            rule=self._rule.id,
            events=self._events,
            findings=self._findings,
            sources=len(self._sources),
            first=self._span[0],
            last=self._span[1],
            texts=tuple(self._texts.most_common(MOST_TEXTS)),
            also=dict(self._also.most_common()),
            alone=self._alone,
            blocked=tuple(sorted(blocked)),
            gained=tuple(sorted(blocked - theirs)),
            benign=tried,
            benign_found=mistaken.total(),
            mistaken=tuple(mistaken.most_common(MOST_TEXTS)),
        )

    def _count(self, finding: Finding, rows: Rows, theirs: Iterable[Finding]) -> None:
        self._findings += 1
        if len(self._sources) < MAX_TEXTS:
            self._sources.add(finding.source)
        first, last = self._span
        self._span = min(first or finding.first_seen, finding.first_seen), max(last, finding.last_seen)
        piece = finding.evidence[-1]
        _add(self._texts, piece.summary)
        also = self._tell_of(rows, piece.row) if not isinstance(self._rule.logic, Threshold) else set()
        also |= {other.rule for other in theirs if any(one.event == piece.event for one in other.evidence)}
        self._also.update(also)
        self._alone += not also

    def _tell_of(self, rows: Rows, row: int) -> set[str]:
        """The rules, and the lures that the sensor named, that tell of one event."""
        code = int(rows.kind[row])
        kind = KIND_NAMES[code] if code < len(KIND_NAMES) else ""
        if kind not in COLUMNS:
            return set()
        told = {self._others.rules[number].id for number in judge(self._others, kind, values_of(rows, row))}
        flaws = rows.texts("flaws")[row].decode("utf-8", "replace").split()
        return told | {flaw.partition("/")[0] for flaw in flaws}

    def _benign(self, benign: Iterable[bytes]) -> tuple[int, Counter[str]]:
        """How many requests were tried, and the texts of those that the rule fits; each from a source of its own."""
        mistaken: Counter[str] = Counter()
        tried = 0
        waiting: list[Interaction] = []
        state = self._mine.fresh()
        for raw in benign:
            waiting.append(_asked(raw, tried))
            tried += 1
            if len(waiting) == BENIGN_ROWS:
                self._mistake(waiting, state, mistaken)
                waiting = []
        if waiting:
            self._mistake(waiting, state, mistaken)
        return tried, mistaken

    def _mistake(self, waiting: list[Interaction], state: State, mistaken: Counter[str]) -> None:
        found, _ = self._mine.step(to_batch(waiting), state, 0, 0)
        for finding in found:
            _add(mistaken, finding.evidence[0].summary)


def _add(counter: Counter[str], text: str) -> None:
    counter[text if text in counter or len(counter) < MAX_TEXTS else MORE] += 1


def _asked(raw: bytes, number: int) -> Interaction:
    """A request as a decoy would have seen it, from an address of documentation's (RFC 3849)."""
    address = (_FIRST_SOURCE + number).to_bytes(16, "big")
    connection = Connection(
        id=number.to_bytes(16, "big"),
        opened=0,
        sensor="benign",
        lure="http",
        source_ip=address,
        source_port=0,
        target_ip=address,
        target_port=80,
        shard=0,
        evidence_class="dialogue",
    )
    return Interaction(0, connection, 0, RequestReceived("", "", "", "", raw, 0))
