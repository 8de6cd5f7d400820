"""Numbers as people read them. Pure."""

from propolis.clock import SECOND, rfc3339

NOTHING = "—"
"""Stands where there is no number yet."""


def duration(milliseconds: float) -> tuple[str, str]:
    """A duration as number and unit, at most three digits: ``("4.21", "ms")``, ``("1.5", "s")``, ``("30", "min")``."""
    if milliseconds < 1_000:
        return _digits(milliseconds), "ms"
    if milliseconds < 300_000:
        return _digits(milliseconds / 1_000), "s"
    if milliseconds < 7_200_000:
        return _digits(milliseconds / 60_000), "min"
    return _digits(milliseconds / 3_600_000), "h"


def short(milliseconds: float) -> str:
    """:func:`duration` in one word."""
    return " ".join(duration(milliseconds))


def left(nanoseconds: int) -> str:
    """Time that is left, to the second: ``9:59``, ``1:00:00``; ``0:00`` when it is up."""
    seconds = max(0, nanoseconds) // SECOND
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def moment(nanoseconds: int) -> str:
    """The time of day in UTC, to the millisecond."""
    return rfc3339(nanoseconds)[11:23]


def count(number: int) -> str:
    """A whole number, its thousands apart."""
    return f"{number:,}"


def _digits(number: float) -> str:
    for bound, places in ((10, 2), (100, 1)):
        if number < bound:
            return f"{number:.{places}f}".rstrip("0").rstrip(".")
    return f"{number:.0f}"
