"""The pages of the web server a sensor pretends to run, prepared so that an answer costs two concatenations."""

import base64
import calendar
import hashlib
import re
import time
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from propolis.clock import SECOND
from propolis.lures import persona
from propolis.lures.lure import Effect

INDEX = 200
"""The page at ``/`` and at its own name."""
PARTIAL, NOT_MODIFIED, FAILED, UNSATISFIABLE = 206, 304, 412, 416
KNOWN_ANSWERS = 1_024
DAY_SECONDS = 86_400
OLDEST_DAYS = 500
"""How long before its recording a persona's server may have been installed."""


class Page(msgspec.Struct, frozen=True):
    """One recorded reply: heads, the body, and the body as the server compressed it (base64, chunk sizes included).

    Heads hold the marks ``{date}``, ``{connection}``, ``{modified}``, ``{etag}``, ``{length}`` and ``{range}``.
    """

    head: str
    body: str
    gzip_head: str = ""
    gzip: str = ""


class Persona(msgspec.Struct, frozen=True):
    """A recorded web server: when (Unix seconds), the paths at which its index is, and its pages by status."""

    product: str
    recorded: int
    index: tuple[str, ...]
    pages: dict[str, Page]


class Answers:
    """What was answered to a whole connection's bytes within this second: many scanners say the same to everybody.

    Holds at most :data:`KNOWN_ANSWERS`; all are forgotten when the second ends, because ``Date`` changes.
    """

    def __init__(self) -> None:
        self._second = -1
        self._known: dict[bytes, tuple[Effect, ...]] = {}

    def get(self, said: bytes, now: int) -> tuple[Effect, ...]:
        """The whole answer to ``said`` at this time (UTC nanoseconds); empty if it is not known."""
        return self._known.get(said, ()) if now // SECOND == self._second else ()

    def put(self, said: bytes, effects: Iterable[Effect], now: int) -> None:
        """Remember an answer that depends on nothing but what was said and the second."""
        if now // SECOND != self._second or len(self._known) >= KNOWN_ANSWERS:
            self._second = now // SECOND
            self._known.clear()
        self._known[said] = tuple(effects)


class Site:
    """The pages of one sensor: the recorded ones, with its own installation date and entity tag."""

    def __init__(self, name: str, seed: bytes) -> None:
        recorded = persona.load("http", name, Persona)
        self.index = frozenset(path.encode() for path in recorded.index)
        self.body: bytes = recorded.pages[str(INDEX)].body.encode()
        age = int.from_bytes(hashlib.blake2b(seed, digest_size=8, person=b"http index").digest(), "big")
        installed = recorded.recorded - DAY_SECONDS - age % (OLDEST_DAYS * DAY_SECONDS)
        self._installed = installed
        self.modified = http_date(installed)
        self.etag = f'"{installed:x}-{len(self.body):x}"'.encode()
        self._dated = (-1, b"")
        self.answers = Answers()
        self._bodies = {int(status): page.body.encode() for status, page in recorded.pages.items()}
        self._replies: dict[tuple[int, bool, bool, bool], tuple[bytes, bytes]] = {}
        for status, page in recorded.pages.items():
            for keep in (False, True):
                self._prepare(int(status), page, keep=keep)

    def _prepare(self, status: int, page: Page, *, keep: bool) -> None:
        body, packed = page.body.encode(), base64.b64decode(page.gzip)
        for only_head in (False, True):
            plain = self._fill(page.head, keep=keep)
            squeezed = self._fill(page.gzip_head, keep=keep) if packed else plain
            if only_head:
                # nginx leaves the coding out where no body follows
                squeezed = squeezed.replace(b"Transfer-Encoding: chunked\r\n", b"")
            for gzip, text, content in ((False, plain, body), (True, squeezed, packed or body)):
                before, _, after = text.partition(b"{date}")
                self._replies[status, gzip, keep, only_head] = before, after + (b"" if only_head else content)

    def _fill(self, head: str, *, keep: bool) -> bytes:
        return (
            head.encode()
            .replace(b"{connection}", b"keep-alive" if keep else b"close")
            .replace(b"{modified}", self.modified)
            .replace(b"{etag}", self.etag)
        )

    def reply(self, status: int, now: int, *, gzip: bool, keep: bool, only_head: bool) -> bytes:
        """A whole page at this time (UTC nanoseconds)."""
        before, after = self._replies[status, gzip, keep, only_head]
        return before + self._now(now) + after

    def bare(self, status: int) -> bytes:
        """A page without a head, as HTTP/0.9 has it."""
        return self._bodies[status]

    def part(self, first: int, last: int, now: int, *, keep: bool, only_head: bool) -> bytes:
        """The bytes ``first`` to ``last`` of the index (RFC 9110, 15.3.7)."""
        head = self.reply(PARTIAL, now, gzip=False, keep=keep, only_head=True)
        head = head.replace(b"{length}", b"%d" % (last - first + 1)).replace(
            b"{range}", b"%d-%d" % (first, last)
        )
        content: bytes = b"" if only_head else self.body[first : last + 1]
        return head + content

    def is_modified_since(self, date: bytes) -> bool:
        """Whether the index is younger than this date; nginx says so of what is not a date, too."""
        seconds = from_http_date(date)
        return seconds is None or self._installed > seconds

    def _now(self, now: int) -> bytes:
        second = now // SECOND
        if second != self._dated[0]:
            self._dated = second, http_date(second)
        return self._dated[1]


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


@lru_cache(maxsize=64)
def site(name: str, seed: bytes) -> Site:
    """The site of this persona on this sensor and port."""
    return Site(name, seed)
