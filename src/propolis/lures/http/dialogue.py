"""The HTTP dialogue: what a freshly installed nginx answers, and one fact per request."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, TypeAlias

import msgspec

from propolis.events import CredentialTried, Malformed, RequestReceived
from propolis.lures.http import wire
from propolis.lures.http.credentials import basic, form
from propolis.lures.http.site import FAILED, INDEX, NOT_MODIFIED, UNSATISFIABLE, site
from propolis.lures.http.target import resolve
from propolis.lures.lure import Effect, Emit, Hangup, Reply, Visit

BODY_KEPT_BYTES = 262_144
"""How much of a body goes into an event; the rest is read and forgotten."""
BODY_MAX_BYTES = 1_048_576
"""``client_max_body_size``: a longer one is refused (413) and ends the connection."""
KNOWN_HEAD_BYTES = 2_048
KNOWN_HEADS = 1_024
"""Heads of at most so many bytes that are remembered, the latest used: 2 MB at most, and what was read from them."""
MEASURED_BYTES = 512
"""How often an unfinished head is measured again: in steps, so that writing byte by byte costs us little."""
MAX_REQUESTS = 1_000
"""``keepalive_requests``: the last of so many answers closes the connection."""
SAMPLE_BYTES = 4_096

_GZIP = re.compile(rb"(?i)(?:^|[ ,])gzip *(?:$|[, ]|; *q=(?:1|0\.0{0,2}[1-9]))")
_RANGE = re.compile(rb"(?i)bytes= *(\d{0,18}) *- *(\d{0,18}) *")
_READ = frozenset((b"GET", b"HEAD"))
_NEVER_ALLOWED = frozenset((b"CONNECT", b"TRACE"))

Body: TypeAlias = wire.Counted | wire.Chunks


class _Asked(msgspec.Struct):
    """A request whose body is still on its way; ``raw`` is the message so far, ``over`` whether it is the last one."""

    line: wire.RequestLine
    fields: wire.Fields
    raw: bytearray
    body_offset: int
    body: Body
    over: bool


class _Head(msgspec.Struct, frozen=True):
    """A sound head; ``path`` is what its target resolves to, ``told`` the event of a request without a body."""

    line: wire.RequestLine
    fields: wire.Fields
    framing: wire.Framing
    path: bytes
    told: Emit


class _Unsound(msgspec.Struct, frozen=True):
    """Why a head is refused, and the header names that could be read."""

    fault: wire.Fault
    names: tuple[bytes, ...] = ()


class HttpLure:
    """A web server nobody has set up yet: Debian's nginx, recorded."""

    name: ClassVar[str] = "http"
    __slots__ = ("_asked", "_buffer", "_clock", "_is_over", "_measured", "_served", "_site")

    def __init__(self, visit: Visit) -> None:
        self._site = site(visit.persona, visit.seed)
        self._clock = visit.clock
        self._buffer = b""
        self._asked: _Asked | None = None
        self._is_over = False
        self._measured = 0
        self._served = 0

    def connected(self) -> Iterable[Effect]:
        """HTTP servers listen first."""
        return ()

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Bytes of any number of requests, split anywhere, to answers and facts."""
        if self._is_over:
            return ()
        is_first = not (self._served or self._buffer or self._asked)
        now = self._clock.now()
        if is_first and (known := self._site.answers.get(data, now)):
            self._is_over = True
            return known
        effects = self._read(data)
        if is_first and self._is_over and len(data) <= KNOWN_HEAD_BYTES:
            self._site.answers.put(data, effects, now)
        return effects

    def _read(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        while data and not self._is_over:
            data = (
                self._read_body(data, self._asked, effects) if self._asked else self._read_head(data, effects)
            )
        return effects

    def closed(self) -> Iterable[Effect]:
        """The client left; what it had not finished is told."""
        if self._is_over:
            return ()
        self._is_over = True
        if self._asked:
            return (Emit(_received(self._asked)),)
        if self._buffer.strip(b"\r\n"):
            return (Emit(Malformed("unfinished request", self._buffer[:SAMPLE_BYTES])),)
        return ()

    def _read_head(self, data: bytes, effects: list[Effect]) -> bytes:
        """Take one head; what follows it. Keeps an unfinished one."""
        if data[0] in b"\r\n":
            data = data.lstrip(b"\r\n")
        end = wire.head_end(data)
        if 0 < end <= KNOWN_HEAD_BYTES:
            known = _known(data[:end])
            if known is not None:
                return self._answer(known, data, end, effects)
        if not end:
            return self._await_head(data, effects)
        self._measured = 0
        lines = wire.head_lines(data[:end])
        line = wire.request_line(lines[0])
        if isinstance(line, wire.Fault):
            return self._refuse(line, None, data, effects)
        if line.minor == wire.HTTP_09:
            return self._answer_bare(line, data, effects)
        fault = wire.too_large(lines, 0, end)
        if fault:
            return self._refuse(fault, line, data, effects)
        head = _head(line, lines, data[:end])
        if isinstance(head, _Unsound):
            return self._refuse(head.fault, line, data, effects, head.names)
        return self._answer(head, data, end, effects)

    def _await_head(self, data: bytes, effects: list[Effect]) -> bytes:
        """Keep a head that is not whole, unless nginx would refuse what there is of it; it is measured in steps."""
        first, newline, _ = data.partition(b"\n")
        line = wire.request_line(first.removesuffix(b"\r")) if newline else None
        if line is None and not wire.may_begin_request(data):
            line = wire.Fault("request line")
        if isinstance(line, wire.Fault):
            return self._refuse(line, None, data, effects)
        if line is not None and line.minor == wire.HTTP_09:
            return self._answer_bare(line, data, effects)
        if len(data) - self._measured >= MEASURED_BYTES:
            self._measured = len(data)
            fault = wire.too_large(wire.head_lines(data), len(data) - data.rfind(b"\n") - 1, len(data))
            if fault:
                return self._refuse(fault, line, data, effects)
        self._buffer = data
        return b""

    def _answer(self, head: _Head, data: bytes, end: int, effects: list[Effect]) -> bytes:
        """Answer a whole head that ends at ``end``, at once as nginx does; what follows the request."""
        line, fields, framing, path = head.line, head.fields, head.framing, head.path
        self._served += 1
        keep = self._keeps(line, fields.values)
        if framing is wire.NO_BODY:
            effects.append(head.told)
            if b"authorization" in fields.values:
                _offer(basic(fields.values[b"authorization"]), effects)
            page = self._page(line, fields.values, path, keep=keep)
            effects.append(Reply(page))
            # nginx says keep-alive with 412, and closes
            return self._end(data[end:], effects, keep=keep and b" 412 " not in page[:16])
        too_long = isinstance(framing, wire.Sized) and framing.length > BODY_MAX_BYTES
        keep = keep and not too_long
        body = _body(framing)
        self._asked = _Asked(line, fields, bytearray(data[:end]), end, body, not keep)
        before = len(effects)
        rest = self._read_body(data[end:], self._asked, effects)
        keep = keep and not body.is_broken
        if too_long:
            page = self._status_page(413, line, keep=False)
        elif body.is_broken and path in self._site.index and line.method in _READ:
            page = self._status_page(400, line, keep=False)
        else:
            page = self._page(line, fields.values, path, keep=keep)
        effects.insert(before, Reply(page))
        return rest

    def _read_body(self, data: bytes, asked: _Asked, effects: list[Effect]) -> bytes:
        """Take what belongs to the body; what follows it."""
        end = asked.body.feed(data, 0)
        taken = len(data) if end < 0 else end
        room = asked.body_offset + BODY_KEPT_BYTES - len(asked.raw)
        asked.raw += data[: min(taken, room)]
        if end < 0:
            return b""
        self._asked = None
        effects.append(Emit(_received(asked)))
        if b"authorization" in asked.fields.values:
            _offer(basic(asked.fields.values[b"authorization"]), effects)
        if asked.line.method == b"POST":
            kind = asked.fields.values.get(b"content-type", b"")
            _offer(form(asked.line.target, kind, bytes(asked.body.content)), effects)
        if asked.body.is_broken:
            effects.append(Emit(Malformed("chunk", bytes(data[:SAMPLE_BYTES]))))
        return self._end(data[end:], effects, keep=not (asked.over or asked.body.is_broken))

    def _end(self, rest: bytes, effects: list[Effect], *, keep: bool) -> bytes:
        if keep:
            return rest
        self._is_over = True
        effects.append(Hangup())
        return b""

    def _keeps(self, line: wire.RequestLine, values: dict[bytes, bytes]) -> bool:
        """Whether the connection persists after this request (RFC 9112, 9.3)."""
        if self._served >= MAX_REQUESTS or line.method in _NEVER_ALLOWED:
            return False
        wish = values.get(b"connection")
        if wish is None:
            return line.minor > 0
        wish = wish.lower()
        return b"close" not in wish and (line.minor > 0 or b"keep-alive" in wish)

    def _page(self, line: wire.RequestLine, values: dict[bytes, bytes], path: bytes, *, keep: bool) -> bytes:
        """What nginx's static files answer: ``try_files``, then the method, then the conditions (RFC 9110, 13.2.2)."""
        if line.method in _NEVER_ALLOWED:
            return self._status_page(405, line, keep=keep)
        accepts = values.get(b"accept-encoding")
        gzip = (
            accepts is not None
            and line.minor > 0
            and b"via" not in values
            and _GZIP.search(accepts) is not None
        )
        if path not in self._site.index:
            return self._status_page(404, line, keep=keep, gzip=gzip)
        if line.method not in _READ:
            return self._status_page(405, line, keep=keep)
        status = self._condition(values)
        if status != INDEX:
            return self._status_page(status, line, keep=keep)
        wanted = values.get(b"range")
        if wanted is not None and not gzip:
            return self._part(wanted, line, keep=keep)
        return self._status_page(INDEX, line, keep=keep, gzip=gzip)

    def _condition(self, values: dict[bytes, bytes]) -> int:
        """The status that the conditions of a request (RFC 9110, 13.1) come to; dates are compared as nginx does."""
        site = self._site
        before = values.get(b"if-unmodified-since")
        if before is not None and site.is_modified_since(before):
            return FAILED
        match = values.get(b"if-match")
        if match is not None and match != b"*" and site.etag not in match:
            return FAILED
        tags, since = values.get(b"if-none-match"), values.get(b"if-modified-since")
        if tags is None and since is None:
            return INDEX
        is_known = tags is None or tags == b"*" or site.etag in tags
        return NOT_MODIFIED if is_known and since in (None, site.modified) else INDEX

    def _part(self, wanted: bytes, line: wire.RequestLine, *, keep: bool) -> bytes:
        """One byte range of the index; several or none are answered with the whole."""
        match = _RANGE.fullmatch(wanted)
        size = len(self._site.body)
        if match is None or match.groups() == (b"", b""):
            is_whole = b"," in wanted or not wanted.lower().startswith(b"bytes=")
            return self._status_page(INDEX if is_whole else UNSATISFIABLE, line, keep=keep)
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        stop = min(int(last), size - 1) if first and last else size - 1
        if start > stop:
            return self._status_page(UNSATISFIABLE, line, keep=keep)
        return self._site.part(start, stop, self._clock.now(), keep=keep, only_head=line.method == b"HEAD")

    def _status_page(
        self, status: int, line: wire.RequestLine | None, *, keep: bool, gzip: bool = False
    ) -> bytes:
        only_head = line is not None and line.method == b"HEAD"
        return self._site.reply(status, self._clock.now(), gzip=gzip, keep=keep, only_head=only_head)

    def _answer_bare(self, line: wire.RequestLine, data: bytes, effects: list[Effect]) -> bytes:
        """HTTP/0.9: a body without a head, and the end."""
        path = resolve(line.target)
        status = 400 if path is None or line.method != b"GET" else INDEX if path in self._site.index else 404
        raw = data[: data.find(b"\n") + 1]
        effects += (Emit(_event(line, wire.Fields((), {}), raw, len(raw))), Reply(self._site.bare(status)))
        return self._end(b"", effects, keep=False)

    def _refuse(
        self,
        fault: wire.Fault,
        line: wire.RequestLine | None,
        data: bytes,
        effects: list[Effect],
        names: tuple[bytes, ...] = (),
    ) -> bytes:
        """Tell what broke, and the request as far as it could be read; answer as nginx does, and end."""
        if line is not None:
            effects.append(
                Emit(_event(line, wire.Fields(names, {}), data[:BODY_KEPT_BYTES], wire.head_end(data)))
            )
        effects += (
            Emit(Malformed(fault.reason, data[:SAMPLE_BYTES])),
            Reply(self._status_page(fault.page, line, keep=False)),
        )
        return self._end(b"", effects, keep=False)


