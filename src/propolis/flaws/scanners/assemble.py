"""From a story to a lure file: steps that recognise its requests, and answers that compute what only a visit shows."""

import base64
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from propolis.findings import Grade
from propolis.flaws.file import Case, Conditions, Flaw, Reply, Step, Tests
from propolis.flaws.scanners import describe
from propolis.flaws.scanners.contents import CONTENTS
from propolis.flaws.scanners.dsl import Expr, Name
from propolis.flaws.scanners.express import Expressions, literal, variable
from propolis.flaws.scanners.marks import Marks
from propolis.flaws.scanners.messages import wire
from propolis.flaws.scanners.recognise import Recognised, recognise, selectors
from propolis.flaws.scanners.response import Response
from propolis.flaws.scanners.story import Exchange, Story, is_numbered, is_one_story

MAX_STEPS = 64
MAX_ALTERNATIVES = 64
MAX_PARTS = 64
"""Pieces of one answer that are computed."""

_CONTENT: Final = re.compile(b"(" + b"|".join(re.escape(one.sample) for one in CONTENTS) + b")")
_TEMPLATES: Final = {one.sample: one.template for one in CONTENTS}


class _NotTold(ValueError):  # noqa: N818 - the name says what it is: something that no request tells
    """An answer holds a term that nothing a visitor sends tells."""


class _Draft(msgspec.Struct):
    """A step in the making."""

    exchange: Exchange
    recognised: Recognised
    terms: list[tuple[Expr, str]]
    extract: dict[str, str]
    reply: Reply
    is_last: bool


def assemble(story: Story, name: str) -> Flaw:
    """The flaw that a story comes to."""
    return _Assembler(story).flaw(name)


