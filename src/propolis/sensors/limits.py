"""What an attacker may cost, by name; each bound that is hit is counted and told at most once a second."""

from collections import Counter, OrderedDict
from typing import Generic, TypeVar

from propolis.clock import SECOND, Clock
from propolis.notes import LimitHit, tell

K = TypeVar("K")
V = TypeVar("V")


class Tally:
    """Counts how often each limit was hit and tells of it now and then."""

    def __init__(self, clock: Clock, stage: str) -> None:
        self._clock = clock
        self._stage = stage
        self._told: dict[str, int] = {}
        self.hits: Counter[str] = Counter()

    def hit(self, limit: str, cost: str) -> None:
        """One more time; ``cost`` says what is lost by it."""
        self.hits[limit] += 1
        now = self._clock.monotonic()
        if now - self._told.get(limit, -SECOND) >= SECOND:
            self._told[limit] = now
            tell(LimitHit(stage=self._stage, limit=limit, cost=f"{cost} ({self.hits[limit]} so far)"))


class Guests(Generic[K, V]):
    """Who is connected: bounded in total and per source, in order of last activity.

    ``V`` is whatever stands for a connection. All operations O(1).
    """

    def __init__(self, most: int, most_per_source: int) -> None:
        self._most = most
        self._most_per_source = most_per_source
        self._by_activity: OrderedDict[V, K] = OrderedDict()
        self._per_source: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._by_activity)

    def has_room(self, source: K) -> bool:
        """Whether this source may open one more."""
        return self._per_source.get(source, 0) < self._most_per_source

    def enter(self, guest: V, source: K) -> V | None:
        """Let a guest in; gives the longest idle one that must leave for it, if any."""
        leaving = None
        if len(self._by_activity) >= self._most:
            leaving = next(iter(self._by_activity))
            self.leave(leaving)
        self._by_activity[guest] = source
        self._per_source[source] = self._per_source.get(source, 0) + 1
        return leaving

    def touch(self, guest: V) -> None:
        """This guest did something just now."""
        if guest in self._by_activity:
            self._by_activity.move_to_end(guest)

    def leave(self, guest: V) -> None:
        """This guest is gone; leaving twice is harmless."""
        source = self._by_activity.pop(guest, None)
        if source is None:
            return
        left = self._per_source[source] - 1
        if left:
            self._per_source[source] = left
        else:
            del self._per_source[source]

    def idle_first(self) -> list[V]:
        """All guests, the longest idle first."""
        return list(self._by_activity)
