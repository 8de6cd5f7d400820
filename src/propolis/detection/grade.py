"""Several findings about one source, seen together."""

from collections.abc import Iterable, Sequence

import msgspec

from propolis.findings import GRADES, Finding, Grade

CERTAIN = 99
"""Evidence that is only put together never makes more than this, out of 100."""


class Standing(msgspec.Struct, frozen=True):
    """What is held of a source: the highest grade it earned, and how sure we are that it means harm (0 to 100)."""

    source: str
    grade: Grade
    confidence: int
    rules: tuple[str, ...]


def combine(confidences: Iterable[int]) -> int:
    """The confidence of independent pieces of evidence together, 0 to 100.

    Noisy-or (Pearl, 1988): each would be wrong with probability 1 - c/100, and all are wrong only if each is.
    Putting things together stops at ``CERTAIN``; a single piece keeps what it has.
    """
    each = [min(max(confidence, 0), 100) for confidence in confidences]
    wrong = 1.0
    for confidence in each:
        wrong *= 1.0 - confidence / 100.0
    return max(min(round(100.0 * (1.0 - wrong)), CERTAIN), max(each, default=0))


def raised(own: tuple[str, int], others: Sequence[tuple[str, int]]) -> int:
    """A finding's confidence in the light of what else its source did in the same window.

    ``own`` and ``others`` are (ATT&CK technique, confidence). Two rules of one technique may have seen the same thing,
    so only the strongest of each *other* technique counts as independent; T1110.001 is T1110. Without a technique
    nothing is independent.
    """
    technique, confidence = _base(own[0]), own[1]
    strongest: dict[str, int] = {}
    for other, value in others:
        if _base(other) not in {"", technique}:
            strongest[_base(other)] = max(value, strongest.get(_base(other), 0))
    return combine((confidence, *strongest.values())) if technique else confidence


def standing(findings: Iterable[Finding]) -> dict[str, Standing]:
    """Each source's standing from its findings of one window."""
    of: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        of.setdefault(finding.source, {})[finding.rule] = finding
    return {
        source: Standing(
            source=source,
            grade=max((finding.grade for finding in rules.values()), key=GRADES.index),
            confidence=max(
                raised((one.technique, one.confidence), _others(one, rules)) for one in rules.values()
            ),
            rules=tuple(sorted(rules)),
        )
        for source, rules in of.items()
    }


def _others(one: Finding, rules: dict[str, Finding]) -> list[tuple[str, int]]:
    return [(other.technique, other.confidence) for other in rules.values() if other is not one]


def _base(technique: str) -> str:
    return technique.partition(".")[0]
