"""How long a target is held: minutes at first, longer each time it comes back, never for good."""

from collections.abc import Sequence

from propolis.clock import MILLISECOND, SECOND
from propolis.config import Decisions, PolicyLine

SHORTEST = MILLISECOND
LONGEST = 366 * 86_400 * SECOND
"""Nanoseconds; holds even where the settings say infinity."""

CLOCK_TOLERANCE = 60 * SECOND
"""How far the wall clock may be set back before decisions made in its future end."""

GAIN = SECOND
"""An extension that moves the end by less than this is not worth an entry in the ledger."""


def step_of(past: Sequence[int], now: int, settings: Decisions) -> int:
    """The rung of the ladder, from 0: how many earlier holds of the target ended within ``ladder_memory_seconds``.

    ``past`` are the times those holds ended (UTC nanoseconds); one in the future (the clock was set back) does not
    count.
    """
    memory = _nanoseconds(settings.ladder_memory_seconds)
    came_back = sum(0 <= now - ended <= memory for ended in past)
    return min(came_back, max(len(settings.ladder) - 1, 0))


def next_until(line: PolicyLine, past: Sequence[int], now: int, settings: Decisions) -> int:
    """When a hold that begins now ends: the policy's time to live, times the rung's factor, capped."""
    return until_on(line.ttl_seconds, step_of(past, now, settings), now, settings)


def until_on(ttl_seconds: float, step: int, now: int, settings: Decisions) -> int:
    """The end, in UTC nanoseconds and always after ``now``, of a hold on this rung of the ladder."""
    factor = settings.ladder[step] if step < len(settings.ladder) else 1.0
    longest = max(_nanoseconds(settings.max_ttl_seconds), SHORTEST)
    return now + min(max(_nanoseconds(ttl_seconds * factor), SHORTEST), longest)


def is_over(decided: int, until: int, now: int) -> bool:
    """Whether a hold has ended: its time is up, or the clock was set back and it would last longer than meant."""
    return now >= until or decided - now > CLOCK_TOLERANCE


def _nanoseconds(seconds: float) -> int:
    nanoseconds = seconds * SECOND
    return (
        int(nanoseconds) if nanoseconds < LONGEST else LONGEST
    )  # so infinity, and what is not a number, has an end