class _Assembler:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._marks: Marks = story.marks
        self._drafts: list[_Draft] = []
        self._variables: dict[Expr, str] = {}

    def flaw(self, name: str) -> Flaw:
        """The whole file."""
        template = self._story.template
        self._draft()
        for draft in self._drafts:
            try:
                draft.reply = self._reply(draft)
            except _NotTold:  # what it should show is not to be had; the request is recognised all the same
                draft.reply = Reply(headers=("Content-Type: text/html; charset=UTF-8",))
        anywhere = [draft for draft in self._drafts if draft.recognised.is_anywhere]
        lost = [draft for draft in anywhere if not self._ask_by_value(draft)]
        self._drafts = [draft for draft in self._drafts if all(draft is not one for one in lost)]
        steps = self._steps()
        identity = describe.identity(name)
        return Flaw(
            id=identity,
            name=template.name[:300] or identity,
            cve=tuple(dict.fromkeys(template.cves)),
            kind=describe.kind(template),
            severity=describe.severity(template),
            product=describe.product(template),
            server=describe.server(template),
            source=f"{template.scanner} {template.id}"[:300],
            steps=steps,
            tests=Tests(match=(Case(request=MISS),), miss=(MISS,)),  # the real ones are what is played
        )

    def _draft(self) -> None:
        """Recognise every request, and note where in it the unknowns stand."""
        for scene in self._story.scenes:
            for place, exchange in enumerate(scene.exchanges):
                recognised = recognise(wire(self._marks.text(exchange.request), exchange.form), self._marks)
                terms = list(selectors(recognised, self._marks.terms))
                is_last = place == len(scene.exchanges) - 1
                self._drafts.append(_Draft(exchange, recognised, terms, {}, Reply(), is_last))

    def _reply(self, draft: _Draft) -> Reply:
        """An answer with expressions in the place of marks."""
        expressions = Expressions(
            self._story.resolver.unknowns,
            self._story.issued,
            self._look,
            lambda term: self._capture(draft, term),
            lambda: tuple(term for one in self._until(draft) for term, _ in one.terms),
        )
        response: Response = draft.exchange.response
        headers: list[str] = []
        for key, value in response.headers:
            line = self._lifted(key + b": " + value, expressions)
            if self._marks.has(key):  # an attacker's own header, split off from one of ours
                headers[-1:] = [(headers or ["X-Powered-By: PHP"])[-1] + "{{ '\\r\\n' }}" + line]
            else:
                headers.append(line)
        delay = response.seconds and (round(response.seconds, 1), round(response.seconds + 0.6, 1))
        reply = Reply(status=response.status, headers=tuple(headers), delay=delay or 0.0)
        if _is_binary(response.body) and not self._marks.has(response.body):
            return msgspec.structs.replace(reply, body_base64=base64.b64encode(response.body).decode())
        return msgspec.structs.replace(reply, body=self._lifted(response.body, expressions))

    def _look(self, term: Expr) -> str:
        return self._marks.look(self._marks.of(term))

    def _until(self, draft: _Draft) -> list[_Draft]:
        """A step and those before it, the latest first."""
        at = next(place for place, one in enumerate(self._drafts) if one is draft)
        return self._drafts[at::-1]

    def _capture(self, draft: _Draft, term: Expr) -> str | None:
        """The variable that holds a term, which is then extracted from the latest request that shows it."""
        for one in self._until(draft):
            found = next((selector for known, selector in one.terms if known == term), None)
            if found is None:
                continue
            if term not in self._variables:
                taken = {*self._variables.values(), *map(variable, self._story.issued)}
                stem = variable(term.name) if isinstance(term, Name) else "value"
                numbered = (f"{stem[:28]}_{count}" for count in range(2, 99))
                self._variables[term] = (
                    stem if stem not in taken else next(n for n in numbered if n not in taken)
                )
            one.extract.setdefault(self._variables[term], found)
            return self._variables[term]
        return None

    def _lifted(self, value: bytes, expressions: Expressions) -> str:
        """Text with marks as a template."""
        out: list[str] = []
        for index, piece in enumerate(self._marks.split(value)):
            if index % 2:
                written = expressions.write(self._marks.terms[piece])
                if written is None:
                    raise _NotTold(f"nothing tells {self._marks.terms[piece]}")
                out.append(f"{{{{ {written} }}}}")
                continue
            for place, part in enumerate(_CONTENT.split(piece)):
                out.append(_TEMPLATES[part] if place % 2 else _escaped(part))
        return "".join(out)

    def _steps(self) -> tuple[Step, ...]:
        """Steps in the order of the story; requests that are the same but for how they are asked are one step."""
        steps: list[Step] = []
        for draft in self._drafts:
            step = self._step(draft, len(steps))
            same = next((one for one in reversed(steps) if one.match == step.match), None)
            if same is not None and (same.reply, same.extract) == (step.reply, step.extract):
                continue
            if same is not None:
                step = msgspec.structs.replace(step, after=tuple(dict.fromkeys((same.id, steps[-1].id))))
            elif (joined := _joined(steps, step, draft)) is not None:
                steps[-1] = joined
                continue
            if len(steps) < MAX_STEPS:
                steps.append(step)
        return tuple(islice(_preferred(steps), MAX_STEPS))

    def _step(self, draft: _Draft, number: int) -> Step:
        names = self._issued_in(draft)
        grade, confidence = _grade(draft, self._is_final(draft))
        return Step(
            id=f"{'probe' if grade in {'seen', 'scan'} else 'exploit'}-{number + 1}",
            match=draft.recognised.conditions,
            grade=grade,
            confidence=confidence,
            issue={variable(name): self._story.issued[name] for name in sorted(names)},
            extract=draft.extract | self._callbacks(draft),
            reply=draft.reply,
        )

    def _ask_by_value(self, draft: _Draft) -> bool:
        """Recognise a request by the values that its source was given or has sent before: its path holds no more."""
        earlier = self._until(draft)[1:]
        path = ""
        for index, piece in enumerate(self._marks.split(draft.recognised.path)):
            if index % 2 == 0:
                path += piece.decode("latin-1")
                continue
            term = self._marks.terms[piece]
            if isinstance(term, Name) and term.name in self._story.issued:
                name: str | None = variable(term.name)
            else:
                name = self._capture(earlier[0], term) if earlier else None
            if name is None:
                return False
            path += f"{{{{{name}}}}}"
        kept = {
            key: value for key, value in draft.recognised.conditions.items() if not key.startswith("path")
        }
        draft.recognised = msgspec.structs.replace(draft.recognised, conditions={**kept, "path": path})
        return True

    def _issued_in(self, draft: _Draft) -> set[str]:
        response = draft.exchange.response
        text = response.body + b"\n".join(value for _, value in response.headers)
        shown = {self._marks.terms[mark] for mark in self._marks.split(text)[1::2]}
        return {term.name for term in shown if isinstance(term, Name) and term.name in self._story.issued}

    def _callbacks(self, draft: _Draft) -> dict[str, str]:
        """The host that an attack wants called, told in the event."""
        unknowns = self._story.resolver.unknowns
        for term, selector in draft.terms:
            if isinstance(term, Name) and unknowns[term.name].kind == "callback":
                return {"callback": selector}
        return {}

    def _is_final(self, draft: _Draft) -> bool:
        """Whether the template succeeds with this request, not merely after it."""
        block = self._story.template.blocks[draft.exchange.block]
        is_in_order = bool(self._story.template.flow) and block is not self._story.template.blocks[-1]
        return not is_in_order and (draft.is_last or not (is_numbered(block) or is_one_story(block)))


