"""The live picture: what the stream says, kept in bounded memory for whoever looks.

The ``on_…`` methods are pure updates; :meth:`Board.follow` feeds them from the stream, however often that is lost.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import islice
from operator import add
from typing import Any, Literal, TypeAlias

import msgspec

from propolis import findings
from propolis.clock import SECOND, Clock
from propolis.console.hits import Hits
from propolis.decisions import (
    Acknowledgement,
    BudgetExhausted,
    Decided,
    Decision,
    Entry,
    ModeChanged,
    Present,
    Refused,
    State,
    about,
    decode_acknowledgement,
    decode_entry,
)
from propolis.decisions.present import Generations
from propolis.errors import CodecError
from propolis.findings import Finding, Grade
from propolis.measure import BUCKETS_MS, Exposure, Report, exposures, histogram, summarise
from propolis.notes import BadMessage, StreamLost, tell
from propolis.stream import Delivery, Heartbeat, Pull, Stream, Unreachable, is_marker, start_at, subjects
from propolis.stream import Refused as StreamRefused
from propolis.stream.heartbeat import TTL_SECONDS
from propolis.stream.heartbeat import decode as decode_heartbeat

MAX_FINDINGS = 200
MAX_ENTRIES = 10_000
MAX_REFUSALS = 100
MAX_ACKNOWLEDGEMENTS = 10_000
MAX_ENFORCERS = 64
MAX_STAGES = 512
"""Heartbeats of stages kept, lost ones included; the one silent longest is forgotten first."""

FORGET_SECONDS = 3_600
"""How long a lost stage is shown."""
REPORT_SECONDS = 1.0
"""A report is made at most this often."""
OVERDUE_SECONDS = 10.0
"""When nothing happens a report is made this often all the same: what is not defended by now is overdue."""
RETRY_SECONDS = 1.0

MAX_KNOWN = 4_096
"""Entries of the ledger known by their id; one that the stream repeats comes soon after the first."""

Health: TypeAlias = Literal["up", "lost"]


class Defences(msgspec.Struct):
    """What one enforcer carried out since we look: counts per bucket of ``measure.BUCKETS_MS``, and their sum."""

    counts: list[int]
    seconds: float = 0.0


class Beat(msgspec.Struct, frozen=True):
    """A stage's last heartbeat and when it came (monotonic nanoseconds); ``gone`` if the stream says that it ended."""

    heartbeat: Heartbeat
    received: int
    gone: bool = False


