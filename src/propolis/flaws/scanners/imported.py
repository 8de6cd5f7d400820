"""What came of an import: the flaws, and a report in which no template is missing."""

from collections.abc import Iterable
from typing import Final

import msgspec

from propolis.flaws.file import Flaw

BELIEVED: Final = "is believed by its scanner"
THIRD_PARTY: Final = "needs a third party"
"""Its scanner waits for a callback; the request is recognised and answered all the same."""


class Refused(msgspec.Struct, frozen=True):
    """A template of which no flaw was made: the reason, one of few, and more exactly why."""

    reason: str
    why: str


class Study(msgspec.Struct, frozen=True):
    """One template: its flaw if there is one, and ``verdict``, :data:`BELIEVED` or why not."""

    name: str
    flaw: Flaw | None
    verdict: str
    why: str


class Reason(msgspec.Struct, frozen=True):
    """What came of how many templates, and which: their names with what was said of each."""

    verdict: str
    has_flaws: bool
    templates: tuple[tuple[str, str], ...]

    @property
    def count(self) -> int:
        """How many templates."""
        return len(self.templates)


class Imported(msgspec.Struct, frozen=True):
    """The flaws in the order of their files, and what came of every file, the commonest first."""

    flaws: tuple[Flaw, ...]
    report: tuple[Reason, ...]

    @property
    def templates(self) -> int:
        """How many files were read."""
        return sum(reason.count for reason in self.report)


def gather(studies: Iterable[Study]) -> Imported:
    """Studies as one import. A flaw whose id is taken gets the next number behind it."""
    flaws: dict[str, Flaw] = {}
    reasons: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for study in studies:
        reasons.setdefault((study.verdict, study.flaw is not None), []).append((study.name, study.why))
        if study.flaw is not None:
            name, number = study.flaw.id, 1
            while name in flaws:
                number += 1
                name = f"{study.flaw.id[:76]}-{number}"
            flaws[name] = msgspec.structs.replace(study.flaw, id=name)
    report = [Reason(verdict, has, tuple(names)) for (verdict, has), names in reasons.items()]
    report.sort(key=lambda reason: (-reason.count, reason.verdict))
    return Imported(tuple(flaws.values()), tuple(report))
