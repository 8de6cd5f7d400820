"""The pages of the web server a sensor pretends to run, prepared so that an answer costs two concatenations."""

import base64
import calendar
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from operator import itemgetter
from typing import Literal, TypeAlias, get_args

import msgspec

from propolis.clock import SECOND
from propolis.lures.http import server
from propolis.lures.http.reading import Reader, reader
from propolis.lures.http.server import SERVERS, Page, PageName, Persona
from propolis.lures.lure import Effect

__all__ = ["SERVERS", "Answers", "Page", "Persona", "Site", "from_http_date", "http_date", "site"]

INDEX = 200
"""The page at ``/`` and at its own name."""
PARTIAL, NOT_MODIFIED, FAILED, UNSATISFIABLE = 206, 304, 412, 416
KNOWN_ANSWERS = 1_024
SEWN_BYTES = 2_048
"""Of a head that is remembered: attackers have their say in some of them."""
DAY_SECONDS = 86_400
OLDEST_DAYS = 500
"""How long before its recording a persona's server may have been installed."""
FILETIME_EPOCH_SECONDS = 11_644_473_600
"""From the year 1601, where Windows begins to count, to 1970."""
OWN_NAME = b"127.0.1.1"
"""What a Debian server calls itself that has no domain."""

State: TypeAlias = Literal["close", "close_10", "keep", "asked", "keep_10"]
"""How the connection goes on: a field of :class:`~propolis.lures.http.server.Connection`."""

_Cloth: TypeAlias = tuple[int, bytes, tuple[tuple[bytes, bytes], ...], int, int, State]
"""Status, reason, headers, length of the body (negative: there can be none), minor version, how it goes on."""

_MARK = re.compile(rb"\{(date|asctime|length|range|host|port|name|path|method|left|detail|version)\}")
_AUTHORITY = re.compile(rb"^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_PORT = re.compile(rb"(\[[^\]]*\]|[^:\[\]]*):(\d{1,5})")
_BODILESS = frozenset((204, 304))
_PHRASES = {int(known): known.phrase for known in HTTPStatus}


class Asker(msgspec.Struct, frozen=True):
    """What an answer repeats of the request, and what it says of the connection.

    ``asked``: the client wished to keep the connection; ``served``: requests before this one on it.
    """

    method: bytes = b"GET"
    target: bytes = b"/"
    host: bytes = b""
    minor: int = 1
    keep: bool = False
    asked: bool = False
    served: int = 0
    detail: bytes = b""

    def state(self) -> State:
        """Which lines about the connection it gets."""
        if not self.keep:
            return "close" if self.minor > 0 else "close_10"
        if self.minor < 1:
            return "keep_10"
        return "asked" if self.asked else "keep"


class Marks(dict[bytes, bytes]):
    """What stands in the place of a mark in an answer at ``now`` (UTC nanoseconds), found when it is asked for."""

    __slots__ = ("_asker", "_now", "_site")

    def __init__(self, site: "Site", now: int, asker: Asker) -> None:
        super().__init__()
        self._site = site
        self._now = now
        self._asker = asker

    def __missing__(self, name: bytes) -> bytes:
        made = _MADE.get(name)
        return self.setdefault(name, made(self._site, self._now, self._asker) if made else b"")


@lru_cache(maxsize=4)
def _asctime(seconds: int) -> bytes:
    """Unix seconds in the third form of RFC 9110, 5.6.7, which some devices still send."""
    moment = time.gmtime(seconds)
    month = _MONTHS[moment.tm_mon - 1]
    clock = f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
    return f"{_DAYS[moment.tm_wday]} {month} {moment.tm_mday:2d} {clock} {moment.tm_year:04d}".encode()


