"""From a request that was recognised to what the product would have answered.

A step's values are issued once per source and lure and remembered; its answer is rendered from templates. Nothing an
attacker sends makes :func:`answer` raise, and nothing it makes is larger than its bound.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from propolis.flaws.content import parts
from propolis.flaws.expression import ExpressionError, Template, expression, template
from propolis.flaws.extract import merge, search, select, selector
from propolis.flaws.file import Conditions, Flaw, Step
from propolis.flaws.request import Request, is_field
from propolis.flaws.scene import PERSONA_WORDS, Scene, Scope
from propolis.flaws.session import Session
from propolis.flaws.value import number, text

MAX_DELAY_SECONDS = 30.0
MAX_HEADER_BYTES = 16_384
"""Of one header's value."""
MAX_HEADERS = 64
MAX_REMEMBERED_BYTES = 4_096
"""Of one value that is issued or extracted."""


class Matched(Protocol):
    """A flaw's step that a request fits, and the texts that its patterns named."""

    @property
    def flaw(self) -> Flaw:
        """The flaw."""
        ...

    @property
    def step(self) -> Step:
        """One of its steps."""
        ...

    @property
    def groups(self) -> dict[str, bytes]:
        """Named groups of the patterns in its conditions."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """What is sent, and what was learnt.

    ``status`` 0: the connection is closed without an answer. ``headers`` are names and values in order, without CR or
    LF. ``is_bare``: the server persona adds none of its own. ``extracted``: texts by kind, for the event.
    """

    status: int
    reason: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    delay_seconds: float
    is_bare: bool
    extracted: dict[str, tuple[str, ...]]


def answer(
    match: Matched,
    request: Request,
    session: Session,
    scene: Scene,
    found: Mapping[str, tuple[str, ...]] | None = None,
) -> Answer:
    """What the product answers to this request of this source; the session remembers what was issued and done.

    ``found`` is what :func:`~propolis.flaws.extract.search` says of the request, if somebody asked it before.
    """
    flaw, step = match.flaw, match.step
    selected = select(step.extract, request)
    values: dict[str, bytes] = {**session.known(flaw.id), **match.groups, **selected}
    scope = Scope(flaw.id, request, scene, values, session)
    _keep_files(request, session)
    for name, source in step.issue.items():
        if name not in session.known(flaw.id):
            values[name] = text(expression(source).value(scope))[:MAX_REMEMBERED_BYTES]
            session.remember(flaw.id, name, values[name])
    for name, value in selected.items():
        session.remember(flaw.id, name, value[:MAX_REMEMBERED_BYTES])
    made = Answer(
        status=step.reply.status,
        reason=_line(template(step.reply.reason).render(scope)) if step.reply.reason else b"",
        headers=tuple(_headers(step.reply.headers, scope))[:MAX_HEADERS],
        body=_body(step, scope),
        delay_seconds=_delay(step.reply.delay, scope),
        is_bare=step.reply.bare,
        extracted=merge(selected, search(request) if found is None else found),
    )
    session.take(flaw.id, step.id)
    return made


def extracted(
    step: Step, request: Request, found: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, tuple[str, ...]]:
    """What a request that is recognised gives away, whether or not it is answered; ``found`` as in :func:`answer`."""
    return merge(select(step.extract, request), search(request) if found is None else found)


def faults(flaw: Flaw) -> Iterator[tuple[str, str]]:
    """What is wrong with the expressions of a flaw: keys such as ``steps[1].reply.body``, and the cure."""
    known = _names(flaw)
    for index, step in enumerate(flaw.steps):
        for name, source in step.extract.items():
            yield from _selector_fault(f"steps[{index}].extract.{name}", source)
        for key, source, is_template in _sources(step):
            place = f"steps[{index}].{key}"
            try:
                names = (template(source) if is_template else expression(source)).names
            except ExpressionError as error:
                yield place, str(error)
                continue
            for name in sorted(names - known):
                if not is_field(name):
                    yield place, f"nothing is called {name!r}; issue or extract it, or name a field"
        try:
            base64.b64decode(step.reply.body_base64, validate=True)
        except binascii.Error as error:
            yield f"steps[{index}].reply.body_base64", f"is not base64: {error}"


def _selector_fault(place: str, source: str) -> Iterator[tuple[str, str]]:
    try:
        selector(source)
    except ValueError as error:
        yield place, str(error)


def _sources(step: Step) -> Iterator[tuple[str, str, bool]]:
    """Every expression and template of a step: its key, its text, and whether it is a template."""
    for name, source in step.issue.items():
        yield f"issue.{name}", source, False
    reply = step.reply
    yield "reply.reason", reply.reason, True
    yield "reply.body", reply.body, True
    for index, line in enumerate(reply.headers):
        yield f"reply.headers[{index}]", line.partition(":")[2], True
    if isinstance(reply.delay, str):
        yield "reply.delay", reply.delay, False


_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")


def _names(flaw: Flaw) -> frozenset[str]:
    names = {"host", *PERSONA_WORDS}
    for step in flaw.steps:
        names |= step.issue.keys() | step.extract.keys()
        mappings: Sequence[Conditions] = (step.match,) if isinstance(step.match, Mapping) else step.match
        names.update(name for mapping in mappings for name in _GROUP.findall(str(list(mapping.values()))))
    return frozenset(names)


def _body(step: Step, scope: Scope) -> bytes:
    reply = step.reply
    return _decoded(reply.body_base64) if reply.body_base64 else template(reply.body).render(scope)


@lru_cache(maxsize=1_024)
def _decoded(source: str) -> bytes:
    try:
        return base64.b64decode(source)
    except binascii.Error:  # the file's check says so; what is answered meanwhile is nothing
        return b""


def _headers(lines: Sequence[str], scope: Scope) -> Iterator[tuple[bytes, bytes]]:
    """Rendered headers.

    A line break that an attacker brought in makes a header of its own, as a product that lets itself be split does
    (CWE-113), but never a second message.
    """
    for name, source in _fields(tuple(lines)):
        if isinstance(source, Template):
            yield from _split(name, source.render(scope))
        else:
            yield from source


def _split(name: bytes, value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """One header, and those that line breaks in its value make of it."""
    value, *injected = _BREAKS.split(value[:MAX_HEADER_BYTES])
    yield name, _line(value)
    for extra in injected:
        found = _FIELD.fullmatch(extra)
        if found and found[1].lower() not in _FRAMING:
            yield found[1], _line(found[2])


@lru_cache(maxsize=4_096)
def _fields(lines: tuple[str, ...]) -> tuple[tuple[bytes, Template | tuple[tuple[bytes, bytes], ...]], ...]:
    """Header lines as names and templates of their values; where nothing is to be filled in, as whole headers."""
    made: list[tuple[bytes, Template | tuple[tuple[bytes, bytes], ...]]] = []
    for line in lines:
        given, _, source = line.partition(":")
        name, value = given.encode("latin-1", "replace"), template(source.strip())
        made.append((name, value if value.constant is None else tuple(_split(name, value.constant))))
    return tuple(made)


_BREAKS = re.compile(rb"[\r\n]+")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*(.*)", re.DOTALL)
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_CONTROLS = bytes((*range(0x20), 0x7F)).replace(b"\t", b"")


def _line(value: bytes) -> bytes:
    return value.translate(None, _CONTROLS).strip()


def _delay(delay: str | float | tuple[float, ...], scope: Scope) -> float:
    """Seconds: a figure, what an expression comes to, or a draw from a distribution of which quantiles are given."""
    seconds: float
    if isinstance(delay, str):
        seconds = number(expression(delay).value(scope)) or 0.0
    elif isinstance(delay, tuple):
        seconds = _quantile(delay, scope.scene.random.random())
    else:
        seconds = delay
    return max(0.0, min(float(seconds), MAX_DELAY_SECONDS))


def _quantile(quantiles: tuple[float, ...], place: float) -> float:
    if len(quantiles) < 2:
        return quantiles[0] if quantiles else 0.0
    below, share = divmod(place * (len(quantiles) - 1), 1)
    low, high = quantiles[int(below)], quantiles[int(below) + 1]
    return low + (high - low) * share


def _keep_files(request: Request, session: Session) -> None:
    """Remember what is uploaded: files of a multipart form, and the body of a PUT, under the names they were given."""
    if not request.content:
        return
    body = request["body"] or b""
    kind = request["header.content-type"] or b""
    if kind.lower().startswith(b"multipart/"):
        for part in parts(body, kind):
            if part.file_name:
                session.upload(part.file_name[:MAX_REMEMBERED_BYTES], part.content)
    elif body and request.method == b"PUT":
        session.upload(request.path[:MAX_REMEMBERED_BYTES], body)
