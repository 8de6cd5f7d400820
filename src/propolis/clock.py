"""Time, as everything here means it: integer nanoseconds since the Unix epoch, UTC.

Nobody asks the machine for the time except :class:`SystemClock`; everybody else is given a :class:`Clock`.
"""

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """UTC nanoseconds since the epoch; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clock: ``CLOCK_REALTIME`` and ``CLOCK_MONOTONIC``, asked six times a hit, with no way round."""

    now = staticmethod(time.time_ns)  # noqa: TID251 - the one place that asks the machine
    monotonic = staticmethod(time.monotonic_ns)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: int = 1_700_000_000 * SECOND) -> None:
        self._now = now
        self._monotonic = 0

    def now(self) -> int:
        """The time it was last set to."""
        return self._now

    def monotonic(self) -> int:
        """Nanoseconds advanced so far; :meth:`jump` does not move it."""
        return self._monotonic

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self._now += nanoseconds
        self._monotonic += nanoseconds

    def jump(self, nanoseconds: int) -> None:
        """Step the wall clock, as an administrator or NTP does."""
        self._now += nanoseconds


def rfc3339(nanoseconds: int) -> str:
    """UTC time with millisecond precision in RFC 3339 form, for people."""
    moment = datetime.fromtimestamp(nanoseconds // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % SECOND // MILLISECOND:03d}Z"