def _head(line: wire.RequestLine, lines: list[bytes], raw: bytes) -> _Head | _Unsound:
    """A whole head ``raw``, whose lines are ``lines``, to its parts."""
    fields = wire.fields(lines[1:-1])
    if isinstance(fields, wire.Fault):
        return _Unsound(fields)
    framing = wire.framing(line, fields.values)
    if isinstance(framing, wire.Fault):
        return _Unsound(framing, fields.names)
    path = resolve(line.target)
    if path is None:
        return _Unsound(wire.Fault("path"), fields.names)
    return _Head(line, fields, framing, path, Emit(_event(line, fields, raw, len(raw))))


@lru_cache(maxsize=KNOWN_HEADS)
def _known(raw: bytes) -> _Head | None:
    """A whole head that is sound in every way, read once however often it comes: scanners say the same to everybody.

    ``None`` for any that needs a closer look.
    """
    lines = wire.head_lines(raw)
    line = wire.request_line(lines[0]) if lines else None
    if not isinstance(line, wire.RequestLine) or line.minor == wire.HTTP_09:
        return None
    if wire.too_large(lines, 0, len(raw)) is not None:
        return None
    head = _head(line, lines, raw)
    return head if isinstance(head, _Head) else None


def _body(framing: wire.Framing) -> Body:
    match framing:
        case wire.Sized(length):
            return wire.Counted(length, BODY_KEPT_BYTES)
        case wire.Chunked():
            return wire.Chunks(BODY_KEPT_BYTES)


def _event(line: wire.RequestLine, fields: wire.Fields, raw: bytes, body_offset: int) -> RequestReceived:
    values = fields.values
    return RequestReceived(
        line.method.decode(),
        line.target.decode(errors="backslashreplace"),
        values.get(b"host", b"").decode(errors="backslashreplace"),
        values.get(b"user-agent", b"").decode(errors="backslashreplace"),
        raw,
        body_offset,
        wire.signature(line.minor, fields.names),
    )


def _received(asked: _Asked) -> RequestReceived:
    return _event(asked.line, asked.fields, bytes(asked.raw), asked.body_offset)


def _offer(credential: CredentialTried | None, effects: list[Effect]) -> None:
    if credential is not None:
        effects.append(Emit(credential))
