"""How sure we are that a source means harm, from all that was found about it: log-odds that add up and wear off.

Weights of evidence add as logarithms of odds (Good, "Probability and the Weighing of Evidence", 1950), but only of what
is independent. So findings are put into groups, after the tactics of ATT&CK: of one group only the strongest counts,
groups add up. Evidence wears off by half every half-life of its group. What was found is kept as one number per source
and group that does not change while time passes, so the order in which findings come cannot matter.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.findings import GRADES, Grade

_HOUR = 3_600 * SECOND


class Group(NamedTuple):
    """Evidence of which only the strongest counts; it is half as strong a half-life (nanoseconds) later."""

    name: str
    half_life: int
    sign: int = 1


GROUPS: tuple[Group, ...] = (
    Group("looked", 6 * _HOUR),
    Group("guessed", 24 * _HOUR),
    Group("exploited", 48 * _HOUR),
    Group("acted", 72 * _HOUR),
    Group("returned", 168 * _HOUR),
    Group("proved", 24 * _HOUR, -1),
)
"""Looked for something, guessed credentials, used an exploit, did something inside, came back with what only we had
said; and, the other way, proved to be somebody who means no harm (:mod:`propolis.detection.proof`)."""

PROVED = len(GROUPS) - 1
RETURNED = PROVED - 1
NONE = -math.inf
"""No evidence of this group."""
SURE = 12.0
"""No single piece of evidence weighs more, in nats: 160,000 to 1."""
SLOPE, SHIFT = 2.14, 0.71
"""Platt's scaling (Platt, "Probabilistic Outputs for Support Vector Machines", 1999): what the sum of weights means.

Fitted on half of labelled material and measured on the other (``bench/detection_quality.py``).
"""

_GUESSED = frozenset({"T1110"})
_EXPLOITED = frozenset({"T1190", "T1203", "T1210", "T1505"})
_LOOKED = frozenset({"T1046", "T1595", "T1592", "T1590"})

Columns: TypeAlias = dict[str, NDArray[Any]]
"""``key``: float64 (capacity, groups); ``rule``: int32 (capacity, groups), the number of the strongest finding's."""


class Part(msgspec.Struct, frozen=True):
    """One group's share in the sum: its strongest finding by name, and what that still weighs (nats, signed)."""

    group: str
    rule: str
    weight: float


class Explanation(msgspec.Struct, frozen=True):
    """Why we hold of a source what we do: the probability (0 to 1) that it means harm, and its parts, gravest first."""

    probability: float
    parts: tuple[Part, ...]


def group_of(technique: str, grade: Grade) -> int:
    """The number of the group that a finding of this ATT&CK technique and grade belongs to."""
    base = technique.partition(".")[0]
    if grade == "confirmed":
        return RETURNED
    if base in _GUESSED:
        return 1
    if base in _LOOKED or GRADES.index(grade) < GRADES.index("attempt"):
        return 0
    return 2 if base in _EXPLOITED or not base else 3


def weight_of(confidence: int) -> float:
    """What a finding of this confidence (0 to 100) weighs by itself: the log-odds of it, in nats, not below 0.

    >>> round(weight_of(90), 2), weight_of(50), weight_of(0)
    (2.2, 0.0, 0.0)
    """
    share = min(max(confidence, 1), 99) / 100.0
    return max(0.0, math.log(share / (1.0 - share)))


def fresh(capacity: int) -> Columns:
    """Nothing is known of any source."""
    return {
        "key": np.full((capacity, len(GROUPS)), NONE),
        "rule": np.full((capacity, len(GROUPS)), -1, np.int32),
    }


def add(  # noqa: PLR0917 - six columns of as many findings
    columns: Columns,
    slots: NDArray[np.int64],
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    rules: NDArray[np.int32],
    times: NDArray[np.int64],
) -> None:
    """Take findings, in any order: a source's slot, group, weight (nats), rule's number, time (UTC nanoseconds).

    A weight w at time t is kept as log2(w) + t / half-life: of two, the one that is larger is the stronger at any
    later time. Of two that are equal the lower rule counts. O(findings).
    """
    half_lives = np.array([group.half_life for group in GROUPS], np.float64)
    telling = weights > 0
    slots, groups, rules, times = slots[telling], groups[telling], rules[telling], times[telling]
    keys = np.log2(np.minimum(weights[telling], SURE)) + times / half_lives[groups]
    for slot, group, key, rule in zip(
        slots.tolist(), groups.tolist(), keys.tolist(), rules.tolist(), strict=True
    ):
        held = columns["key"][slot, group]
        if key > held or (key == held and rule < columns["rule"][slot, group]):
            columns["key"][slot, group] = key
            columns["rule"][slot, group] = rule


