"""A scanner's template as a lure file, held against the scanner's own matchers.

Each template is played through on paper (:mod:`.story`), written as a flaw (:mod:`.assemble`), and then played twice
against the engine with everything drawn anew (:mod:`.play`); what its scanner would not believe is reported.
"""

from typing import Final

import msgspec

from propolis.flaws.check import check
from propolis.flaws.file import MAX_FILE_BYTES, Case, Flaw, FlawError, Scalar, Step, Tests, write
from propolis.flaws.scanners import describe
from propolis.flaws.scanners.assemble import MISS, assemble
from propolis.flaws.scanners.imported import BELIEVED, THIRD_PARTY, UNWRITABLE, Study
from propolis.flaws.scanners.play import Played, play
from propolis.flaws.scanners.share import is_page
from propolis.flaws.scanners.story import Story, tell
from propolis.flaws.scanners.template import Template

PLAYS: Final = (1, 2)
"""Seeds of the plays that a flaw must stand."""
MAX_CASES = 8
MAX_STORY = 16
"""Requests of one test."""
MAX_REQUEST_BYTES = 16_384
"""A longer one is no test unless it can be shortened."""


def study(template: Template, name: str) -> Study:
    """A template's flaw, ``name`` its file's without ending, and whether its own scanner would believe it."""
    try:
        story = tell(template)
        drawn = assemble(story, name)
        plays = [play(story, drawn, seed) for seed in PLAYS]
        flaw = _tested(drawn, plays[0])
    except (FlawError, msgspec.ValidationError) as error:
        return Study(name, None, UNWRITABLE, str(error))
    if flaw is None:
        return Study(name, None, "is not recognised by its own lure file", plays[0].why)
    verdict, why = _verdict(story, flaw, plays)
    if verdict not in {BELIEVED, THIRD_PARTY} or not any(map(is_page, flaw.steps)):
        return Study(name, flaw, verdict, why)
    return Study(
        name,
        flaw,
        verdict,
        why,
        describe.family(template),
        lambda other: all(play(story, other, seed, is_third_given=True).is_believed for seed in PLAYS),
    )


def _verdict(story: Story, flaw: Flaw, plays: list[Played]) -> tuple[str, str]:
    """What came of it, in one of few words, and more exactly."""
    if all(played.is_believed for played in plays):
        return BELIEVED, ""
    if any(scene.verdict == "third" for scene in story.scenes):
        given = [play(story, flaw, seed, is_third_given=True) for seed in PLAYS]
        if all(played.is_believed for played in given):
            return THIRD_PARTY, "a callback must arrive"
    unmet = next((scene.why for scene in story.scenes if scene.verdict == "unmet"), "")
    if unmet:
        return "no answer satisfies the matchers", unmet
    if any(word in story.template.flow for word in ("for (", "for(", "set(", "=>")):
        return "the flow is a program", story.template.flow[:200]
    return "is not believed when it is played", next(played.why for played in plays if not played.is_believed)


def _tested(flaw: Flaw, played: Played) -> Flaw | None:
    """A flaw with the tests that it passes, made of what was played; ``None`` if it passes none."""
    cases = [case for case in _cases(flaw, played) if not _fails(flaw, case)]
    if not cases:
        return None
    tested = msgspec.structs.replace(flaw, tests=Tests(match=tuple(cases), miss=(MISS,)))
    if len(write(tested)) > MAX_FILE_BYTES:
        raise FlawError(flaw.id, 0, "", f"would be longer than {MAX_FILE_BYTES} characters")
    return tested


def _cases(flaw: Flaw, played: Played) -> list[Case]:
    """One request for every step that needs no other, and the whole story if some do."""
    steps = {step.id: step for step in flaw.steps}
    texts = [
        (_shortened(_text(raw, played.values), steps[step]), step) for raw, step in played.requests if step
    ]
    needs = {step.id for step in flaw.steps if step.after}
    cases: dict[str, Case] = {}
    for text, step in texts:
        if (
            step not in needs
            and "{{" not in text
            and len(text) < MAX_REQUEST_BYTES
            and len(cases) < MAX_CASES
        ):
            cases.setdefault(step, Case(request=text, step=step))
    found = list(cases.values())
    if len(cases) < len({step for _, step in texts}) and len(texts) <= MAX_STORY:
        found.append(Case(requests=tuple(text for text, _ in texts), step=texts[-1][1]))
    return found


def _shortened(text: str, step: Step) -> str:
    """A request that is too long for a test with no more of its body than what it is recognised by."""
    head, gap, _ = text.partition("\n\n")
    ways = step.match if isinstance(step.match, tuple) else (step.match,)
    pieces = [piece for way in ways for piece in _texts(way.get("body|contains|all"))]
    return text if len(text) < MAX_REQUEST_BYTES or not pieces else head + gap + "\n".join(pieces)


def _texts(value: Scalar | tuple[Scalar, ...] | None) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _fails(flaw: Flaw, case: Case) -> bool:
    return bool(check(msgspec.structs.replace(flaw, tests=Tests(match=(case,), miss=(MISS,)))))


def _text(raw: bytes, values: dict[str, bytes]) -> str:
    """A message as a lure file writes it, with the names of values in the place of those that were handed out."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")]
    message = b"\n".join(lines) + b"\n\n" + body.replace(b"\r\n", b"\n")
    for name, value in values.items():
        if len(value) > 5:
            message = message.replace(value, b"{{%s}}" % name.encode())
    return message.decode("latin-1")
