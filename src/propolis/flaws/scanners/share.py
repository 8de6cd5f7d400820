"""Pages that several flaws ask for before they are what they are: one front page that shows what each wants to see.

Templates look first whether the product is there, mostly on the front page. A host that plays several plugins of one
product has one front page, and whichever lure answers, the others' scanners go on only if they find themselves in it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from propolis.flaws.file import Step
from propolis.flaws.scanners.imported import Study

MAX_PAGE_CHARACTERS = 32_768
MAX_ISSUED = 16
"""Values that are drawn for one page."""

_PAGE: Final = re.compile(r"(?s)(.*<title>)([^<]*)(</title>\n</head>\n<body>\n)(.*)(</body>\n</html>\n)")
_HTML: Final = ("Content-Type: text/html; charset=UTF-8",)
_PLAIN_HTML: Final = ("Content-Type: text/html",)

Place: TypeAlias = tuple[int, int]
"""A study, and a step of its flaw."""


def is_page(step: Step) -> bool:
    """Whether a step is a mere page, which everybody asks for and which has no other shape than ours."""
    reply = step.reply
    return (
        step.grade in {"seen", "scan"}
        and isinstance(step.match, dict)
        and step.match.keys() == {"method", "path"}
        and not (step.after or step.unless or reply.delay)
        and reply.status == 200
        and reply.headers[:1] in {_HTML, _PLAIN_HTML}
        and _PAGE.fullmatch(reply.body) is not None
    )


def share(studies: Iterable[Study]) -> list[Study]:
    """The same studies; flaws of one family show one page where they are asked for the same one.

    What a flaw's own scanner does not believe any more stays as it was.
    """
    known = list(studies)
    for places in _groups(known).values():
        steps = [step for number, place in places if (step := _step(known[number], place))]
        pages = [page for step in steps if (page := _PAGE.fullmatch(step.reply.body))]
        title = _title([page[2] for page in pages], known[places[0][0]].family)
        shown, issued = _joined(steps, [page[4] for page in pages])
        for (number, place), step, page in zip(places, steps, pages, strict=True):
            own = page[4] if page[4] not in shown else ""
            body = page[1] + title + page[3] + own + shown + page[5]
            reply = msgspec.structs.replace(step.reply, body=body)
            changed = msgspec.structs.replace(step, reply=reply, issue=issued | step.issue)
            known[number] = _with(known[number], place, changed)
    return known


def _groups(studies: Sequence[Study]) -> dict[tuple[str, str], list[Place]]:
    """Where the same page is asked for, by family and conditions."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for number, study in enumerate(studies):
        if study.flaw is None or study.replay is None:
            continue
        for place, step in enumerate(study.flaw.steps):
            if is_page(step):
                groups.setdefault((study.family, repr(step.match)), []).append((number, place))
    return {key: places for key, places in groups.items() if len(places) > 1}


def _step(study: Study, place: int) -> Step | None:
    return study.flaw.steps[place] if study.flaw is not None else None


def _title(titles: Sequence[str], family: str) -> str:
    """The one that all have, or that of what they are part of."""
    return titles[0] if len(set(titles)) == 1 else family.replace("-", " ").title()


def _joined(steps: Sequence[Step], bodies: Sequence[str]) -> tuple[str, dict[str, str]]:
    """What all show, each once and up to a bound, and the values that are drawn for it.

    A page that echoes, or comes with headers of its own, is more than a front page: it shows the others, not they it.
    """
    shown, issued = "", dict[str, str]()
    for step, body in zip(steps, bodies, strict=True):
        is_other = any(issued.get(name, drawn) != drawn for name, drawn in step.issue.items())
        is_full = len(shown) + len(body) > MAX_PAGE_CHARACTERS or len(issued | step.issue) > MAX_ISSUED
        is_special = bool(step.extract) or step.reply.headers != _HTML
        if body in shown or is_other or is_full or is_special:
            continue
        shown += body
        issued |= step.issue
    return shown, issued


def _with(study: Study, place: int, step: Step) -> Study:
    """A study whose flaw has that step, if its scanner believes it."""
    if study.flaw is None or study.replay is None or study.flaw.steps[place] == step:
        return study
    steps = [*study.flaw.steps[:place], step, *study.flaw.steps[place + 1 :]]
    flaw = msgspec.structs.replace(study.flaw, steps=tuple(steps))
    return msgspec.structs.replace(study, flaw=flaw) if study.replay(flaw) else study