def forget(columns: Columns, slots: NDArray[np.int64]) -> None:
    """These slots are somebody else's now."""
    columns["key"][slots] = NONE
    columns["rule"][slots] = -1


def weights(columns: Columns, now: int) -> NDArray[np.float64]:
    """What each group of each source weighs at ``now`` (UTC nanoseconds), signed; never more than when it was found."""
    half_lives = np.array([group.half_life for group in GROUPS], np.float64)
    signs = np.array([group.sign for group in GROUPS], np.float64)
    exponents = np.minimum(columns["key"] - now / half_lives, math.log2(SURE))
    held: NDArray[np.float64] = signs * np.exp2(exponents)
    return held


def probabilities(columns: Columns, now: int) -> NDArray[np.float64]:
    """For each source that it means harm, 0 to 1; 0 where nothing was found. O(capacity)."""
    total = weights(columns, now).sum(axis=1)
    seen = np.isfinite(columns["key"]).any(axis=1)
    return np.where(seen, 1.0 / (1.0 + np.exp(-(SLOPE * total + SHIFT))), 0.0)


def explain(columns: Columns, slot: int, names: Sequence[str], now: int) -> Explanation:
    """What is held of one source, and which findings make it so; ``names`` are the rules by number."""
    one = {name: column[slot : slot + 1] for name, column in columns.items()}
    held = weights(one, now)[0]
    parts = [
        Part(group.name, names[rule], round(float(weight), 4))
        for group, rule, weight in zip(GROUPS, one["rule"][0].tolist(), held, strict=True)
        if rule >= 0
    ]
    parts.sort(key=lambda part: (-abs(part.weight), part.group))
    return Explanation(float(probabilities(one, now)[0]), tuple(parts))


def plain(findings: Iterable[tuple[int, float, int]], now: int) -> float:
    """The probability for one source from (group, weight, time), said plainly; what :func:`probabilities` must say."""
    strongest: dict[int, float] = {}
    for group, weight, time in findings:
        if weight > 0:
            left = min(weight, SURE) * math.pow(2.0, -(now - time) / GROUPS[group].half_life)
            strongest[group] = max(strongest.get(group, 0.0), min(left, SURE))
    if not strongest:
        return 0.0
    total = sum(GROUPS[group].sign * weight for group, weight in strongest.items())
    return 1.0 / (1.0 + math.exp(-(SLOPE * total + SHIFT)))


def platt(sums: NDArray[np.float64], harmful: NDArray[np.bool_], rounds: int = 50) -> tuple[float, float]:
    """The slope and shift under which the sums of weights are probabilities, by Newton's method with Platt's targets.

    ``sums`` and ``harmful`` are one entry a source.
    """
    good, bad = int(harmful.sum()), int((~harmful).sum())
    wanted = np.where(harmful, (good + 1.0) / (good + 2.0), 1.0 / (bad + 2.0))
    design = np.stack([sums, np.ones_like(sums)], axis=1)
    line = np.zeros(2)
    for _ in range(rounds):
        said = 1.0 / (1.0 + np.exp(-np.clip(design @ line, -30.0, 30.0)))
        spread = said * (1.0 - said) + 1e-9
        hessian = design.T @ (design * spread[:, None]) + 1e-6 * np.eye(2)
        line += np.linalg.solve(hessian, design.T @ (wanted - said))
    return float(line[0]), float(line[1])


def calibration_error(said: NDArray[np.float64], harmful: NDArray[np.bool_], bins: int = 10) -> float:
    """The expected calibration error, 0 to 1: how far each tenth's probability is from its share of harmful ones.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015.
    """
    places = np.minimum((said * bins).astype(np.int64), bins - 1)
    error = 0.0
    for place in np.unique(places).tolist():
        chosen = places == place
        error += float(chosen.mean()) * abs(float(said[chosen].mean()) - float(harmful[chosen].mean()))
    return error