class Board:
    """Everything the console shows. ``max_age_seconds`` is how long the stream keeps acknowledgements."""

    def __init__(self, clock: Clock, max_age_seconds: float) -> None:
        self._clock = clock
        self._max_age = int(max_age_seconds * SECOND)
        self._stale = True
        self._reported: int | None = None
        self._report = summarise(())
        self.findings: OrderedDict[str, Finding] = OrderedDict()
        self.grades: Counter[Grade] = Counter()
        self.present = _present()
        self.entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self.refusals: deque[Refused] = deque(maxlen=MAX_REFUSALS)
        self.refused: Counter[str] = Counter()
        self.alarm: BudgetExhausted | None = None
        self.acknowledgements: deque[Acknowledgement] = deque(maxlen=MAX_ACKNOWLEDGEMENTS)
        self.defences: dict[str, Defences] = {}
        self._defended: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self.would_have_blocked = 0
        self.beats: OrderedDict[str, Beat] = OrderedDict()
        self.hits = Hits()

    def on_finding(self, finding: Finding) -> None:
        """The finding is the newest; a later word on a known one takes its place."""
        if self.findings.pop(finding.id, None) is None:
            self.grades[finding.grade] += 1
        self.findings[finding.id] = finding
        while len(self.findings) > MAX_FINDINGS:
            self.findings.popitem(last=False)

    def on_entry(self, entry: Entry) -> None:
        """The next entry of the ledger, in its order."""
        if not self.present.apply(entry):
            return
        self._stale = True
        self.entries.append(entry)
        match entry:
            case Decided(decision=decision) if decision.state == "shadow" and decision.action == "block":
                self.would_have_blocked += 1
            case ModeChanged():
                self.would_have_blocked = 0
            case Refused():
                self.refusals.append(entry)
                self.refused[entry.guard] += 1
            case BudgetExhausted():
                self.alarm = entry
            case _:
                pass

    def on_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """An enforcer read back what it did."""
        self._stale = True
        self.acknowledgements.append(acknowledgement)
        enforcer = acknowledgement.enforcer
        if self._is_first(acknowledgement) and (
            enforcer in self.defences or len(self.defences) < MAX_ENFORCERS
        ):
            took = acknowledgement.applied - acknowledgement.first_packet
            defences = self.defences.setdefault(enforcer, Defences([0] * (len(BUCKETS_MS) + 1)))
            defences.counts = list(map(add, defences.counts, histogram((took,))))
            defences.seconds += took / SECOND

    def _is_first(self, acknowledgement: Acknowledgement) -> bool:
        """Whether it is a defence: an enforcer that starts again repeats what it still holds."""
        if not acknowledgement.holds or acknowledgement.revision != 1:
            return False
        defence = (acknowledgement.decision, acknowledgement.enforcer, acknowledgement.host)
        if defence in self._defended:
            return False
        self._defended[defence] = None
        while len(self._defended) > MAX_ACKNOWLEDGEMENTS:
            self._defended.popitem(last=False)
        return True

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """A stage lives."""
        key, now = f"{heartbeat.stage}.{heartbeat.name}", self._clock.monotonic()
        self.beats[key] = Beat(heartbeat, now)
        self.beats.move_to_end(key)
        while len(self.beats) > MAX_STAGES:
            forgotten, _ = self.beats.popitem(last=False)
            self.hits.forget(forgotten)
        if heartbeat.stage == "sensor":
            self.hits.count(key, heartbeat.figures, now)

    def on_left(self, key: str) -> None:
        """A stage took its key away: it ended as it was told to, and is not missed."""
        self.hits.forget(key)
        self.beats.pop(key, None)

    def on_gone(self, key: str) -> None:
        """The stream says that a stage's key ended: it did not beat for too long."""
        self.hits.forget(key)
        if beat := self.beats.get(key):
            self.beats[key] = msgspec.structs.replace(beat, gone=True)

    def tick(self) -> None:
        """Once a second: find who is lost, forget who is lost for long, and sample the rate of hits."""
        now = self._clock.monotonic()
        for key, beat in list(self.beats.items()):
            if now - beat.received > FORGET_SECONDS * SECOND:
                del self.beats[key]
            elif self.health(beat) == "lost":
                self.hits.forget(key)
        self.hits.sample()

    def health(self, beat: Beat) -> Health:
        """Whether a stage still beats."""
        return "lost" if beat.gone or self.age_seconds(beat) > TTL_SECONDS else "up"

    def age_seconds(self, beat: Beat) -> float:
        """How long ago a stage was last heard."""
        return (self._clock.monotonic() - beat.received) / SECOND

    def stages(self, stage: str = "") -> tuple[Beat, ...]:
        """The last heartbeat of every stage of a kind, or of all, by name."""
        return tuple(
            self.beats[key]
            for key in sorted(self.beats)
            if not stage or self.beats[key].heartbeat.stage == stage
        )

    def latest_findings(self) -> Iterator[Finding]:
        """Newest first."""
        return reversed(self.findings.values())

    def decisions(self, state: State, limit: int) -> tuple[Decision, ...]:
        """The newest decisions that are ``active``, or ``shadow``, newest first. O(held) at worst."""
        newest_first = reversed(self.present.held.values())
        return tuple(islice((decision for decision in newest_first if decision.state == state), limit))

    def count(self, state: State) -> int:
        """How many decisions are ``active``, or ``shadow``."""
        return self.present.kept.get(state, 0)

    def why(self, decision: str) -> tuple[Entry, ...]:
        """What the last entries of the ledger say about a decision; empty if it is older than they are."""
        return tuple(about(self.entries, decision))

    def report(self) -> Report:
        """The clock of defence over what is kept, made anew when something happened or a while passed."""
        now = self._clock.monotonic()
        patience = (REPORT_SECONDS if self._stale else OVERDUE_SECONDS) * SECOND
        if self._reported is None or now - self._reported >= patience:
            self._report = summarise(self.acknowledgements, self._same_period(), self._clock.now())
            self._reported, self._stale = now, False
        return self._report

    def exposures(self) -> tuple[Exposure, ...]:
        """Per sensor: how long until it was found, and until it was attacked."""
        sensors = (beat.heartbeat for beat in self.stages("sensor"))
        return exposures(sensors, self.findings.values())

    def _same_period(self) -> list[Entry]:
        """The entries whose acknowledgements would still be here: what lacks one was never defended."""
        begin = self._clock.now() - self._max_age
        if len(self.acknowledgements) == MAX_ACKNOWLEDGEMENTS:
            begin = max(begin, self.acknowledgements[0].applied)
        return [entry for entry in self.entries if entry.time >= begin]

    async def follow(self, stream: Stream) -> None:
        """Feed the board until cancelled; a stream that is lost, or not there yet, is waited for."""
        sources: tuple[tuple[str, int, Callable[[Delivery], None]], ...] = (
            (subjects.LEDGER, 0, self._entry),
            (subjects.FINDINGS, MAX_FINDINGS, self._findings),
            (subjects.CLOCK, MAX_ACKNOWLEDGEMENTS, self._acknowledgement),
        )
        async with asyncio.TaskGroup() as tasks:
            for name, back, take in sources:
                tasks.create_task(_follow(stream, name, back, take), name=f"follow {name}")
            tasks.create_task(
                _follow(stream, f"KV_{subjects.SENSORS}", -1, self._heartbeat), name="follow sensors"
            )
            tasks.create_task(self._tick(), name="tick")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.tick()

    def _entry(self, delivery: Delivery) -> None:
        self.on_entry(decode_entry(delivery.data))

    def _findings(self, delivery: Delivery) -> None:
        for finding in findings.decode(delivery.data):
            self.on_finding(finding)

    def _acknowledgement(self, delivery: Delivery) -> None:
        self.on_acknowledgement(decode_acknowledgement(delivery.data))

    def _heartbeat(self, delivery: Delivery) -> None:
        key = delivery.subject.removeprefix(f"$KV.{subjects.SENSORS}.")
        if "KV-Operation" in delivery.headers:
            self.on_left(key)
        elif is_marker(delivery.headers):
            self.on_gone(key)
        else:
            self.on_heartbeat(decode_heartbeat(delivery))


