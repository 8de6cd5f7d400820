"""The HTTP dialogue: what a freshly installed nginx answers, and one fact per request."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, TypeAlias

import msgspec

from propolis.events import CredentialTried, Malformed, RequestReceived
from propolis.flaws.reply import Answer
from propolis.lures.http import wire
from propolis.lures.http.credentials import basic, form
from propolis.lures.http.exchange import NOTHING, Exchange, Seen, dressed
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
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_PATH = wire.Fault("path")
_NO_FIELDS = wire.Fields((), {})

Body: TypeAlias = wire.Counted | wire.Chunks


class _Head(msgspec.Struct, frozen=True):
    """A sound head; ``path`` is what its target resolves to, ``told`` the event of a request without a body.

    ``lines`` are those of its headers. No ``path``: nginx refuses the target, though a flaw's product may not.
    """

    line: wire.RequestLine
    fields: wire.Fields
    lines: tuple[bytes, ...]
    framing: wire.Framing
    path: bytes | None
    told: Emit


class _Asked(msgspec.Struct):
    """A request whose body is still on its way; ``raw`` is the message so far, ``over`` whether it is the last one.

    ``is_owed``: it is answered once it is whole.
    """

    head: _Head
    raw: bytearray
    body_offset: int
    body: Body
    over: bool
    is_owed: bool = False


class _Unsound(msgspec.Struct, frozen=True):
    """Why a head is refused, and the header names that could be read."""

    fault: wire.Fault
    names: tuple[bytes, ...] = ()


class HttpLure:
    """A web server nobody has set up yet: Debian's nginx, recorded."""

    name: ClassVar[str] = "http"
    alpn: ClassVar[tuple[str, ...]] = ("http/1.1", "http/1.0", "http/0.9")
    __slots__ = ("_asked", "_buffer", "_clock", "_exchange", "_is_over", "_measured", "_served", "_site")

    def __init__(self, visit: Visit) -> None:
        flaws = visit.flaws
        self._exchange = None if flaws is None else Exchange(visit, flaws)
        server = flaws.server(visit.target_port) if flaws else ""
        self._site = site(server or visit.persona, visit.seed)
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
        now = self._clock.now()
        is_first = not (self._served or self._buffer or self._asked)
        if not is_first or len(data) > KNOWN_HEAD_BYTES:
            return self._read(data)
        exchange, said = self._exchange, data
        if exchange:
            if exchange.has_past(now):
                return self._read(data)
            said = b"%x " % exchange.version() + data
        known = self._site.answers.get(said, now)
        if known:
            self._is_over = True
            return known
        effects = self._read(data)
        if self._is_over and not (exchange and exchange.has_past(now)):
            self._site.answers.put(said, effects, now)
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
            return (Emit(_received(self._asked, self._look(self._asked))),)
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
        """Answer a whole head that ends at ``end``; what follows the request.

        nginx answers at once, whatever body is to come; a flaw's product reads it first.
        """
        line, framing = head.line, head.framing
        if head.path is None and self._exchange is None:
            return self._refuse(_NO_PATH, line, data, effects, head.fields.names)
        self._served += 1
        keep = self._keeps(line, head.fields.values)
        if framing is wire.NO_BODY:
            raw = data[:end]
            seen = self._seen(head, raw, end, b"")
            effects.append(head.told if seen is NOTHING else Emit(_event(line, head.fields, raw, end, seen)))
            if b"authorization" in head.fields.values:
                _offer(basic(head.fields.values[b"authorization"]), effects)
            return self._end(data[end:], effects, keep=self._reply(head, seen, raw, effects, keep=keep))
        too_long = isinstance(framing, wire.Sized) and framing.length > BODY_MAX_BYTES
        keep = keep and not too_long
        body = _body(framing)
        asked = self._asked = _Asked(head, bytearray(data[:end]), end, body, not keep)
        if self._exchange and not too_long:
            asked.is_owed = True
            if head.fields.values.get(b"expect", b"").lower() == b"100-continue" and end == len(data):
                effects.append(Reply(_CONTINUE))
            return self._read_body(data[end:], asked, effects)
        before = len(effects)
        rest = self._read_body(data[end:], asked, effects)
        effects.insert(before, Reply(self._early_page(head, body, keep=keep, too_long=too_long)))
        return rest

    def _early_page(self, head: _Head, body: Body, *, keep: bool, too_long: bool) -> bytes:
        """What nginx says before it has read the body."""
        line = head.line
        keep = keep and not body.is_broken
        if too_long:
            return self._status_page(413, line, keep=False)
        if body.is_broken and head.path in self._site.index and line.method in _READ:
            return self._status_page(400, line, keep=False)
        return self._page(line, head.fields.values, head.path or b"", keep=keep)

    def _read_body(self, data: bytes, asked: _Asked, effects: list[Effect]) -> bytes:
        """Take what belongs to the body; what follows it."""
        end = asked.body.feed(data, 0)
        taken = len(data) if end < 0 else end
        room = asked.body_offset + BODY_KEPT_BYTES - len(asked.raw)
        asked.raw += data[: min(taken, room)]
        if end < 0:
            return b""
        self._asked = None
        head, values, content = asked.head, asked.head.fields.values, bytes(asked.body.content)
        seen = self._look(asked)
        effects.append(Emit(_received(asked, seen)))
        if b"authorization" in values:
            _offer(basic(values[b"authorization"]), effects)
        if head.line.method == b"POST":
            _offer(form(head.line.target, values.get(b"content-type", b""), content), effects)
        if asked.body.is_broken:
            effects.append(Emit(Malformed("chunk", bytes(data[:SAMPLE_BYTES]))))
        keep = not (asked.over or asked.body.is_broken)
        if asked.is_owed:
            keep = self._reply(head, seen, bytes(asked.raw), effects, keep=keep)
        return self._end(data[end:], effects, keep=keep)

    def _look(self, asked: _Asked) -> Seen:
        """What a request is, with as much of its body as came."""
        return self._seen(asked.head, bytes(asked.raw), asked.body_offset, bytes(asked.body.content))

    def _seen(self, head: _Head, raw: bytes, offset: int, content: bytes) -> Seen:
        exchange, line = self._exchange, head.line
        if exchange is None:
            return NOTHING
        request = exchange.request(
            line.method, line.target, line.minor, head.lines, raw, body_offset=offset, content=content
        )
        return exchange.look(request, self._clock.now())

    def _reply(self, head: _Head, seen: Seen, raw: bytes, effects: list[Effect], *, keep: bool) -> bool:
        """Answer a whole request, as a lure or as the server itself; whether the connection persists."""
        line = head.line
        if seen.answer is not None:
            return self._play(seen.answer, line, effects, keep=keep)
        if head.path is None:
            effects += (
                Emit(Malformed(_NO_PATH.reason, raw[:SAMPLE_BYTES])),
                Reply(self._status_page(_NO_PATH.page, line, keep=False)),
            )
            return False
        page = self._page(line, head.fields.values, head.path, keep=keep)
        effects.append(Reply(page))
        # nginx says keep-alive with 412, and closes
        return keep and b" 412 " not in page[:16]

    def _play(self, made: Answer, line: wire.RequestLine, effects: list[Effect], *, keep: bool) -> bool:
        """Send a lure's answer in this server's clothes; whether the connection persists."""
        if not made.status:
            return False
        keep = keep and not any(
            name.lower() == b"connection" and b"close" in value.lower() for name, value in made.headers
        )
        page = dressed(self._site, made, line, self._clock.now(), keep=keep)
        effects.append(Reply(page, made.delay_seconds))
        return keep

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
        effects += (Emit(_event(line, _NO_FIELDS, raw, len(raw))), Reply(self._site.bare(status)))
        return self._end(b"", effects, keep=False)

    def _refuse(
        self,
        fault: wire.Fault,
        line: wire.RequestLine | None,
        data: bytes,
        effects: list[Effect],
        names: tuple[bytes, ...] = (),
    ) -> bytes:
        """Tell what broke, and the request as far as it could be read; answer as nginx does, and end.

        A flaw's product may be less strict than nginx: if a lure takes the request, it answers.
        """
        if line is not None:
            raw, end = data[:BODY_KEPT_BYTES], wire.head_end(data)
            seen = self._exchange.look_at(raw, self._clock.now()) if self._exchange and end else NOTHING
            effects.append(Emit(_event(line, wire.Fields(names, {}), raw, end, seen)))
            if seen.answer is not None:
                self._play(seen.answer, line, effects, keep=False)
                return self._end(b"", effects, keep=False)
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
    told = Emit(_event(line, fields, raw, len(raw), NOTHING))
    return _Head(line, fields, tuple(lines[1:-1]), framing, resolve(line.target), told)


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


def _event(
    line: wire.RequestLine, fields: wire.Fields, raw: bytes, body_offset: int, seen: Seen = NOTHING
) -> RequestReceived:
    values = fields.values
    return RequestReceived(
        line.method.decode(),
        line.target.decode(errors="backslashreplace"),
        values.get(b"host", b"").decode(errors="backslashreplace"),
        values.get(b"user-agent", b"").decode(errors="backslashreplace"),
        raw,
        body_offset,
        wire.signature(line.minor, fields.names),
        seen.flaws,
        seen.told,
        seen.answered,
    )


def _received(asked: _Asked, seen: Seen) -> RequestReceived:
    return _event(asked.head.line, asked.head.fields, bytes(asked.raw), asked.body_offset, seen)


def _offer(credential: CredentialTried | None, effects: list[Effect]) -> None:
    if credential is not None:
        effects.append(Emit(credential))
