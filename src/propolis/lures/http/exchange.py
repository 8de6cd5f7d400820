"""One request against everything that is known of flaws: what it goes for, what it gives away, and who answers.

Recognising is not answering: every flaw in the catalogue is recognised, and only those of the products that this port
plays answer. Everybody else gets what the web server itself would say.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import msgspec

from propolis.events import pack
from propolis.flaws.extract import search
from propolis.flaws.index import Match
from propolis.flaws.reply import Answer, answer, extracted
from propolis.flaws.request import Request
from propolis.flaws.scene import scene
from propolis.lures.http.site import Asker, Said, Site
from propolis.lures.lure import Effect, Knowledge, Tls, Visit

KNOWN = 2_048
KNOWN_BYTES = 2_048
"""Requests of at most so many bytes of which is remembered what they are and give away."""
MAX_HEARD = 4
"""Requests of a visit that is remembered as a whole."""
MAX_NAMED = 8
"""Flaws that an event names; the less specific ones after them are left out."""


class Seen(msgspec.Struct, frozen=True):
    """What was seen in a request: the texts of its event's columns, and the answer of a lure if one answers."""

    flaws: str = ""
    extracted: str = ""
    answered: str = ""
    answer: Answer | None = None


NOTHING = Seen()
_BODILESS = frozenset((204, 304))
_PHRASES = {int(status): status.phrase.encode() for status in HTTPStatus}
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class Exchange:
    """The requests of one visit."""

    __slots__ = ("_flaws", "_heard", "_is_personal", "_port", "_source", "_tls", "_visit")

    def __init__(self, visit: Visit, flaws: Knowledge) -> None:
        self._flaws = flaws
        self._visit = visit
        self._port = visit.target_port
        self._source = pack(visit.source_ip)
        self._tls = _tls(visit.tls)
        self._heard: list[tuple[bytes, ...]] = []
        self._is_personal = False

    def said(self, effects: Sequence[Effect], now: int) -> Said | None:
        """The effects of this visit's requests, if everybody without a past would get them at this time (ns)."""
        if self._is_personal or len(self._heard) > MAX_HEARD:
            return None
        personal: frozenset[str] = frozenset()
        named: tuple[str, ...] = ()
        for sent in self._heard:
            more = self._flaws.catalogue.personal(sent)
            if more is None:
                return None
            personal |= more
            recognised = _known.get(sent)
            named += recognised.ids if recognised else ()
        if has_past(self._visit, self._flaws, personal, now):
            return None
        return Said(tuple(effects), personal, named)

    def look_at(self, raw: bytes, now: int) -> Seen:
        """As :meth:`look`, at a message that the server would refuse."""
        return self.look(raw, lambda tls: Request.parse(raw, **tls), now)

    def look(self, raw: bytes, read: Callable[[Mapping[str, bytes]], Request], now: int) -> Seen:
        """What a request goes for at this time (UTC nanoseconds). Never raises, whatever was sent.

        ``raw`` is the message and ``read`` gives it as conditions read it, together with what is known of its TLS; that
        is asked only of a request that is not remembered.
        """
        flaws = self._flaws
        catalogue = flaws.catalogue
        session = flaws.sessions.peek(self._source, now)
        sent = (raw, *self._tls.values()) if self._tls else (raw,)
        request: Request | None = None
        matches = catalogue.remembered(sent, session)
        if matches is None:
            request = read(self._tls)
            matches = catalogue.matches(request, session)
        if len(self._heard) <= MAX_HEARD:
            self._heard.append(sent)
        if not matches:
            return NOTHING
        recognised = _known.get(sent)
        if recognised is None or recognised.matches is not matches:
            request = request or read(self._tls)
            recognised = _recognise(matches, request, recognised)
        flaws.recognised(recognised.ids)
        played = flaws.plays(self._port)
        if played.isdisjoint(recognised.products):
            return recognised.seen
        return self._answer(played, request or read(self._tls), recognised, now)

    def _answer(self, played: frozenset[str], request: Request, recognised: "_Recognised", now: int) -> Seen:
        visit, flaws = self._visit, self._flaws
        self._is_personal = True
        chosen = next(match for match in recognised.matches if match.flaw.product in played)
        stage = scene(
            visit.seed,
            server=flaws.server(self._port),
            ip=visit.target_ip,
            source_ip=visit.source_ip,
            now=now,
            chance=visit.random,
            mint=flaws.mint,
            machine=visit.machine,
        )
        session = flaws.sessions.of(self._source, now)
        made = answer(chosen, request, session, stage, recognised.searched)
        return Seen(recognised.seen.flaws, _told(made.extracted), f"{chosen.flaw.id}/{chosen.step.id}", made)


def has_past(visit: Visit, known: Knowledge, flaws: frozenset[str], now: int) -> bool:
    """Whether this source was told or did something with one of these flaws, at this time (UTC nanoseconds)."""
    return bool(flaws) and known.sessions.peek(pack(visit.source_ip), now).remembers(flaws)


def _told(extracted: Mapping[str, Sequence[str]]) -> str:
    """What was extracted, as an event has it."""
    return msgspec.json.encode(extracted).decode() if extracted else ""


class _Recognised(msgspec.Struct, frozen=True):
    """A request with its ``matches``: their flaws and products, what was ``searched`` out of it, what an event says."""

    matches: tuple[Match, ...]
    ids: tuple[str, ...]
    products: frozenset[str]
    searched: dict[str, tuple[str, ...]]
    seen: Seen


_known: dict[tuple[bytes, ...], _Recognised] = {}


def _recognise(matches: tuple[Match, ...], request: Request, known: _Recognised | None) -> _Recognised:
    """What a request is with these matches; many scanners send the same, so the last :data:`KNOWN` are remembered.

    ``known`` is what it was with others.
    """
    named = matches[:MAX_NAMED]
    searched = search(request) if known is None else known.searched
    recognised = _Recognised(
        matches,
        tuple(match.flaw.id for match in named),
        frozenset(match.flaw.product for match in matches),
        searched,
        Seen(
            " ".join(f"{match.flaw.id}/{match.step.id}:{match.score}" for match in named),
            _told(extracted(matches[0].step, request, searched)),
        ),
    )
    if len(request.raw) <= KNOWN_BYTES:
        if len(_known) >= KNOWN:
            _known.clear()
        _known[request.sent] = recognised
    return recognised


def _tls(tls: Tls | None) -> dict[str, bytes]:
    if tls is None:
        return {}
    return {"ja4": tls.ja4.encode(), "ja3": tls.ja3.encode(), "sni": tls.sni.encode(errors="replace")}


def dressed(site: Site, made: Answer, about: Asker, now: int) -> bytes:
    """A lure's answer as this server sends it, at this time (UTC nanoseconds)."""
    body, headers = made.body, made.headers
    if any(name.lower() == b"transfer-encoding" for name, _ in headers):
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    only_head = about.method == b"HEAD"
    if not made.is_bare:
        return site.dress(
            made.status, made.reason, headers, body, now,
            keep=about.keep, only_head=only_head, minor=about.minor, asked=about.asked, served=about.served,
        )  # fmt: skip
    is_bodiless = made.status in _BODILESS or made.status < 200
    if not is_bodiless and not {name.lower() for name, _ in headers} & _FRAMING:
        headers = (*headers, (b"Content-Length", b"%d" % len(body)))
    head = b"".join(b"%b: %b\r\n" % field for field in headers)
    reason = made.reason or _PHRASES.get(made.status, b"")
    start = b"HTTP/1.1 %d %b\r\n" % (made.status, reason)
    return start + head + b"\r\n" + (b"" if only_head or is_bodiless else body)
