"""Does a lure file do what it says? Its own tests, run by the engine that will serve it."""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from propolis.clock import SECOND
from propolis.events.canary import Mint
from propolis.flaws.condition import encode
from propolis.flaws.file import Case, Flaw, FlawError, Texts, line_of
from propolis.flaws.index import Catalogue, Match
from propolis.flaws.reply import Answer, answer, faults
from propolis.flaws.request import Request
from propolis.flaws.scene import Scene, scene
from propolis.flaws.session import Session

SHOWN = 160
"""Characters of an answer that a failure shows."""

_NOON = 1_700_000_000 * SECOND
_KEY = b"the key of tests, which no sensor has"[:32]
_REFERENCE = re.compile(rb"\{\{\s*([a-z_][a-z0-9_]{0,31})\s*\}\}")


class Failure(msgspec.Struct, frozen=True):
    """What a file does not hold: where (line 0 if the text is not known), and why."""

    file: str
    line: int
    why: str


class _Wrong(msgspec.Struct, frozen=True):
    """A failure by its key in the file."""

    key: str
    why: str


def check(flaw: Flaw, text: str = "", file: Path | str = "") -> tuple[Failure, ...]:
    """Everything that is wrong with a flaw; ``text`` and ``file`` are where it was read from, for the lines.

    What does not compile is told alone, because no test can run.
    """
    try:
        catalogue = Catalogue((flaw,))
        wrong = [_Wrong(key, f"{key}: {cure}") for key, cure in faults(flaw)] or list(_run(catalogue, flaw))
    except FlawError as error:
        wrong = [_Wrong(error.key, f"{error.key}: {error.cure}")]
    name = str(file) or f"{flaw.id}.yaml"
    return tuple(Failure(name, line_of(text, each.key) if text else 0, each.why) for each in wrong)


def message(text: str, values: Mapping[str, bytes] | None = None) -> bytes:
    """A request as a lure file writes it, as bytes to send.

    LF is CRLF, ``{{name}}`` a value that was issued, and a body without Content-Length or Transfer-Encoding gets its
    length; the line ends behind such a body are the file's, not the body's.
    """
    raw = _filled(encode(text), values or {}).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, gap, body = raw.partition(b"\r\n\r\n")
    if not gap:
        return head.rstrip(b"\r\n") + b"\r\n\r\n"
    if re.search(rb"(?i)\n(?:content-length|transfer-encoding) *:", head):
        return raw
    body = body.rstrip(b"\r\n")
    length = b"\r\nContent-Length: %d" % len(body) if body else b""
    return b"".join((head, length, b"\r\n\r\n", body))


def _run(catalogue: Catalogue, flaw: Flaw) -> Iterator[_Wrong]:
    for place, case in enumerate(flaw.tests.match):
        yield from _run_case(catalogue, flaw, case, f"tests.match[{place}]")
    for place, text in enumerate(flaw.tests.miss):
        found = catalogue.matches(Request.parse(message(text)), Session())
        if found:
            yield _Wrong(
                f"tests.miss[{place}]", f"is recognised by step {found[0].step.id}, and should not be"
            )


def _run_case(catalogue: Catalogue, flaw: Flaw, case: Case, key: str) -> Iterator[_Wrong]:
    texts = (*((case.request,) if case.request else ()), *case.requests)
    if not texts:
        yield _Wrong(key, "has no request; give request, or requests")
        return
    session, stage = Session(), _stage(flaw)
    last: tuple[Match, Answer] | None = None
    for number, text in enumerate(texts, 1):
        request = Request.parse(message(text, session.known(flaw.id)))
        found = catalogue.matches(request, session)
        if not found:
            which = f"request {number} of {len(texts)}" if len(texts) > 1 else "the request"
            yield _Wrong(key, f"{which} is not recognised by any step")
            return
        last = found[0], answer(found[0], request, session, stage)
    if last is not None:
        yield from _compare(case, *last, session.known(flaw.id), key)


def _compare(
    case: Case, match: Match, made: Answer, known: Mapping[str, bytes], key: str
) -> Iterator[_Wrong]:
    if case.step and match.step.id != case.step:
        yield _Wrong(f"{key}.step", f"reaches step {match.step.id}, not {case.step}")
    whole = _whole(made)
    for text in _each(case.reply):
        if _filled(encode(text), known) not in whole:
            shown = whole[:SHOWN].decode("latin-1")
            yield _Wrong(f"{key}.reply", f"the answer does not contain {text!r}; it begins {shown!r}")
    for kind, texts in case.extract.items():
        extracted = made.extracted.get(kind, ())
        for text in _each(texts):
            if text not in extracted:
                yield _Wrong(f"{key}.extract.{kind}", f"extracts {list(extracted)}, not {text!r}")


def _stage(flaw: Flaw) -> Scene:
    """Addresses are those of documentation (RFC 5737)."""
    return scene(
        _KEY,
        server=flaw.server,
        ip="192.0.2.1",
        source_ip="198.51.100.7",
        now=_NOON,
        chance=random.Random(0),  # noqa: S311 - a test's delays
        mint=Mint(_KEY),
    )


def _whole(made: Answer) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (made.status, made.reason)]
    lines += [name + b": " + value for name, value in made.headers]
    return b"\r\n".join((*lines, b"", made.body))


def _filled(text: bytes, values: Mapping[str, bytes]) -> bytes:
    return _REFERENCE.sub(lambda found: values.get(found[1].decode(), found[0]), text)


def _each(texts: Texts) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts
