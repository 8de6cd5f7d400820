"""The HTTP dialogue: what the web server that a port pretends to be answers, and one fact per request."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import ClassVar, TypeAlias

import msgspec

from propolis.events import CredentialTried, Malformed, RequestReceived
from propolis.flaws.reply import Answer
from propolis.flaws.request import Request as Question
from propolis.lures.http import wire
from propolis.lures.http.credentials import basic, form
from propolis.lures.http.exchange import NOTHING, Exchange, Seen, dressed, has_past
from propolis.lures.http.reading import NOWHERE, Reader, Refusal, Request
from propolis.lures.http.site import Said, site
from propolis.lures.http.static import Answered, answer, asker, choose, keeps, refuse
from propolis.lures.lure import Effect, Emit, Hangup, Reply, Visit

BODY_KEPT_BYTES = 262_144
"""How much of a body goes into an event; the rest is read and forgotten."""
KNOWN_HEAD_BYTES = 2_048
KNOWN_HEADS = 1_024
"""Heads of at most so many bytes that are remembered, the latest used: 2 MB at most, and what was read from them."""
MEASURED_BYTES = 512
"""How often an unfinished head is measured again: in steps, so that writing byte by byte costs us little."""
SAMPLE_BYTES = 4_096

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REFUSED = frozenset(("413", "417"))
"""Pages that end a request before its body came."""

Body: TypeAlias = wire.Counted | wire.Chunks


class _Head(msgspec.Struct):
    """A whole head as the server reads it, and the event of a request without a body as it was last ``seen``.

    ``lines`` are those of its headers. ``refusal``: the server refuses the path, though a flaw's product may not.
    """

    request: Request
    lines: tuple[bytes, ...]
    told: Emit
    refusal: Refusal | None = None
    seen: Seen = NOTHING


class _Asked(msgspec.Struct):
    """A request whose body is still on its way; ``raw`` is the message so far, ``served`` requests were before it.

    ``answered`` is what was already said to it.
    """

    head: _Head
    raw: bytearray
    body_offset: int
    body: Body
    served: int
    answered: Answered | None = None


class HttpLure:
    """A web server nobody has set up yet, as it was recorded; and the flaws of the products that its port plays."""

    name: ClassVar[str] = "http"
    alpn: ClassVar[tuple[str, ...]] = ("http/1.1", "http/1.0", "http/0.9")
    __slots__ = (
        "_asked",
        "_buffer",
        "_clock",
        "_exchange",
        "_is_over",
        "_measured",
        "_served",
        "_site",
        "_visit",
    )

    def __init__(self, visit: Visit) -> None:
        flaws = visit.flaws
        self._visit = visit
        self._exchange: Exchange | None = None
        server = flaws.server(visit.target_port) if flaws else ""
        self._site = site(server or visit.persona, visit.seed, visit.target_port)
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
        flaws, answers = self._visit.flaws, self._site.answers
        catalogue = flaws and flaws.catalogue
        known = answers.get(data, now, catalogue)
        if known and not (flaws and known.personal and has_past(self._visit, flaws, known.personal, now)):
            self._is_over = True
            if flaws and known.named:
                flaws.recognised(known.named)
            return known.effects
        effects = self._read(data)
        if self._is_over:
            said = self._exchange.said(effects, now) if self._exchange else Said(tuple(effects))
            if said is not None:
                answers.put(data, said, now, catalogue)
        return effects

    def _read(self, data: bytes) -> list[Effect]:
        effects: list[Effect] = []
        if self._exchange is None and self._visit.flaws is not None:
            self._exchange = Exchange(self._visit, self._visit.flaws)
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
        if not end:
            return self._await_head(data, effects)
        self._measured = 0
        raw = data[:end]
        known = (_known if end <= KNOWN_HEAD_BYTES else _head)(self._site.read, raw)
        if isinstance(known, _Head):
            if known.refusal is None or self._exchange:
                return self._answer(known, data, end, effects)
            known = known.refusal
        return self._refuse(known, data, effects)

    def _await_head(self, data: bytes, effects: list[Effect]) -> bytes:
        """Keep a head that is not whole, unless the server would answer what there is of it; measured in steps."""
        is_new = not self._measured or len(data) - self._measured >= MEASURED_BYTES
        if data and (is_new or data.find(b"\n", 0, self._measured) < 0):
            self._measured = len(data)
            reading = self._site.read(data)
            if isinstance(reading, Refusal):
                return self._refuse(reading, data, effects)
            if isinstance(reading, Request):  # HTTP/0.9 ends with its line
                raw = data[: data.find(b"\n") + 1]
                head = _Head(reading, (), Emit(_event(reading, raw, len(raw))))
                return self._answer(head, data, len(raw), effects)
        self._buffer = data
        return b""

    def _answer(self, head: _Head, data: bytes, end: int, effects: list[Effect]) -> bytes:
        """Answer a head that ends at ``end``, and what has come of its body; what follows the request."""
        served, self._served = self._served, self._served + 1
        body = _body(head.request.framing)
        if body is None:
            raw = data[:end]
            seen = self._seen(head, raw, end, b"")
            if seen is not head.seen:
                head.seen, head.told = seen, Emit(_event(head.request, raw, end, seen))
            effects.append(head.told)
            _offer(basic(head.request.fields.values.get(b"authorization", b"")), effects)
            is_last = self._reply(head, seen, raw, served, effects)
            return self._end(data[end:], effects, is_last=is_last)
        asked = self._asked = _Asked(head, bytearray(data[:end]), end, body, served)
        stop = self._feed(asked, data[end:])
        self._say_early(asked, effects, is_whole=stop >= 0, is_silent=end == len(data))
        if stop < 0:
            return self._end(b"", effects, is_last=self._is_over)
        return self._finish(asked, data[end + stop :], data[end : end + stop], effects)

    def _say_early(self, asked: _Asked, effects: list[Effect], *, is_whole: bool, is_silent: bool) -> None:
        """What the server says before it has the body. Where a flaw's product would read it first, it waits."""
        persona, request = self._site.persona, asked.head.request
        is_refused = choose(self._site, request) in _REFUSED
        is_expected = is_silent and b"expect" in request.fields.values
        if is_expected and not is_refused and (self._exchange or persona.continues):
            effects.append(Reply(persona.continues.encode() or _CONTINUE))
        if is_refused or (self._exchange is None and (is_whole or persona.answers_early)):
            answered = asked.answered = answer(
                self._site, request, self._clock.now(), served=asked.served, is_broken=asked.body.is_broken
            )
            effects.append(Reply(answered.data))
            self._is_over = not is_whole and persona.closes_early and answered.is_last

    def _feed(self, asked: _Asked, data: bytes) -> int:
        """Take what belongs to the body; where in ``data`` it ends, or -1 if it goes on."""
        end = asked.body.feed(data, 0)
        taken = len(data) if end < 0 else end
        room = asked.body_offset + BODY_KEPT_BYTES - len(asked.raw)
        asked.raw += data[: min(taken, room)]
        return end

    def _read_body(self, data: bytes, asked: _Asked, effects: list[Effect]) -> bytes:
        """Read on; what follows the request."""
        end = self._feed(asked, data)
        return b"" if end < 0 else self._finish(asked, data[end:], data[:end], effects)

    def _finish(self, asked: _Asked, rest: bytes, last: bytes, effects: list[Effect]) -> bytes:
        """The request is whole: tell it, and answer it unless that was done. ``last`` are the bytes that ended it."""
        self._asked = None
        line, values = asked.head.request.line, asked.head.request.fields.values
        seen = self._look(asked)
        effects.append(Emit(_received(asked, seen)))
        _offer(basic(values.get(b"authorization", b"")), effects)
        if line.method == b"POST":
            content = bytes(asked.body.content)
            _offer(form(line.target, values.get(b"content-type", b""), content), effects)
        if asked.body.is_broken:
            effects.append(Emit(Malformed("chunk", (last or rest)[:SAMPLE_BYTES])))
        if asked.answered is not None:
            is_last = asked.answered.is_last or asked.body.is_broken
        else:
            is_last = self._reply(asked.head, seen, bytes(asked.raw), asked.served, effects, body=asked.body)
        return self._end(rest, effects, is_last=is_last)

    def _look(self, asked: _Asked) -> Seen:
        """What a request is, with as much of its body as came."""
        return self._seen(asked.head, bytes(asked.raw), asked.body_offset, bytes(asked.body.content))

    def _seen(self, head: _Head, raw: bytes, offset: int, content: bytes) -> Seen:
        exchange, line = self._exchange, head.request.line
        if exchange is None or line.minor == wire.HTTP_09:
            return NOTHING

        def read(tls: Mapping[str, bytes]) -> Question:
            return Question.of(line.method, line.target, line.minor, head.lines, raw, offset, content, **tls)

        return exchange.look(raw, read, self._clock.now())

    def _reply(
        self,
        head: _Head,
        seen: Seen,
        raw: bytes,
        served: int,
        effects: list[Effect],
        *,
        body: Body | None = None,
    ) -> bool:
        """Answer a whole request, as a lure or as the server itself; whether it was the connection's last."""
        if seen.answer is not None:
            return self._play(seen.answer, head.request, served, effects)
        if head.refusal is not None:
            self._say_no(head.refusal, raw, effects)
            return True
        is_broken = body is not None and body.is_broken
        answered = answer(self._site, head.request, self._clock.now(), served=served, is_broken=is_broken)
        effects.append(Reply(answered.data))
        return answered.is_last or is_broken

    def _play(self, made: Answer, request: Request, served: int, effects: list[Effect]) -> bool:
        """Send a lure's answer in this server's clothes; whether the connection ends with it."""
        if not made.status:
            return True
        keep = keeps(self._site, request, served=served) and not any(
            name.lower() == b"connection" and b"close" in value.lower() for name, value in made.headers
        )
        page = dressed(self._site, made, asker(request, keep=keep, served=served), self._clock.now())
        effects.append(Reply(page, made.delay_seconds))
        return not keep

    def _end(self, rest: bytes, effects: list[Effect], *, is_last: bool) -> bytes:
        if not is_last:
            return rest
        self._is_over = True
        effects.append(Hangup())
        return b""

    def _refuse(self, refusal: Refusal, data: bytes, effects: list[Effect]) -> bytes:
        """Tell what broke, and the request as far as it could be read; answer as the server does, and end.

        A flaw's product may be less strict: if a lure takes the request, it answers.
        """
        if refusal.line is not None:
            raw, end = data[:BODY_KEPT_BYTES], wire.head_end(data)
            seen = self._exchange.look_at(raw, self._clock.now()) if self._exchange and end else NOTHING
            request = Request(refusal.line, refusal.fields, wire.NO_BODY, NOWHERE, end)
            effects.append(Emit(_event(request, raw, end, seen)))
            if seen.answer is not None:
                self._play(seen.answer, request, self._served, effects)
                return self._end(b"", effects, is_last=True)
        self._say_no(refusal, data, effects)
        return self._end(b"", effects, is_last=True)

    def _say_no(self, refusal: Refusal, data: bytes, effects: list[Effect]) -> None:
        effects.append(Emit(Malformed(refusal.reason, data[:SAMPLE_BYTES])))
        page = refuse(self._site, refusal, self._clock.now())
        if page:
            effects.append(Reply(page))


