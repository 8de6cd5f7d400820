"""The decisions in force, as one full set that an enforcer can follow by its changes."""

import heapq
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from propolis.decisions import Decision, Target, target_of

MAX_HELD = 1_000_000
"""Targets one set holds; a new one beyond it is refused."""
MAX_CHANGES = 65_536
"""Changes remembered; who is further behind compares in full."""
MAX_STALE_ENDS = 4_096
"""Outdated entries (of extended or dropped targets) the queue of ends may carry beyond its live ones."""

FOREVER = 2**63 - 1
"""The end (UTC nanoseconds) of what the world holds without one."""

# ``ipaddress`` lets any text stand behind the % of a zone; nothing but digits, dots and colons goes to an enforcer.
_PLAIN = re.compile(r"[0-9a-f.:/]{2,43}", re.ASCII)


class Active(Mapping[Target, Decision]):
    """What one enforcer is to carry out: at most one decision a target.

    The caller puts only decisions that cover its enforcer. ``version`` grows by one with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._held: dict[Target, Decision] = {}
        self._log: deque[Target] = deque(maxlen=MAX_CHANGES)
        self._ends: list[tuple[int, str, Target]] = []

    def __getitem__(self, target: Target) -> Decision:
        return self._held[target]

    def __iter__(self) -> Iterator[Target]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def put(self, decision: Decision) -> bool:
        """Hold the decision in place of any about the same target; one that is not active ends what was in force.

        False, and nothing happens, when the target is not canonical or :data:`MAX_HELD` is reached. O(log n).
        """
        target = decision.target
        if decision.state != "active":
            self.drop(target)
            return True
        held = self._held.get(target)
        if held == decision:
            return True
        if held is None and (len(self._held) >= MAX_HELD or not _is_canonical(target)):
            return False
        self._held[target] = decision
        self._push(decision)
        self._changed(target)
        return True

    def drop(self, target: Target) -> None:
        """The target is no longer acted against; unknown targets are no error. O(1)."""
        if self._held.pop(target, None) is not None:
            self._changed(target)

    def expire(self, now: int) -> Collection[Target]:
        """Drop every decision that has ended at ``now`` (UTC nanoseconds) and name its target. O(ended · log n)."""
        ended = []
        while self._ends and self._ends[0][0] <= now:
            until, _, target = heapq.heappop(self._ends)
            decision = self._held.get(target)
            if decision is not None and decision.until == until:
                self.drop(target)
                ended.append(target)
        return ended

    def since(self, version: int) -> Collection[Target] | None:
        """Targets changed after ``version``, each once; None when the log no longer reaches back. O(changes)."""
        changes = self.version - version
        if not 0 <= changes <= len(self._log):
            return None
        return set(islice(reversed(self._log), changes))

    def _changed(self, target: Target) -> None:
        self.version += 1
        self._log.append(target)

    def _push(self, decision: Decision) -> None:
        heapq.heappush(self._ends, _end(decision))
        if len(self._ends) > 2 * len(self._held) + MAX_STALE_ENDS:
            self._ends = [_end(held) for held in self._held.values()]
            heapq.heapify(self._ends)


class Progress:
    """How far one enforcer has carried out one set."""

    def __init__(self) -> None:
        self._active: Active | None = None
        self._version = 0

    def behind(self, active: Active) -> Collection[Target] | None:
        """Targets still to be looked at; None: all, because this set is new to us or we are too far behind."""
        return active.since(self._version) if active is self._active else None

    def reached(self, active: Active) -> None:
        """Everything the set says now is carried out."""
        self._active, self._version = active, active.version

    def lost(self) -> None:
        """What we carried out may be gone: look at everything next time."""
        self._active = None


def blocked_until(decision: Decision | None, now: int) -> int:
    """The end (UTC nanoseconds) of the block this decision asks for, 0 if it asks for none at ``now``."""
    if decision is None or decision.action != "block" or decision.state != "active" or decision.until <= now:
        return 0
    return decision.until


def _end(decision: Decision) -> tuple[int, str, Target]:
    # the key keeps targets, which have no order, from being compared
    return decision.until, f"{decision.target.kind}{decision.target.value}", decision.target


def _is_canonical(target: Target) -> bool:
    if not _PLAIN.fullmatch(target.value):
        return False
    try:
        return target_of(target.value) == target
    except ValueError:
        return False
