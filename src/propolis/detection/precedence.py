"""One request, one account of it: which of the rules and flaws that fit a text is told, and which only stand beside.

The more specific speaks, unless a graver one does. Of the flaws that a request goes for, the one by the step of highest
grade stands first, then the more specific: whoever attacks a product's page need not attack the flaw that is found
there. A flaw by name stands before a rule that knows no other CVE; both stand before rules that only know a class of
attack (their file has ``weakness``). But a flaw that was only looked for gives way to a rule of higher grade, and with
it the CVE. Of several classes the one of highest grade and confidence is told; the others are its alternatives.

Flaws as specific as the first are served by the same request, so their CVEs are named with its own; what serves more
than ``MAX_CVES`` is no evidence for any of them, and names none.

A step graded *seen*, such as the first page of a product, is what everybody asks for and names nothing.

On a decoy nobody has business. Elsewhere, in the logs of real servers, a look at a page of some product, a log-in, or
the use of an interface that ought to be closed, is only that: a step graded *scan* or for none of the CVEs of its file,
and a flaw of a kind in ``OPEN``, are not told there unless a rule finds the request suspicious too.
"""

from collections.abc import Sequence

import msgspec

from propolis.detection.claim import Claim, claim_of_step
from propolis.detection.knowledge import Named
from propolis.detection.rules import Rule
from propolis.findings import GRADES, Grade
from propolis.flaws.file import Flaw, Kind, Step

MAX_ALTERNATIVES = 8

MAX_CVES = 4
"""Of several flaws that one request serves as well as each other."""

CLOSE = 0.9
"""A flaw with this share of the first one's score is as specific as it."""

CERTAIN_SCORE = 200
"""A mere look that is less specific than that was at the product: which of its flaws it was for is not said."""

OPEN: frozenset[Kind] = frozenset({"information-disclosure", "missing-authentication"})
"""Kinds of flaws whose requests are what a legitimate client sends as well."""


class Account(msgspec.Struct, frozen=True):
    """The numbers of the rules that are told, ascending, the flaw that is, and what the text could be instead."""

    rules: tuple[int, ...]
    flaw: Claim | None = None
    alternatives: tuple[str, ...] = ()


def account(
    rules: Sequence[Rule], fitting: Sequence[int], named: Sequence[Named] = (), *, is_decoy: bool = True
) -> Account:
    """What is told of a text that ``fitting`` rules fit and that goes for the ``named`` flaws, most specific first.

    ``is_decoy`` says that a decoy received it. Alternatives are ``id/step:score`` of flaws and ``id:confidence`` of
    rules. O(fitting + named).
    """
    named = [one for one in named if _tells(*one, is_suspect=is_decoy or bool(fitting))]
    named.sort(key=lambda one: -_rank(one[1].grade))
    flaw = _claim(named) if named else None
    specific = [
        number
        for number in fitting
        if not rules[number].weakness and not (flaw and _says(flaw, rules[number]))
    ]
    classes = sorted(
        (number for number in fitting if rules[number].weakness),
        key=lambda number: (-_rank(rules[number].grade), -rules[number].confidence, number),
    )
    graver = [
        number for number in specific + classes[:1] if flaw and _rank(rules[number].grade) > _rank(flaw.grade)
    ]
    if graver:
        flaw = None
    told = max(
        [_rank(rules[number].grade) for number in specific] + ([_rank(flaw.grade)] if flaw else []),
        default=-1,
    )
    lead = classes[:1] if classes and _rank(rules[classes[0]].grade) > told else []
    others = [f"{other.id}/{step.id}:{score}" for other, step, score in named[1 if flaw else 0 :]]
    others += [f"{rules[number].id}:{rules[number].confidence}" for number in classes if number not in lead]
    return Account(tuple(sorted(specific + lead)), flaw, tuple(others[:MAX_ALTERNATIVES]))


def _tells(flaw: Flaw, step: Step, _score: int, *, is_suspect: bool) -> bool:
    """Whether a request for this step says anything of who sent it."""
    if step.grade == "seen":
        return False
    return is_suspect or not (step.grade == "scan" or step.cve == () or flaw.kind in OPEN)


def _says(flaw: Claim, rule: Rule) -> bool:
    """Whether a flaw says all that a rule about CVEs could add."""
    is_known = bool(rule.cve) and frozenset(flaw.cve).issuperset(rule.cve)
    return is_known and _rank(rule.grade) <= _rank(flaw.grade)


def _claim(named: Sequence[Named]) -> Claim:
    """What is held against the sender for the first of these flaws, with the CVEs of those as specific as it."""
    flaw, step, score = named[0]
    claim = claim_of_step(flaw, step)
    if step.grade == "scan" and score < CERTAIN_SCORE:
        return msgspec.structs.replace(claim, cve=())
    if not claim.cve:
        return claim
    as_specific = [
        claim_of_step(other, its).cve
        for other, its, points in named[1:]
        if its.grade == step.grade and points >= CLOSE * score
    ]
    cve = tuple(dict.fromkeys([*claim.cve, *(cve for each in as_specific for cve in each)]))
    is_too_many = len(cve) > max(MAX_CVES, len(claim.cve))
    return msgspec.structs.replace(claim, cve=() if is_too_many else cve)


def _rank(grade: Grade) -> int:
    return GRADES.index(grade)
