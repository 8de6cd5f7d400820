"""What is held against a source, before it is anybody's: the part of a finding that comes from a rule or a flaw."""

import msgspec

from propolis.detection.rules import Rule
from propolis.events import unpack
from propolis.events.canary import Canary
from propolis.findings import Grade, Severity
from propolis.flaws.file import Flaw, Step

CANARY_USED = "canary-used"
"""The name that findings about canaries go by."""

ADDRESS_BYTES = 16
"""Of a canary's source that is an IPv4 address; for IPv6 it holds but a digest."""


class Claim(msgspec.Struct, frozen=True):
    """``name`` is the rule of the finding, ``kind`` the class of attack, ``alternatives`` what it could be instead.

    ``step`` tells several of one name apart: a flaw's steps are findings of their own if their grades differ.
    """

    name: str
    title: str
    grade: Grade
    severity: Severity
    confidence: int
    technique: str
    cve: tuple[str, ...]
    kind: str
    step: str = ""
    alternatives: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What makes two claims about one source and window the same finding."""
        return f"{self.name}/{self.grade}" if self.step else self.name


def claim_of_rule(rule: Rule) -> Claim:
    """What a rule says."""
    return Claim(
        name=rule.id,
        title=rule.title,
        grade=rule.grade,
        severity=rule.severity,
        confidence=rule.confidence,
        technique=rule.technique,
        cve=rule.cve,
        kind=rule.weakness,
    )


def claim_of_canary(canary: Canary) -> Claim:
    """What the use of a canary says: nobody but a decoy's visitor can have it."""
    whom = unpack(canary.source) if len(canary.source) == ADDRESS_BYTES else "an IPv6 source"
    return Claim(
        name=CANARY_USED,
        title=f"Used the {canary.kind.replace('_', ' ')} that a decoy had given to {whom}",
        grade="confirmed",
        severity="critical",
        confidence=99,
        technique="T1078",
        cve=(),
        kind="canary",
    )


def claim_of_step(flaw: Flaw, step: Step) -> Claim:
    """What a request for a flaw says of its sender: how much, and for which of the CVEs, is the step's word.

    A step that says nothing of CVEs is for all of the file, but a mere look is for none: the page of a product is
    asked for by whoever is after any of its flaws. Only a scanner's template (``source``) looks for just one.
    """
    of_file = flaw.cve if flaw.source or step.grade not in {"seen", "scan"} else ()
    return Claim(
        name=flaw.id,
        title=flaw.name,
        grade=step.grade,
        severity=flaw.severity,
        confidence=step.confidence,
        technique=flaw.technique,
        cve=of_file if step.cve is None else step.cve,
        kind=flaw.kind,
        step=step.id,
    )
