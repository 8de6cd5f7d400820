"""One response that has everything a way wants of it: status, header lines, pieces of a body, and how long it takes.

Wants are met one after another with the likeliest means; then the whole is tested, and where it falls short other
pieces and shapes are tried, up to a bound. What comes out still has marks in it for what is unknown.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any, Final

import msgspec

from propolis.flaws.scanners import functions
from propolis.flaws.scanners.compose import MIMES, Shape, compose, shapes
from propolis.flaws.scanners.contents import CONTENTS
from propolis.flaws.scanners.dsl import Literal
from propolis.flaws.scanners.extractors import HEADERS, HEADS, Shown, extract, plant
from propolis.flaws.scanners.formula import Want
from propolis.flaws.scanners.functions import Lookup, NotComputedError
from propolis.flaws.scanners.regexes import PatternError, compiled, sample
from propolis.flaws.scanners.response import Response, canonical, holds, ordered

MAX_TRIES = 120
MAX_BRANCHES = 4
MAX_PADDING = 65_536
HASTE_SECONDS = 0.3
"""How much longer than asked for a delay is: nobody's clock is exact."""

_STATUSES: Final = (200, 302, 401, 403, 404, 500, 201, 204, 400, 301)
_SERVERS: Final = re.compile(
    rb"(?i)nginx|apache|iis|tomcat|jetty|lighttpd|goahead|boa|webserver|httpd|httpserver|server|openresty|cwpsrv|dws|mini_http|werkzeug|caddy|uvicorn|kestrel"
)
_MIME: Final = re.compile(rb"(?i)(?:text|application|image|audio|video|font|multipart)/[\w.+-]+(?:\s*;.*)?")
_LINE: Final = re.compile(rb"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,80}):(\s*)(.*)", re.DOTALL)
_STATUS_LINE: Final = re.compile(rb"HTTP/[\d.]+|^\d{3}\b")


class Unmet(ValueError):  # noqa: N818 - the name says what it is: a want that is not met
    """No response was found; says for which want."""


class Task(msgspec.Struct, frozen=True):
    """What one response must be.

    ``shown`` is what extractors take out of it; ``others`` are the responses before it, ``is_followed`` whether the
    scanner follows redirects, so that one is better not made. ``is_front``: what is asked for is a site's front page,
    which is a page whatever stands in it.
    """

    at: int
    wants: tuple[Want, ...]
    shown: tuple[Shown, ...]
    others: dict[int, Response]
    title: str
    is_followed: bool
    is_front: bool = False


def satisfy(task: Task, lookup: Lookup, draws: random.Random) -> Response:
    """A response that meets a task. Raises :class:`Unmet`."""
    missing: Want | None = None
    for response in islice(_responses(task, lookup, draws), MAX_TRIES):
        missing = next((want for want in task.wants if not _is_met(want, task, response, lookup)), None)
        if missing is None and all(_is_found(shown, task, response, lookup) for shown in task.shown):
            return response
    if missing is None:
        raise Unmet("what is to be extracted is not found")
    raise Unmet(f"{missing.kind} {missing.part} {_shown(missing, lookup)!r}")


def _is_found(shown: Shown, task: Task, response: Response, lookup: Lookup) -> bool:
    """Whether what is shown for an extractor is what it takes."""
    if shown.extractor is None:
        return True
    return extract(shown.extractor, {**task.others, task.at: response}, task.at, lookup) == shown.value


def _is_met(want: Want, task: Task, response: Response, lookup: Lookup) -> bool:
    if want.kind == "third":
        return True
    return holds(want, {**task.others, task.at: response}, lookup)


def _shown(want: Want, lookup: Lookup) -> bytes:
    try:
        return functions.render(want.value, lookup)[:100]
    except NotComputedError as error:
        return str(error).encode()


class _Head:
    """Header lines that are being put together; one line a name but for cookies, or for those too if ``is_single``."""

    def __init__(self, status: int, *, is_single: bool) -> None:
        self.status = status
        self._is_single = is_single
        self.lines: list[tuple[bytes, bytes]] = []

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.lines if key.lower() == name.lower()), None)

    def put(self, name: bytes, value: bytes) -> None:
        """Add a line; more of a value that is there already, unless it has it."""
        value = re.sub(rb"[\r\n]+", b" ", value).lstrip()
        if name.lower() == b"set-cookie" and not self._is_single:
            self.lines.append((name, value))
            return
        old = self.get(name)
        if old is None:
            self.lines.append((name, value))
        elif value.lower() not in old.lower():
            merged = value if old.lower() in value.lower() else _merged(name, old, value)
            self.lines = [(key, merged if key.lower() == name.lower() else kept) for key, kept in self.lines]

    def text(self) -> bytes:
        return Response(self.status, tuple(self.lines), b"").head()


def _merged(name: bytes, old: bytes, value: bytes) -> bytes:
    """Two things that one header must say."""
    if name.lower() == b"location":
        return (
            old + (b"&" if b"?" in old else b"?") + value
            if not value.startswith(b"/")
            else old.rstrip(b"/") + value
        )
    return (
        old + b"; " + value
        if name.lower() in {b"content-type", b"content-disposition", b"set-cookie"}
        else old + b" " + value
    )


