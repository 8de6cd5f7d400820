"""The engine of counters: batches of one family's facts in, findings out, the state of one lane in between.

No clock, no stream. Time is the event's own: a row that is late counts in its key's present, a key whose time is set
back or was silent for ``idle_seconds`` begins anew, and a row from the future harms nobody but its own key.
"""

import random
from typing import Any

import numpy as np
import pyarrow as pa

from propolis.clock import SECOND
from propolis.detection.behaviours.keyed.catalogue import Family
from propolis.detection.behaviours.keyed.counter import Facts
from propolis.detection.behaviours.keyed.judge import Bars, Hits, judge
from propolis.detection.behaviours.keyed.rule import CountRule
from propolis.detection.behaviours.keyed.state import Layout, State
from propolis.detection.behaviours.keyed.table import locate
from propolis.events import unpack
from propolis.events.flow import CLASSES
from propolis.findings import Evidence, Finding, finding_id
from propolis.notes import LimitHit, tell

IDLE_SECONDS = 86_400
WINDOW_SECONDS = 3_600

_WORD_BITS = 63  # a word of the key is stored as JSON, whose numbers are signed in most readers


class CounterEngine:
    """Judges batches of a family by its rules; a rule is reported once per key and window of event time.

    At most ``max_keys`` keys are tracked; which is forgotten for want of room is said in :mod:`.table`. ``entropy``
    keys the hashes; sketches depend on it, so two engines may count a little differently.

    Cost of flows: about 170 ns a row and 266 bytes a source (``bench/flow_speed.py``); of a finding, 10 µs.
    """

    def __init__(
        self,
        family: Family,
        rules: tuple[CountRule, ...],
        *,
        max_keys: int,
        window_seconds: int = WINDOW_SECONDS,
        idle_seconds: int = IDLE_SECONDS,
        entropy: random.Random | None = None,
    ) -> None:
        self.family = family
        self.rules = tuple(rule for rule in rules if rule.logsource.kind == family.name)
        self.layout = Layout(tuple(rule.id for rule in self.rules), window_seconds, max_keys)
        names = [counter.name for counter in family.counters]
        self._bars = Bars(
            np.array([names.index(rule.detection.behaviour) for rule in self.rules], np.int64),
            np.array([rule.detection.at_least for rule in self.rules], np.int32),
        )
        self._window = window_seconds * SECOND
        self._idle = idle_seconds * SECOND
        self._entropy = entropy or random.SystemRandom()
        self._untold, self._told = 0, -SECOND

    def fresh(self) -> State:
        """The state before the first batch."""
        key = self._entropy.getrandbits(_WORD_BITS), self._entropy.getrandbits(_WORD_BITS)
        return State(self.family, self.layout, key)

    def load(self, data: bytes) -> State:
        """A state as it was stored. Raises :class:`~propolis.errors.CodecError` for what is not one of ours."""
        return State.from_bytes(data, self.family, self.layout)

    def step(
        self, batch: pa.RecordBatch | tuple[Finding, ...], state: State, now: int, sequence: int
    ) -> tuple[tuple[Finding, ...], State]:
        """The findings of one batch, and the state after it (the same object, changed).

        ``now`` is UTC nanoseconds and becomes ``Finding.found``, nothing else; ``sequence`` says which message of the
        stream the batch came in. O(rows) + O(findings).
        """
        evicted = state.evicted
        facts, hits, counts = self.count(batch, state)
        found = tuple(self._finding(facts, hits, hit, counts, now, sequence) for hit in range(len(hits.row)))
        self._tell(state.evicted - evicted, now)
        return found, state

    def count(self, batch: Any, state: State) -> tuple[Facts, Hits, np.ndarray[Any, np.dtype[np.int32]]]:
        """The facts of a batch, the rows at which a rule's count was reached, and all counts (counters, rows).

        Any: a family says what its batches are. ``state`` is brought up to date. O(rows).
        """
        facts = self.family.read(batch, state.keys.key)
        slots, turned = locate(state.keys, facts.key, facts.time, self._idle)
        counts = np.zeros((len(self.family.counters), facts.count), np.int32)
        given = {counter.name: counts[place] for place, counter in enumerate(self.family.counters)}
        for counter, columns in zip(self.family.counters, state.columns, strict=True):
            counter.count(facts, slots, turned, columns, given, given[counter.name])
        hits = judge(slots, turned, facts.time, counts, self._bars, self._window, state.standings)
        return facts, hits, counts

    def _finding(  # noqa: PLR0917 - a hit is a place in several arrays
        self,
        facts: Facts,
        hits: Hits,
        hit: int,
        counts: np.ndarray[Any, np.dtype[np.int32]],
        now: int,
        sequence: int,
    ) -> Finding:
        row, number = hits.row.item(hit), hits.rule.item(hit)
        rule = self.rules[number]
        key, source = facts.key[row].tobytes(), unpack(facts.source[row].tobytes())
        identity, at = facts.event(row)
        sensor, shard, lure = facts.place(row)
        whom = source if facts.key is facts.source else key.hex()
        return Finding(
            id=finding_id(rule.id, whom, hits.window.item(hit)),
            rule=rule.id,
            title=rule.title,
            source=source,
            shard=shard,
            grade=rule.grade,
            severity=rule.level,
            confidence=rule.confidence,
            evidence_class=CLASSES[facts.evidence.item(row)],
            first_seen=hits.began.item(hit),
            last_seen=facts.time.item(row),
            found=now,
            count=counts.item(self._bars.counter.item(number), row),
            sensors=(sensor,),
            lures=(lure,) if lure else (),
            evidence=(Evidence(_text(identity), facts.time.item(row), sequence, at, facts.summary(row)),),
            technique=rule.technique,
        )

    def _tell(self, forgotten: int, now: int) -> None:
        """Tell that the table was too small, at most once a second."""
        self._untold += forgotten
        if self._untold and now - self._told >= SECOND:
            cost = f"{self._untold} keys of {self.family.name} forgotten before their day was over"
            tell(LimitHit(stage="detection", limit="max_keys", cost=cost))
            self._untold, self._told = 0, now


def _text(identity: bytes) -> str:
    """16 bytes in the text form of RFC 9562, 4."""
    text = identity.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
