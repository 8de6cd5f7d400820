"""Which line of the policy a finding falls under: the first that fits."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from propolis.config import PolicyLine
from propolis.findings import GRADES, Finding


def fit(policy: Sequence[PolicyLine], finding: Finding) -> PolicyLine | None:
    """The first line whose rule, grade and confidence the finding meets; ``None`` if there is none.

    A line's ``rule`` is a rule's exact name or a shell pattern (``ssh-*``), compared with case.
    """
    return next((line for line in policy if _fits(line, finding)), None)


def _fits(line: PolicyLine, finding: Finding) -> bool:
    return (
        finding.confidence >= line.confidence
        and GRADES.index(finding.grade) >= GRADES.index(line.grade)
        and (line.rule in ("*", finding.rule) or fnmatchcase(finding.rule, line.rule))
    )