def _present() -> Present:
    """Before the first entry. The console judges nothing, so it need not remember what the decider must."""
    span = 60 * SECOND
    return Present(
        past=Generations(span, MAX_KNOWN),
        judged=Generations(span, MAX_KNOWN),
        applied=Generations(span, MAX_KNOWN),
        refused=Generations(span, MAX_KNOWN),
    )


async def _follow(stream: Stream, name: str, back: int, take: Callable[[Delivery], None]) -> None:
    """Give every message to ``take``: the last ``back`` and all that come; 0: from the first; -1: of keys, the last."""
    pull = await _open(stream, name, back)
    async with contextlib.aclosing(pull):
        while True:
            for delivery in await pull.next():
                try:
                    take(delivery)
                except CodecError as error:
                    tell(
                        BadMessage(
                            stage="console",
                            subject=delivery.subject,
                            sequence=delivery.sequence,
                            why=str(error),
                        )
                    )


async def _open(stream: Stream, name: str, back: int) -> Pull:
    told = False
    while True:
        try:
            return await Pull.ephemeral(stream, name, await _begin(stream, name, back))
        except (StreamRefused, Unreachable) as error:
            if not told:
                tell(StreamLost(stage="console", url=stream.url, why=f"{name}: {error}; waiting for it"))
                told = True
            await asyncio.sleep(RETRY_SECONDS)


async def _begin(stream: Stream, name: str, back: int) -> dict[str, Any]:
    if back < 0:
        return {"deliver_policy": "last_per_subject", "filter_subject": ">"}
    if back == 0:
        return {"deliver_policy": "all"}
    info = await stream.api(f"STREAM.INFO.{name}")
    return start_at(info["state"]["last_seq"] - back + 1)
