"""Who is logged in, and how often somebody may try. Kept in memory: a restart logs everybody out."""

import hashlib
import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable

import msgspec

from propolis.clock import SECOND, Clock

MAX_SESSIONS = 64
"""Logged in at once; the longest silent is logged out for a new one."""
LIFE_SECONDS = 12 * 3_600
IDLE_SECONDS = 3_600

FREE_ATTEMPTS = 3
"""Wrong passwords of one address before it must wait, one second first and twice as long after each further one."""
MAX_PAUSE_SECONDS = 900.0
FORGET_SECONDS = 3_600
MAX_ADDRESSES = 4_096
MAX_FAILURES_PER_MINUTE = 60
"""Wrong passwords of all addresses together; beyond it everybody waits, so that many addresses guess no faster."""


class Session(msgspec.Struct, frozen=True):
    """Somebody who gave the password. ``csrf`` must come with whatever changes something; ``since`` is monotonic ns."""

    key: str
    csrf: str
    address: str
    since: int


class Sessions:
    """The sessions there are. The browser holds a random text, we its digest: reading our memory opens nothing."""

    def __init__(self, clock: Clock, secret: Callable[[], str]) -> None:
        self._clock = clock
        self._secret = secret
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._used: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, address: str) -> tuple[str, Session]:
        """A new session, and the text for its cookie."""
        while len(self._open) >= MAX_SESSIONS:
            self._end(next(iter(self._open)))
        cookie, now = self._secret(), self._clock.monotonic()
        session = Session(_digest(cookie), self._secret(), address, now)
        self._open[session.key] = session
        self._used[session.key] = now
        return cookie, session

    def by_cookie(self, cookie: str) -> Session | None:
        """The session of a cookie's text, if it still lasts; asking is using it."""
        return self.use(_digest(cookie))

    def use(self, key: str) -> Session | None:
        """The session under a key, if it still lasts; asking is using it."""
        session, now = self._open.get(key), self._clock.monotonic()
        if session is None:
            return None
        if now - session.since > LIFE_SECONDS * SECOND or now - self._used[key] > IDLE_SECONDS * SECOND:
            self._end(key)
            return None
        self._used[key] = now
        self._open.move_to_end(key)
        return session

    def end(self, session: Session) -> None:
        """Log out."""
        self._end(session.key)

    def _end(self, key: str) -> None:
        self._open.pop(key, None)
        self._used.pop(key, None)


class Attempts:
    """Wrong passwords, by address and altogether. Time is monotonic nanoseconds, an argument."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._latest: deque[int] = deque(maxlen=MAX_FAILURES_PER_MINUTE)

    def pause(self, address: str, now: int) -> float:
        """Seconds this address must still wait before it may try; 0: now."""
        count, last = self._wrong.get(_group(address), (0, now))
        own = 0.0
        if count >= FREE_ATTEMPTS:
            rung = min(count - FREE_ATTEMPTS, 20)
            own = min(2.0**rung, MAX_PAUSE_SECONDS) - (now - last) / SECOND
        everybody = 0.0
        if len(self._latest) == MAX_FAILURES_PER_MINUTE:
            everybody = 60.0 - (now - self._latest[0]) / SECOND
        return max(own, everybody, 0.0)

    def failed(self, address: str, now: int) -> None:
        """Count a wrong password. The addresses that failed longest ago are forgotten."""
        group = _group(address)
        count, last = self._wrong.pop(group, (0, now))
        self._wrong[group] = (1 if now - last > FORGET_SECONDS * SECOND else count + 1, now)
        self._latest.append(now)
        while len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """The address knew the password: what it got wrong before is forgotten."""
        self._wrong.pop(_group(address), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def _group(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6:  # noqa: SIM102 - two questions, one about the other
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network(f"{parsed}/64", strict=False))
    return str(parsed)
