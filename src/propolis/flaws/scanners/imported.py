"""What came of an import: the flaws, and a report in which no template is missing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from propolis.flaws.file import Flaw

BELIEVED: Final = "is believed by its scanner"
THIRD_PARTY: Final = "needs a third party"
"""Its scanner waits for a callback; the request is recognised and answered all the same."""

ANSWERED: Final = "says only what a request looks like; the answer is that of its kind of flaw"
RECOGNISED: Final = "says only what a request looks like; nothing tells the answer"
UNWRITABLE: Final = "cannot be written as a lure file"


class Refused(msgspec.Struct, frozen=True):
    """A template of which no flaw was made: the reason, one of few, and more exactly why."""

    reason: str
    why: str


class Study(msgspec.Struct, frozen=True):
    """One template: its flaw if there is one, and ``verdict``, :data:`BELIEVED` or why not.

    ``family`` is what it is part of, ``replay`` whether its scanner would believe another flaw too; only where the flaw
    has a page that it could share with others of its family.
    """

    name: str
    flaw: Flaw | None
    verdict: str
    why: str
    family: str = ""
    replay: Callable[[Flaw], bool] | None = None


class Imported(msgspec.Struct, frozen=True):
    """What came of every template, by the name of its file.

    ``flaws`` are in the order of the files. ``believed`` are those whose own scanner is convinced; all others stand in
    ``report`` under a reason, the commonest first, whether or not there is a flaw that recognises their requests;
    ``why`` says more of each of them.
    """

    flaws: tuple[Flaw, ...]
    believed: tuple[str, ...]
    report: Mapping[str, tuple[str, ...]]
    why: Mapping[str, str]

    @property
    def templates(self) -> int:
        """How many files were read."""
        return len(self.believed) + sum(map(len, self.report.values()))


def gather(studies: Iterable[Study]) -> Imported:
    """Studies as one import. A flaw whose id is taken gets the next number behind it."""
    flaws: dict[str, Flaw] = {}
    reasons: dict[str, list[str]] = {BELIEVED: []}
    why: dict[str, str] = {}
    for study in studies:
        reasons.setdefault(study.verdict, []).append(study.name)
        if study.verdict != BELIEVED:
            why[study.name] = study.why
        if study.flaw is not None:
            name, number = study.flaw.id, 1
            while name in flaws:
                number += 1
                name = f"{study.flaw.id[:76]}-{number}"
            flaws[name] = msgspec.structs.replace(study.flaw, id=name)
    believed = tuple(reasons.pop(BELIEVED))
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    return Imported(
        tuple(flaws.values()), believed, {verdict: tuple(names) for verdict, names in ordered}, why
    )
