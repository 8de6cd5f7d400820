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
"""Requests of at most so many bytes of which is remembered what they give away."""
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

    def has_past(self, flaws: frozenset[str], now: int) -> bool:
        """Whether this source was told or did something with one of these flaws, at this time (UTC nanoseconds)."""
        return bool(flaws) and self._flaws.sessions.peek(self._source, now).remembers(flaws)

    def is_for_everybody(self, now: int) -> bool:
        """Whether the answers so far are those of everybody who has no past."""
        return self.personal is not None and not self.has_past(self.personal, now)

    def version(self) -> int:
        """Changes with the catalogue."""
        return id(self._flaws.catalogue)

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

    def count(self, named: Iterable[str]) -> None:
        """Count a request that goes for these flaws."""
        for flaw in named:
            self._flaws.recognised(flaw)

    def look_at(self, raw: bytes, now: int) -> Seen:
        """As :meth:`look`, at a message that the server would refuse."""
        return self.look(Request.parse(raw, **self._tls), now)

    def look(self, request: Request, now: int) -> Seen:
        """What a request goes for at this time (UTC nanoseconds). Never raises, whatever was sent."""
        flaws = self._flaws
        session = flaws.sessions.peek(self._source, now)
        matches = flaws.catalogue.matches(request, session)
        if self.personal is not None:
            more = flaws.catalogue.personal(request)
            self.personal = None if more is None else self.personal | more
        if not matches:
            return NOTHING
        named = " ".join(f"{match.flaw.id}/{match.step.id}:{match.score}" for match in matches[:MAX_NAMED])
        ids = tuple(match.flaw.id for match in matches[:MAX_NAMED])
        self.named += ids
        self.count(ids)
        played = flaws.plays(self._port)
        chosen = next((match for match in matches if match.flaw.product in played), None)
        if chosen is None:
            return Seen(named, extracted(matches[0].step, request, _searched(request)))
        return self._answer(chosen, request, named, now)

    def _answer(self, chosen: Match, request: Request, named: str, now: int) -> Seen:
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
        made = answer(chosen, request, flaws.sessions.of(self._source, now), stage, _searched(request))
        return Seen(named, made.extracted, f"{chosen.flaw.id}/{chosen.step.id}", made)


_found: dict[bytes, dict[str, tuple[str, ...]]] = {}


def _searched(request: Request) -> dict[str, tuple[str, ...]]:
    """What a request gives away; many scanners send the same, so the last :data:`KNOWN` of them are remembered."""
    raw = request.raw
    found = _found.get(raw)
    if found is None:
        found = search(request)
        if len(raw) <= KNOWN_BYTES:
            if len(_found) >= KNOWN:
                _found.clear()
            _found[raw] = found
    return found


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