def _responses(task: Task, lookup: Lookup, draws: random.Random) -> Iterator[Response]:
    """Candidates, the likeliest first."""
    try:
        task = _without_body(task)
        pieces = [_pieces(want, lookup, draws) for want in task.wants if _is_body(want)]
        exact = next((functions.render(w.value, lookup) for w in task.wants if _is_exact(w)), None)
    except (NotComputedError, PatternError) as error:
        raise Unmet(str(error)) from error
    if any(not options for options in pieces):
        raise Unmet("a pattern that no text was found for")
    for status in _possible_statuses(task):
        for chosen in islice(product(*pieces), MAX_TRIES):
            head = _headers(task, status, lookup, draws)
            mime = head.get(b"Content-Type") or b""
            shown = [one.body for one in task.shown if one.body]
            wanted = _without_repeats(_with_leaves([*shown, *chosen], task.shown))
            if exact is not None:
                yield _finished(task, head, exact, "lines", lookup)
                continue
            likely = shapes(wanted, mime)
            for shape in ("page", *likely) if task.is_front and not mime else likely:
                fitting = compose(shape, wanted, task.title)
                yield _finished(task, head, fitting, shape, lookup)


def _without_body(task: Task) -> Task:
    """What is sought anywhere in a response that has no body must be in its head."""
    if not any(
        want.kind == "length" and want.order == "==" and want.value == Literal(0) for want in task.wants
    ):
        return task
    replace = msgspec.structs.replace
    moved = (replace(want, part="header") if want.part == "response" else want for want in task.wants)
    return replace(task, wants=tuple(moved))


def _is_body(want: Want) -> bool:
    return (
        want.is_wanted
        and want.part in {"body", "response"}
        and want.kind in {"word", "regex", "starts", "ends"}
    )


def _is_exact(want: Want) -> bool:
    return want.is_wanted and want.kind == "equal" and want.part == "body"


def _pieces(want: Want, lookup: Lookup, draws: random.Random) -> list[bytes]:
    """Texts that could meet a want of a body: the real thing if there is one, then what a pattern accepts."""
    value = functions.render(want.value, lookup)
    if want.kind != "regex":
        return [next((one.sample for one in CONTENTS if value in one.sample and len(value) > 5), value)]
    regex = compiled(b"(?i)" + value if want.is_nocase else value)
    found = [one.sample for one in CONTENTS if regex.search(one.sample)]
    for branch in range(MAX_BRANCHES):
        made = sample(value, draws, branch).text
        if regex.search(made) and made not in found:
            found.append(made)
    return found


def _possible_statuses(task: Task) -> list[int]:
    """Statuses that the figures allow, the likeliest first."""
    wants = [want for want in task.wants if want.kind == "status"]
    named = [int(_figure(want)) for want in wants if want.order == "=="]
    has_location = any(want.part == "location" or _asks_location(want) for want in task.wants)
    usual = (302, *_STATUSES) if has_location and not task.is_followed else _STATUSES
    several = usual if any(want.kind == "other" for want in task.wants) or has_location else usual[:1]
    candidates = named or (usual if wants else several)
    return [
        status
        for status in dict.fromkeys(candidates)
        if all(ordered(status, want.order, _figure(want)) for want in wants)
    ]


def _figure(want: Want) -> float:
    """What a figure is held against."""
    return functions.number(want.value.value) if isinstance(want.value, Literal) else -1


def _asks_location(want: Want) -> bool:
    value = getattr(want.value, "value", b"")
    return want.is_wanted and want.part in HEADS and isinstance(value, bytes) and b"location" in value.lower()


def _headers(task: Task, status: int, lookup: Lookup, draws: random.Random) -> _Head:
    head = _Head(status, is_single=any(want.part == "raw_header" for want in task.wants))
    for shown in task.shown:
        if shown.header:
            _place(head, shown.header)
    for want in task.wants:
        if want.part in {"body", "response", ""} or want.kind not in _TEXTS:
            continue
        if not want.is_wanted:
            if want.part not in HEADS and Response(status, tuple(head.lines), b"").part(want.part) is None:
                _put(
                    head, want.part, _usual(_header_name(want.part))
                )  # it must be there to be something else
            continue
        try:
            value = functions.render(want.value, lookup)
            if want.kind == "regex":
                _place_regex(head, want, value, draws)
            elif want.part in HEADS:
                _place(head, value)
            else:
                _put(head, want.part, value)
        except (NotComputedError, PatternError):
            continue  # it will not hold, and says so then
    return head


_TEXTS: Final = frozenset({"word", "regex", "equal", "starts", "ends"})


def _place_regex(head: _Head, want: Want, pattern: bytes, draws: random.Random) -> None:
    regex = compiled(b"(?i)" + pattern if want.is_nocase else pattern)
    if want.part in HEADS:
        if regex.search(head.text()):
            return
        for line in re.split(rb"[\r\n]+", sample(pattern, draws).text):
            if line.strip():
                _place(head, line)
        return
    held = head.get(_header_name(want.part))
    if held is None or not regex.search(held):
        _put(head, want.part, sample(pattern, draws).text)


