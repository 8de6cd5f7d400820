"""One request against everything that is known of flaws: what it goes for, what it gives away, and who answers.

Recognising is not answering: every flaw in the catalogue is recognised, and only those of the products that this port
plays answer. Everybody else gets what the web server itself would say.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

import msgspec

from propolis.events import pack
from propolis.flaws.extract import search
from propolis.flaws.index import Match
from propolis.flaws.reply import Answer, answer, extracted
from propolis.flaws.request import Request
from propolis.flaws.scene import scene
from propolis.lures.http.site import Asker, Site
from propolis.lures.lure import Knowledge, Tls, Visit

KNOWN = 2_048
KNOWN_BYTES = 2_048
"""Requests of at most so many bytes of which is remembered what they are and give away."""
MAX_NAMED = 8
"""Flaws that an event names; the less specific ones after them are left out."""


class Seen(msgspec.Struct, frozen=True):
    """What was seen in a request: the texts of its event's columns, and the answer of a lure if one answers."""

    flaws: str = ""
    extracted: Mapping[str, Sequence[str]] = {}
    answered: str = ""
    answer: Answer | None = None

    @property
    def told(self) -> str:
        """What was extracted, as the event has it."""
        return msgspec.json.encode(self.extracted).decode() if self.extracted else ""


NOTHING = Seen()
_BODILESS = frozenset((204, 304))
_PHRASES = {int(status): status.phrase.encode() for status in HTTPStatus}
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class Exchange:
    """The requests of one visit.

    ``personal`` are the flaws that could make the answers so far others for a source with a past; ``None`` once a lure
    has answered, because that is for this source alone. ``named`` are the flaws that were gone for.
    """

    __slots__ = ("_flaws", "_port", "_source", "_tls", "_visit", "named", "personal")

    def __init__(self, visit: Visit, flaws: Knowledge) -> None:
        self._flaws = flaws
        self._visit = visit
        self._port = visit.target_port
        self._source = pack(visit.source_ip)
        self._tls = _tls(visit.tls)
        self.personal: frozenset[str] | None = frozenset()
        self.named: tuple[str, ...] = ()

    def is_for_everybody(self, now: int) -> bool:
        """Whether the answers so far are those of everybody who has no past."""
        return self.personal is not None and not has_past(self._visit, self._flaws, self.personal, now)

    def request(
        self,
        method: bytes,
        target: bytes,
        minor: int,
        lines: Sequence[bytes],
        raw: bytes,
        *,
        body_offset: int,
        content: bytes,
    ) -> Request:
        """A request as conditions read it."""
        return Request.of(method, target, minor, lines, raw, body_offset, content, **self._tls)

    def look_at(self, raw: bytes, now: int) -> Seen:
        """As :meth:`look`, at a message that the server would refuse."""
        return self.look(Request.parse(raw, **self._tls), now)

    def look(self, request: Request, now: int) -> Seen:
        """What a request goes for at this time (UTC nanoseconds). Never raises, whatever was sent."""
        flaws = self._flaws
        catalogue = flaws.catalogue
        session = flaws.sessions.peek(self._source, now)
        matches = catalogue.matches(request, session)
        if self.personal is not None:
            more = catalogue.personal(request)
            self.personal = None if more is None else self.personal | more
        if not matches:
            return NOTHING
        recognised = _recognised(matches, request)
        self.named += recognised.ids
        count(flaws, recognised.ids)
        played = flaws.plays(self._port)
        chosen = next((match for match in matches if match.flaw.product in played), None)
        return recognised.seen if chosen is None else self._answer(chosen, request, recognised, now)

    def _answer(self, chosen: Match, request: Request, recognised: "_Recognised", now: int) -> Seen:
        visit, flaws = self._visit, self._flaws
        stage = scene(
            visit.seed,
            server=flaws.server(self._port),
            ip=visit.target_ip,
            source_ip=visit.source_ip,
            now=now,
            chance=visit.random,
            mint=flaws.mint,
        )
        self.personal = None
        session = flaws.sessions.of(self._source, now)
        made = answer(chosen, request, session, stage, recognised.searched)
        return Seen(recognised.seen.flaws, made.extracted, f"{chosen.flaw.id}/{chosen.step.id}", made)


def has_past(visit: Visit, known: Knowledge, flaws: frozenset[str], now: int) -> bool:
    """Whether this source was told or did something with one of these flaws, at this time (UTC nanoseconds)."""
    return bool(flaws) and known.sessions.peek(pack(visit.source_ip), now).remembers(flaws)


def count(known: Knowledge, named: Iterable[str]) -> None:
    """Count a request that goes for these flaws."""
    for flaw in named:
        known.recognised(flaw)


class _Recognised(msgspec.Struct, frozen=True):
    """A request with its ``matches``: the flaws to count, what was ``searched`` out of it, and what an event says."""

    matches: tuple[Match, ...]
    ids: tuple[str, ...]
    searched: dict[str, tuple[str, ...]]
    seen: Seen


_known: dict[tuple[bytes, ...], _Recognised] = {}


def _recognised(matches: tuple[Match, ...], request: Request) -> _Recognised:
    """What a request is with these matches; many scanners send the same, so the last :data:`KNOWN` are remembered."""
    known = _known.get(request.sent)
    if known is not None and known.matches is matches:
        return known
    chosen = matches[:MAX_NAMED]
    searched = search(request) if known is None else known.searched
    recognised = _Recognised(
        matches,
        tuple(match.flaw.id for match in chosen),
        searched,
        Seen(
            " ".join(f"{match.flaw.id}/{match.step.id}:{match.score}" for match in chosen),
            extracted(matches[0].step, request, searched),
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
