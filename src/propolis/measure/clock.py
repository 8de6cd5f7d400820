"""The clock of defence: how long from the first packet of the evidence to an enforcement that was read back. Pure.

t0 first packet · t1 finding · t2 decision · t3 read back. Only the first read-back of a decision by an enforcer counts:
an extension defends against nobody new, nor does an enforcer that starts again and finds its work done. What only
pretends (a dry run) is timed and shown, and never counted as a defence.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, TypeAlias

import msgspec

from propolis.clock import MILLISECOND, SECOND
from propolis.decisions import Acknowledgement, Decided, Entry, ModeChanged, Revoked

SCANNED_SECONDS = 90
ATTACKED_SECONDS = 180
PUBLISHED_SECONDS = 1_800
"""Amazon's published figures: a new decoy is scanned within 90 s and attacked within 3 min; protection takes 30 min."""

GRACE_NS = 5 * SECOND
"""A decision younger than this may still be on its way to an enforcer."""

BUCKETS_MS: tuple[float, ...] = (
    1,
    2,
    4,
    6,
    8,
    10,
    15,
    20,
    30,
    50,
    100,
    250,
    500,
    1_000,
    5_000,
    30_000,
    90_000,
    1_800_000,
)

Stage: TypeAlias = Literal["detect", "decide", "enforce", "total"]


class Spread(msgspec.Struct, frozen=True):
    """``n`` durations in milliseconds. Percentiles by nearest rank; all zero when ``n`` is."""

    n: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Path(msgspec.Struct, frozen=True):
    """One way of defending: a rule, carried out by one enforcer of one host."""

    rule: str
    enforcer: str
    host: str
    enforces: bool
    total: Spread


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Mean time to defence and what belongs beside it.

    ``stages``: detect = t1 - t0, decide = t2 - t1, enforce = t3 - t2, total = t3 - t0. ``histogram``: counts per
    bucket of
    :data:`BUCKETS_MS` (upper bounds) and one for the rest. ``clock_error_ms`` bounds what clocks of several hosts may
    add. ``never_defended`` counts blocks in force that no enforcer read back; ``revoked`` those an operator lifted
    one by one, and ``false_block_rate`` their share of all.
    """

    stages: dict[Stage, Spread]
    paths: tuple[Path, ...]
    histogram: tuple[int, ...]
    clock_error_ms: float
    blocks: int
    never_defended: int
    revoked: int
    false_block_rate: float


def spread(durations_ns: Iterable[int]) -> Spread:
    """Durations in nanoseconds to their :class:`Spread`. O(n log n)."""
    ordered = sorted(duration / MILLISECOND for duration in durations_ns)
    if not ordered:
        return Spread()
    count = len(ordered)

    def rank(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * count) - 1)], 3)

    return Spread(
        count, round(sum(ordered) / count, 3), rank(0.50), rank(0.95), rank(0.99), round(ordered[-1], 3)
    )


def summarise(
    acknowledgements: Iterable[Acknowledgement], entries: Sequence[Entry] = (), now: int = 0
) -> Report:
    """A report over acknowledgements and the ledger of the same period; ``now`` (UTC ns) decides what is overdue."""
    firsts = _first_of_each(
        acknowledgements, {entry.decision.id for entry in entries if isinstance(entry, Decided)}
    )
    real = [ack for ack in firsts if ack.enforces]
    by_path: dict[tuple[str, str, str, bool], list[int]] = defaultdict(list)
    for ack in firsts:
        by_path[ack.rule, ack.enforcer, ack.host, ack.enforces].append(ack.applied - ack.first_packet)
    blocks = {
        entry.decision.id: entry.decision
        for entry in entries
        if isinstance(entry, Decided)
        and entry.decision.state == "active"
        and entry.decision.action == "block"
    }
    defended = {ack.decision for ack in real}
    lifted = {entry.decision for entry in entries if isinstance(entry, Revoked) and entry.decision in blocks}
    overdue = [
        block for block in blocks.values() if block.id not in defended and block.decided + GRACE_NS < now
    ]
    one_by_one = _one_by_one(entries, blocks.keys())
    return Report(
        stages={
            "detect": spread(ack.found - ack.first_packet for ack in real),
            "decide": spread(ack.decided - ack.found for ack in real),
            "enforce": spread(ack.applied - ack.decided for ack in real),
            "total": spread(ack.applied - ack.first_packet for ack in real),
        },
        paths=tuple(Path(*path, spread(durations)) for path, durations in sorted(by_path.items())),
        histogram=histogram(ack.applied - ack.first_packet for ack in real),
        clock_error_ms=round(max((ack.clock_error for ack in real), default=0) / MILLISECOND, 3),
        blocks=len(blocks),
        never_defended=sum(block.id not in lifted for block in overdue),
        revoked=one_by_one,
        false_block_rate=round(one_by_one / len(blocks), 6) if blocks else 0.0,
    )


def _first_of_each(
    acknowledgements: Iterable[Acknowledgement], begun: AbstractSet[str]
) -> list[Acknowledgement]:
    """The first read-back of each decision by each enforcer.

    A later revision can be the first that is read back, when it came before the enforcer got to the one before it: it
    counts if its decision is known to have ``begun`` in this period.
    """
    firsts: dict[tuple[str, str, str], Acknowledgement] = {}
    for ack in acknowledgements:
        if not ack.holds or (ack.revision > 1 and ack.decision not in begun):
            continue
        key = ack.decision, ack.enforcer, ack.host
        if key not in firsts or ack.applied < firsts[key].applied:
            firsts[key] = ack
    return list(firsts.values())


def histogram(durations_ns: Iterable[int]) -> tuple[int, ...]:
    """Counts per bucket of :data:`BUCKETS_MS`, the last for what is longer than all of them."""
    counts = [0] * (len(BUCKETS_MS) + 1)
    for duration in durations_ns:
        milliseconds = duration / MILLISECOND
        index = next((i for i, bound in enumerate(BUCKETS_MS) if milliseconds <= bound), len(BUCKETS_MS))
        counts[index] += 1
    return tuple(counts)


def _one_by_one(entries: Sequence[Entry], blocks: Iterable[str]) -> int:
    """Blocks lifted by an operator for what they were, not because everything was stood down or replaced."""
    stood_down = {
        (entry.by, entry.reason)
        for entry in entries
        if isinstance(entry, ModeChanged) and entry.mode == "shadow"
    }
    known = set(blocks)
    return sum(
        isinstance(entry, Revoked)
        and entry.decision in known
        and entry.by != "policy"
        and (entry.by, entry.reason) not in stood_down
        for entry in entries
    )
