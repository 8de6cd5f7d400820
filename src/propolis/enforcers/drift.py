"""Drift: how far the world is from the decisions. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from propolis.decisions import Decision, Target
from propolis.enforcers.active import blocked_until


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Targets that should be blocked and are not, that are and should not be, and whose end is off; sorted by value."""

    missing: tuple[Target, ...] = ()
    orphan: tuple[Target, ...] = ()
    wrong_until: tuple[Target, ...] = ()

    def __bool__(self) -> bool:
        """Whether the world differs at all."""
        return bool(self.missing or self.orphan or self.wrong_until)


def drift(
    active: Mapping[Target, Decision], held: Mapping[Target, int], now: int, tolerance_ns: int
) -> Drift:
    """Compare decisions with what an enforcer read back (target to end, UTC nanoseconds). O(active + held).

    Ends that differ by no more than ``tolerance_ns`` are equal, and what ends within it at ``now`` may be there or not.
    """
    soon = now + tolerance_ns
    wanted = {target: until for target, decision in active.items() if (until := blocked_until(decision, now))}
    return Drift(
        missing=_sorted(target for target, until in wanted.items() if until > soon and target not in held),
        orphan=_sorted(target for target, until in held.items() if until > soon and target not in wanted),
        wrong_until=_sorted(
            target
            for target, until in wanted.items()
            if target in held and abs(held[target] - until) > tolerance_ns
        ),
    )


def _sorted(targets: Iterable[Target]) -> tuple[Target, ...]:
    return tuple(sorted(targets, key=lambda target: target.value))