def _head(read: Reader, raw: bytes) -> _Head | Refusal:
    """A whole head as ``read`` reads it. One that is refused for its path alone is read on."""
    reading = read(raw)
    lines = tuple(wire.head_lines(raw)[1:-1])
    if isinstance(reading, Request):
        return _Head(reading, lines, Emit(_event(reading, raw, len(raw))))
    refusal = reading or Refusal("head", "400")
    if refusal.line is None or refusal.reason != "path":
        return refusal
    framing = wire.framing(refusal.line, refusal.fields.values)
    if isinstance(framing, wire.Fault):
        return refusal
    request = Request(refusal.line, refusal.fields, framing, NOWHERE, len(raw))
    return _Head(request, lines, Emit(_event(request, raw, len(raw))), refusal)


@lru_cache(maxsize=KNOWN_HEADS)
def _known(read: Reader, raw: bytes) -> _Head | Refusal:
    """A head that is read once however often it comes: scanners say the same to everybody."""
    return _head(read, raw)


def _body(framing: wire.Framing) -> Body | None:
    match framing:
        case wire.Sized(0):
            return None
        case wire.Sized(length):
            return wire.Counted(length, BODY_KEPT_BYTES)
        case wire.Chunked():
            return wire.Chunks(BODY_KEPT_BYTES)


def _event(request: Request, raw: bytes, body_offset: int, seen: Seen = NOTHING) -> RequestReceived:
    line, values = request.line, request.fields.values
    return RequestReceived(
        line.method.decode("latin-1"),
        line.target.decode(errors="backslashreplace"),
        values.get(b"host", b"").decode(errors="backslashreplace"),
        values.get(b"user-agent", b"").decode(errors="backslashreplace"),
        raw,
        body_offset,
        wire.signature(line.minor, request.fields.names),
        seen.flaws,
        seen.extracted,
        seen.answered,
    )


def _received(asked: _Asked, seen: Seen) -> RequestReceived:
    return _event(asked.head.request, bytes(asked.raw), asked.body_offset, seen)


def _offer(credential: CredentialTried | None, effects: list[Effect]) -> None:
    if credential is not None:
        effects.append(Emit(credential))
