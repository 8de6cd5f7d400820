"""One request, one account of it: which of the rules and flaws that fit a text is told, and which only stand beside.

The more specific speaks. A flaw by name stands before a rule that knows the same CVE; both stand before rules that only
know a class of attack (their file has ``weakness``), unless such a rule is surer that harm was meant (its grade is
higher). Of several classes the one of highest grade and confidence is told; the others are its alternatives.
"""

from collections.abc import Sequence

import msgspec

from propolis.detection.claim import Claim, claim_of_step
from propolis.detection.knowledge import Named
from propolis.detection.rules import Rule
from propolis.findings import GRADES

MAX_ALTERNATIVES = 8


class Account(msgspec.Struct, frozen=True):
    """The numbers of the rules that are told, ascending, the flaw that is, and what the text could be instead."""

    rules: tuple[int, ...]
    flaw: Claim | None = None
    alternatives: tuple[str, ...] = ()


def account(rules: Sequence[Rule], fitting: Sequence[int], named: Sequence[Named] = ()) -> Account:
    """What is told of a text that ``fitting`` rules fit and that goes for the ``named`` flaws, best first.

    Alternatives are ``id/step:score`` of flaws and ``id:confidence`` of rules. O(fitting + named).
    """
    flaw = claim_of_step(named[0][0], named[0][1]) if named else None
    known = frozenset(flaw.cve) if flaw else frozenset()
    specific = [
        number for number in fitting if not rules[number].weakness and known.isdisjoint(rules[number].cve)
    ]
    classes = sorted(
        (number for number in fitting if rules[number].weakness),
        key=lambda number: (-GRADES.index(rules[number].grade), -rules[number].confidence, number),
    )
    told = max(
        [GRADES.index(rules[number].grade) for number in specific]
        + ([GRADES.index(flaw.grade)] if flaw else []),
        default=-1,
    )
    lead = classes[:1] if classes and GRADES.index(rules[classes[0]].grade) > told else []
    others = [f"{other.id}/{step.id}:{score}" for other, step, score in named[1:]]
    others += [f"{rules[number].id}:{rules[number].confidence}" for number in classes if number not in lead]
    return Account(tuple(sorted(specific + lead)), flaw, tuple(others[:MAX_ALTERNATIVES]))
