"""Pages that several flaws ask for before they are what they are: one front page that shows what each wants to see.

Templates look first whether the product is there, mostly on the front page. A host that plays several plugins of one
product has one front page, and whichever lure answers, the others' scanners go on only if they find themselves in it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from propolis.flaws.file import Flaw, Step
from propolis.flaws.scanners.imported import Study

MAX_PAGE_CHARACTERS = 32_768

_PAGE: Final = re.compile(r"(?s)(.*<title>)([^<]*)(</title>\n</head>\n<body>\n)(.*)(</body>\n</html>\n)")
_HTML: Final = ("Content-Type: text/html; charset=UTF-8",)

Place: TypeAlias = tuple[int, int]
"""A study, and a step of its flaw."""


def is_page(step: Step) -> bool:
    """Whether a step is a mere page: asked for by everybody, the same for all, and of no other shape than ours."""
    reply = step.reply
    is_bare = not (step.issue or step.extract or step.after or step.unless or reply.delay)
    return (
        is_bare
        and step.grade == "seen"
        and isinstance(step.match, dict)
        and (reply.status, reply.headers) == (200, _HTML)
        and "{{" not in reply.body
        and _PAGE.fullmatch(reply.body) is not None
    )


def share(studies: Iterable[Study]) -> list[Study]:
    """The same studies; flaws of one family show one page where they are asked for the same one.

    What a flaw's own scanner does not believe any more stays as it was.
    """
    known = list(studies)
    for places in _groups(known).values():
        page = _joined([known[number].flaw for number, _ in places], places, known[places[0][0]].family)
        for number, step in places:
            known[number] = _with(known[number], step, page) if page else known[number]
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


def _joined(flaws: Sequence[Flaw | None], places: Sequence[Place], family: str) -> str:
    """One page with all that several show; empty if they are one already."""
    found = [
        match
        for flaw, (_, place) in zip(flaws, places, strict=True)
        if flaw is not None and (match := _PAGE.fullmatch(flaw.steps[place].reply.body))
    ]
    if len({match[0] for match in found}) < 2:
        return ""
    titles = {match[2] for match in found}
    title = titles.pop() if len(titles) == 1 else family.replace("-", " ").title()
    first = found[0]
    return first[1] + title + first[3] + "".join(_pieces(match[4] for match in found)) + first[5]


def _pieces(bodies: Iterable[str]) -> Iterator[str]:
    """What bodies show, each once, up to a bound."""
    shown = ""
    for body in bodies:
        if body not in shown and len(shown) + len(body) <= MAX_PAGE_CHARACTERS:
            shown += body
            yield body


def _with(study: Study, place: int, page: str) -> Study:
    """A study whose flaw shows that page, if its scanner believes it."""
    if study.flaw is None or study.replay is None:
        return study
    steps = list(study.flaw.steps)
    reply = msgspec.structs.replace(steps[place].reply, body=page)
    steps[place] = msgspec.structs.replace(steps[place], reply=reply)
    flaw = msgspec.structs.replace(study.flaw, steps=tuple(steps))
    return msgspec.structs.replace(study, flaw=flaw) if study.replay(flaw) else study