MISS: Final = "GET /nothing-that-anybody-asks-for HTTP/1.1\nHost: 192.0.2.1\n\n"
"""What no flaw is asked for with."""


def _preferred(steps: Sequence[Step]) -> Iterator[Step]:
    """Steps; one that every second product has comes once more, for whoever came to it by way of this flaw.

    So a page that is asked for last is answered by the lure whose earlier steps were taken, not by any that has it.
    """
    anchor = ""
    for step in steps:
        yield step
        if anchor and step.grade == "seen" and not step.after:
            yield msgspec.structs.replace(step, id=f"{step.id}-after", after=(anchor,))
        else:
            anchor = step.id


def _joined(steps: list[Step], step: Step, draft: _Draft) -> Step | None:
    """The last step with this one as another way to ask for the same answer; ``None`` if it is another answer."""
    if not steps or (draft.exchange.index > 1 and not draft.is_last):
        return None
    last = steps[-1]
    if (last.reply, last.extract, last.issue, last.after) != (step.reply, step.extract, step.issue, ()):
        return None
    if (last.grade, last.confidence) != (step.grade, step.confidence):
        return None
    ways: tuple[Conditions, ...] = last.match if isinstance(last.match, tuple) else (last.match,)
    if len(ways) >= MAX_ALTERNATIVES or isinstance(step.match, tuple):
        return None
    return msgspec.structs.replace(last, match=(*ways, step.match))


def _grade(draft: _Draft, is_final: bool) -> tuple[Grade, int]:  # noqa: FBT001 - private, and said by name
    """What a request says of who sends it, and how surely (0 to 100)."""
    recognised = draft.recognised
    is_reading = recognised.conditions["method"] in {"GET", "HEAD", "OPTIONS"}
    if recognised.is_ordinary and not recognised.is_attack:
        return ("seen", 5) if is_reading or not is_final else ("scan", 30)
    if recognised.is_attack:
        return "attempt", 90
    if not is_final:
        return "scan", 40
    return ("scan", 70) if is_reading else ("attempt", 80)


def _is_binary(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return True
    return any(ord(character) < 32 and character not in "\t\r\n" for character in text)


def _escaped(part: bytes) -> str:
    """A literal text as a template writes it."""
    pieces = re.split(rb"(\{\{+|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+)", part)
    return "".join(
        f"{{{{ {literal(piece)} }}}}" if index % 2 else _utf8(piece) for index, piece in enumerate(pieces)
    )


def _utf8(piece: bytes) -> str:
    return "".join(_decoded(piece))


def _decoded(piece: bytes) -> Iterator[str]:
    """Text as it is; bytes that are none as an expression."""
    for text in re.split("([\udc80-\udcff]+)", piece.decode("utf-8", "surrogateescape")):
        if text and "\udc80" <= text[0] <= "\udcff":
            yield f"{{{{ {literal(text.encode('utf-8', 'surrogateescape'))} }}}}"
        else:
            yield text