_MADE: Mapping[bytes, Callable[["Site", int, Asker], bytes]] = {
    b"date": lambda site, now, _: site.date(now),
    b"asctime": lambda _site, now, _: _asctime(now // SECOND),
    b"path": lambda site, _, asker: site.escape(_AUTHORITY.sub(b"", asker.target.partition(b"?")[0]) or b"/"),
    b"host": lambda site, _, asker: site.escape(_host(asker, site.port)[0]) or OWN_NAME,
    b"port": lambda site, _, asker: _host(asker, site.port)[1],
    b"name": lambda _site, _, _asker: OWN_NAME,
    b"method": lambda site, _, asker: site.escape(asker.method),
    b"detail": lambda site, _, asker: site.spell(asker.detail),
    b"version": lambda _site, _, asker: b"HTTP/1.1" if asker.minor > 0 else b"HTTP/1.0",
    b"left": lambda site, _, asker: b"%d" % max(0, site.persona.requests - asker.served),
}


class Prepared(msgspec.Struct, frozen=True):
    """A page around its marks: literal bytes at even places, names of marks at odd ones."""

    head: tuple[bytes, ...]
    body: tuple[bytes, ...]
    is_silent: bool


class Said(msgspec.Struct, frozen=True):
    """What was answered, unless the client has a past with one of the ``personal`` flaws; ``named`` were gone for."""

    effects: tuple[Effect, ...]
    personal: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()


class Answers:
    """What was answered to a whole connection's bytes within this second: many scanners say the same to everybody.

    Holds at most :data:`KNOWN_ANSWERS`; all are forgotten when the second ends, because ``Date`` changes, or when there
    is another ``catalogue`` of flaws.
    """

    def __init__(self) -> None:
        self._second = -1
        self._catalogue: object = None
        self._known: dict[bytes, Said] = {}

    def get(self, said: bytes, now: int, catalogue: object = None) -> Said | None:
        """The whole answer to ``said`` at this time (UTC nanoseconds), if it is known."""
        is_current = now // SECOND == self._second and catalogue is self._catalogue
        return self._known.get(said) if is_current else None

    def put(self, said: bytes, answer: Said, now: int, catalogue: object = None) -> None:
        """Remember an answer that depends on nothing but what was said, the second, the flaws and who has a past."""
        is_current = now // SECOND == self._second and catalogue is self._catalogue
        if not is_current or len(self._known) >= KNOWN_ANSWERS:
            self._second, self._catalogue = now // SECOND, catalogue
            self._known.clear()
        self._known[said] = answer


class Site:
    """The pages of one sensor: the recorded ones, with its own installation date and entity tag.

    ``read`` reads heads as this server does; ``persona`` is what is known of it.
    """

    def __init__(self, name: str, seed: bytes, port: int = 80) -> None:
        self.persona: Persona = server.load(name)
        self.read: Reader = reader(self.persona.rules)
        self.index = frozenset(path.encode() for path in self.persona.index)
        self.body: bytes = self.persona.pages[str(INDEX)].body.encode()
        number = int.from_bytes(hashlib.blake2b(seed, digest_size=8, person=b"http index").digest(), "big")
        self._installed = self.persona.recorded - DAY_SECONDS - number % (OLDEST_DAYS * DAY_SECONDS)
        self.modified = http_date(self._installed)
        self._tag = self._made_tag(number)
        self.etag = b'"' + self._tag + b'"'
        self.answers = Answers()
        order = self.persona.order
        self._places = {name.lower().encode(): place for place, name in enumerate(order)}
        self._standing = [(name.encode(), _pieces(value)) for name, value in self.persona.standing.items()]
        self._goes_on: dict[State, tuple[bytes, ...]] = {
            state: _pieces(getattr(self.persona.connection, state)) for state in get_args(State)
        }
        self.port: bytes = b"%d" % port
        self._dated = (-1, b"")
        self._prepared: dict[tuple[PageName, bool, bool, State], Prepared] = {}
        self._sewn: dict[_Cloth, tuple[bytes, ...]] = {}
        self.escape: Callable[[bytes], bytes] = _escaper(self.persona.escapes)
        self.spell: Callable[[bytes], bytes] = _escaper({**self.persona.escapes, **self.persona.spells})
        self.gzip = re.compile(self.persona.gzip.encode()) if self.persona.gzip else None
        self._special = tuple((re.compile(text.encode()), page) for text, page in self.persona.special)

    def _made_tag(self, number: int) -> bytes:
        """This sensor's entity tag, from when it was installed, as the product makes them."""
        return self.persona.etag.format(
            size=len(self.body),
            seconds=self._installed,
            millis=self._installed * 1_000,
            micros=self._installed * 1_000_000 + number % 1_000_000,
            filetime=(self._installed + FILETIME_EPOCH_SECONDS) * 10_000_000 + number % 10_000_000,
            number=number % 2**32,
        ).encode()

    def reply(self, status: int, now: int, *, gzip: bool, keep: bool, only_head: bool) -> bytes:
        """A whole page that repeats nothing, at this time (UTC nanoseconds)."""
        return self.give(str(status), now, Asker(keep=keep), gzip=gzip, only_head=only_head)

    def page(
        self, status: int, method: bytes, target: bytes, host: bytes, now: int, *, keep: bool, only_head: bool
    ) -> bytes:
        """The server's own answer of this status at this time (UTC nanoseconds), repeating what it repeats."""
        return self.give(str(status), now, Asker(method, target, host, keep=keep), only_head=only_head)

    def give(
        self, page: PageName, now: int, asker: Asker, *, gzip: bool = False, only_head: bool = False
    ) -> bytes:
        """A page by its name at this time (UTC nanoseconds), to this client."""
        if asker.minor < 1 and f"{page} 1.0" in self.persona.pages:
            page = f"{page} 1.0"
        key = (page, gzip, only_head, asker.state())
        prepared = self._prepared.get(key) or self._prepare(*key)
        if len(prepared.head) == 3 and prepared.head[1] == b"date" and len(prepared.body) == 1:
            return prepared.head[0] + self.date(now) + prepared.head[2] + prepared.body[0]
        marks = Marks(self, now, asker)
        body = _filled(prepared.body, marks)
        marks[b"length"] = b"%d" % len(body)
        return _filled(prepared.head, marks) + (b"" if prepared.is_silent else body)

    def bare(self, page: PageName | int, asker: Asker = Asker()) -> bytes:  # noqa: B008 - frozen
        """A page without a head, as HTTP/0.9 has it."""
        prepared = self._prepare(str(page), gzip=False, only_head=False, state="close")
        return _filled(prepared.body, Marks(self, 0, asker))

    def part(
        self,
        first: int,
        last: int,
        now: int,
        *,
        only_head: bool,
        keep: bool = False,
        asker: Asker | None = None,
    ) -> bytes:
        """The bytes ``first`` to ``last`` of the index (RFC 9110, 15.3.7); ``asker`` says more than ``keep``."""
        about = asker or Asker(keep=keep)
        is_whole = only_head and bool(self.persona.pages[str(PARTIAL)].only_head)
        prepared = self._prepare(str(PARTIAL), gzip=False, only_head=is_whole, state=about.state())
        marks = Marks(self, now, about)
        marks[b"length"], marks[b"range"] = b"%d" % (last - first + 1), b"%d-%d" % (first, last)
        content: bytes = b"" if only_head else self.body[first : last + 1]
        return _filled(prepared.head, marks) + content

    def dress(
        self,
        status: int,
        reason: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        now: int,
        *,
        keep: bool,
        only_head: bool,
        minor: int = 1,
        asked: bool = False,
        served: int = 0,
    ) -> bytes:
        """A lure's own answer as this server sends it: its status line, its headers around and in place of those given.

        An empty ``reason`` is the server's own; ``now`` is UTC nanoseconds. ``Content-Length`` is added unless the
        framing is given; there is no body for ``HEAD``, 204 and 304.
        """
        about = Asker(minor=minor, keep=keep, asked=asked, served=served)
        is_bodiless = status in _BODILESS or status < INDEX
        cloth = (status, reason, tuple(headers), -1 if is_bodiless else len(body), minor, about.state())
        pieces = self._sewn.get(cloth)
        if pieces is None:
            pieces = self._sew(cloth)
            if sum(map(len, pieces)) <= SEWN_BYTES:
                if len(self._sewn) >= KNOWN_ANSWERS:
                    self._sewn.clear()
                self._sewn[cloth] = pieces
        head = _filled(pieces, Marks(self, now, about))
        return head if only_head or is_bodiless else head + body

    def allows(self, method: bytes, target: bytes) -> int:
        """The status that this method gets on this target: an existing static file, or none."""
        path = target.partition(b"?")[0]
        return int(self.choose(method, path).split()[0])

    def choose(self, method: bytes, path: bytes) -> PageName:
        """The page that a method gets on a resolved path, before any condition is looked at."""
        methods = self.persona.methods
        existing, missing = methods.get(method.decode("latin-1")) or methods["*"]
        if path == b"*" and "200 star" in self.persona.pages:
            return "200 star"
        for pattern, page in self._special:
            if pattern.search(path) and missing.startswith("404"):
                return page
        return existing if path in self.index else missing

    def is_modified_since(self, date: bytes) -> bool:
        """Whether the index is younger than this date; nginx says so of what is not a date, too."""
        seconds = from_http_date(date)
        return seconds is None or self._installed > seconds

    def _prepare(self, page: PageName, gzip: bool, only_head: bool, state: State) -> Prepared:  # noqa: FBT001 - a key
        key = (page, gzip, only_head, state)
        known = self._prepared.get(key)
        if known is None:
            known = self._prepared[key] = self._cut(
                self._recorded(page), gzip=gzip, only_head=only_head, state=state
            )
        return known

    def _recorded(self, page: PageName) -> Page:
        pages = self.persona.pages
        return pages.get(page) or pages.get(page.split()[0]) or _invented(self.persona, int(page.split()[0]))

    def _cut(self, page: Page, *, gzip: bool, only_head: bool, state: State) -> Prepared:
        is_packed = gzip and bool(page.gzip_head)
        head = page.gzip_head if is_packed else (only_head and page.only_head) or page.head
        if is_packed and only_head:
            # nginx leaves the coding out where no body follows
            head = head.replace("Transfer-Encoding: chunked\r\n", "")
        filled = (
            head.encode()
            .replace(b"{connection}", getattr(self.persona.connection, state).encode())
            .replace(b"{modified}", self.modified)
            .replace(b"{etag}", self._tag)
        )
        is_silent = only_head and not page.body_on_head
        body = (base64.b64decode(page.gzip),) if is_packed else tuple(_MARK.split(page.body.encode()))
        if len(body) == 1 and b"{range}" not in filled:
            filled = filled.replace(b"{length}", b"%d" % len(body[0]))
            body = (b"",) if is_silent else body
        return Prepared(tuple(_MARK.split(filled)), body, is_silent)

    def _sew(self, cloth: _Cloth) -> tuple[bytes, ...]:
        """A head around its marks, in the server's order."""
        status, reason, headers, length, minor, state = cloth
        given = {name.lower() for name, _ in headers}
        fields: list[tuple[bytes, tuple[bytes, ...]]] = [(name, (value,)) for name, value in headers]
        if length >= 0 and given.isdisjoint(_FRAMING):
            fields.append((b"Content-Length", (b"%d" % length,)))
        fields += [(name, pieces) for name, pieces in self._standing if name.lower() not in given]
        places, other = self._places, self._places[b"*"]
        lines = [
            (places.get(name.lower(), other), (name + b": " + pieces[0], *pieces[1:], b"\r\n"))
            for name, pieces in fields
        ]
        if b"+" in places and b"connection" not in given:
            lines.append((places[b"+"], (*self._goes_on[state], b"")))
        lines.sort(key=_place)
        head = [self._status_line(status, reason, minor)]
        for _, (first, *middle, last) in lines:
            head[-1] += first
            head += middle
            head[-1] += last
        head[-1] += b"\r\n"
        return tuple(head)

    def _status_line(self, status: int, reason: bytes, minor: int) -> bytes:
        phrase = reason.decode("latin-1") or reason_of(self.persona, status)
        version = self.persona.version or ("HTTP/1.1" if minor > 0 else "HTTP/1.0")
        return f"{version} {status} {phrase}\r\n".encode("latin-1")

    def date(self, now: int) -> bytes:
        """``Date`` at this time (UTC nanoseconds)."""
        second = now // SECOND
        if second != self._dated[0]:
            self._dated = second, http_date(second)
        return self._dated[1]


_place = itemgetter(0)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


def _pieces(text: str) -> tuple[bytes, ...]:
    """A text around its marks: literal bytes at even places, names of marks at odd ones."""
    return tuple(_MARK.split(text.encode()))


def _escaper(escapes: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """What replaces each of these letters; it is in Latin-1, what it becomes in UTF-8."""
    table = {key.encode("latin-1"): value.encode() for key, value in escapes.items()}
    if not table:
        return bytes
    letters = re.compile(b"|".join(map(re.escape, table)))
    return lambda text: letters.sub(lambda found: table[found[0]], text)


def _filled(pieces: Sequence[bytes], marks: Mapping[bytes, bytes]) -> bytes:
    if len(pieces) == 1:
        return pieces[0]
    filled = list(pieces)
    filled[1::2] = [marks[name] for name in pieces[1::2]]
    return b"".join(filled)


def _host(asker: Asker, port: bytes) -> tuple[bytes, bytes]:
    """The host that was asked for and its port; ``port`` if none was named."""
    authority = _AUTHORITY.match(asker.target)
    host = authority[1] if authority else asker.host
    named = _PORT.fullmatch(host)
    return (named[1], named[2]) if named else (host, port)


def reason_of(about: Persona, status: int) -> str:
    """The reason phrase of this server for this status; empty if it has none."""
    if not about.has_reason:
        return ""
    known = about.reasons.get(str(status))
    if known is not None:
        return known
    return _PHRASES.get(status, "")


def _invented(about: Persona, status: int) -> Page:
    """A page that was not recorded, made of the one for a missing file."""
    known = about.pages["404"]
    old, new = reason_of(about, 404) or "Not Found", reason_of(about, status) or "Error"
    text = [
        part.replace("404", str(status)).replace(old, new)
        for part in (known.head, known.body, known.only_head)
    ]
    return Page(text[0], text[1], only_head=text[2])


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    rf"[A-Z][a-z]{{2}}, (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)


def http_date(seconds: int) -> bytes:
    """Unix seconds as an IMF-fixdate (RFC 9110, 5.6.7)."""
    moment = time.gmtime(seconds)
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02d} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year:04d} "
        f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} GMT"
    ).encode()


def from_http_date(text: bytes) -> int | None:
    """An IMF-fixdate to Unix seconds; ``None`` for anything else."""
    match = _DATE.fullmatch(text.decode("latin-1"))
    if match is None or match[3] < "1970":
        return None
    day, month, year, *clock = match.groups()
    return calendar.timegm((int(year), _MONTHS.index(month) + 1, int(day), *map(int, clock)))


@lru_cache(maxsize=256)
def site(name: str, seed: bytes, port: int = 80) -> Site:
    """The site of this persona on this sensor and port; ``port`` is what its error pages call themselves."""
    return Site(name, seed, port)