def _put(head: _Head, part: str, value: bytes) -> None:
    """A value in the header that a part's name means, or in the cookie of that name."""
    if part not in HEADERS and "_" not in part and len(part) < 4:
        head.put(b"Set-Cookie", part.encode() + b"=" + value)
        return
    if part == "content_type" and value.lower() == b"text/html":
        value = b"text/html"
    head.put(_header_name(part), value)


def _header_name(part: str) -> bytes:
    return "-".join(word.capitalize() for word in part.split("_")).encode()


def _place(head: _Head, text: bytes) -> None:
    """A text that must stand somewhere in the head, in the header where it would."""
    if text in head.text() or _STATUS_LINE.search(text):
        return
    line = _LINE.fullmatch(text)
    is_known = line is not None and line[1].lower().replace(b"-", b"_").decode() in HEADERS
    if line and (is_known or (canonical(line[1]) == line[1] and (line[2] or not line[3]))):
        value = line[3] if line[3].strip() else _usual(line[1])
        head.put(line[1], value)
        return
    name, value = _guessed(text.strip())
    head.put(name, value if b" " not in text else text)


def _usual(name: bytes) -> bytes:
    return {b"location": b"/", b"set-cookie": b"session=1", b"content-type": b"text/html"}.get(
        name.lower(), b"1"
    )


def _guessed(text: bytes) -> tuple[bytes, bytes]:
    """The header in which a text without a name would stand, and its value."""
    lower = text.lower()
    if _MIME.fullmatch(text):
        return b"Content-Type", text
    if b"filename" in lower or lower.startswith((b"attachment", b"inline")):
        return b"Content-Disposition", text if b"attachment" in lower else b"attachment; " + _filled(text)
    if re.match(rb"(?:https?:)?/\S*$", text) or re.search(
        rb"(?i)^[\w./-]+\.(?:php|aspx?|jsp|html?|action|do)(?:\?\S*)?$", text
    ):
        return b"Location", text
    if re.fullmatch(rb"[\w.\-]{2,80}=[^\s]*(?:;.*)?", text):
        value = text + b"1" if text.endswith(b"=") and not text.endswith(b"==") else text
        return b"Set-Cookie", value if b";" in value else value + b"; path=/"
    if re.fullmatch(rb"(?i)[a-z][a-z0-9]*(?:-[a-z0-9]+)+", text):
        return (
            (text, b"1")
            if canonical(text) == text
            else (b"Content-Disposition", b"attachment; filename=" + text)
        )
    if re.search(rb"(?i)sess|cookie|logged|token|auth|phpsess|user|csrf", text) and re.fullmatch(
        rb"[\w.\-]+", text
    ):
        return b"Set-Cookie", text + b"=1; path=/"
    if _SERVERS.search(text):
        return b"Server", text
    return b"X-Powered-By", text


def _filled(text: bytes) -> bytes:
    """A ``filename=`` that names a file."""
    return (
        text + b"export" if text.endswith(b"=") else text + b"export" + b'"' if text.endswith(b'="') else text
    )


def _without_repeats(pieces: Sequence[bytes]) -> list[bytes]:
    """Pieces that no other one already holds, in their order."""
    kept: list[bytes] = []
    for index, piece in enumerate(pieces):
        others = [*kept, *pieces[index + 1 :]]
        if piece and not any(piece in other for other in others):
            kept.append(piece)
    return kept


def _with_leaves(pieces: list[bytes], shown: Sequence[Shown]) -> list[bytes]:
    """The pieces after one piece of JSON that holds all leaves."""
    tree: Any = None
    for one in shown:
        if one.leaf is not None:
            tree = plant(tree, *one.leaf)
    if tree is None:
        return pieces
    return [json.dumps(tree, separators=(",", ":")).encode(), *pieces]


def _finished(task: Task, head: _Head, body: bytes, shape: Shape, lookup: Lookup) -> Response:
    """A response with its length and its time made right, and a type if none was asked for."""
    lines = list(head.lines)
    if not head.get(b"Content-Type") and body:
        lines.insert(0, (b"Content-Type", MIMES[shape]))
    seconds = 0.0
    for want in task.wants:
        if want.kind == "length" and want.part in {"body", "content_length"}:
            body = _sized(body, want, lookup)
        elif want.kind == "duration" and want.order in {">=", ">", "=="}:
            seconds = max(seconds, functions.number(functions.evaluate(want.value, lookup)) + HASTE_SECONDS)
    return Response(head.status, tuple(lines), body, seconds)


def _sized(body: bytes, want: Want, lookup: Lookup) -> bytes:
    """A body padded with blanks, or left out, so that its length is what is wanted, if that can be."""
    figure = int(functions.number(functions.evaluate(want.value, lookup)))
    least = figure + (want.order == ">")
    if want.order in {"==", ">=", ">"} and len(body) < least <= MAX_PADDING:
        return body + (b"." if want.is_trimmed else b" ") * (least - len(body))
    if want.order == "==" and figure == 0:
        return b""
    return body
