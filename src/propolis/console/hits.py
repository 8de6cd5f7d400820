"""Hits per second, from counters that workers send every few seconds. Pure; time is monotonic nanoseconds."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from propolis.clock import SECOND

HISTORY_SECONDS = 300
MAX_COUNT = 2**53
"""A larger counter is none; it is also what JSON numbers hold exactly."""


class _Worker(msgspec.Struct):
    """The last counters of one worker, and what they came to a second."""

    time: int
    connections: int
    events: int
    connections_rate: float = 0.0
    events_rate: float = 0.0


class Hits:
    """Connections and events of all sensors together.

    ``history`` holds the connections per second of the last :data:`HISTORY_SECONDS` calls of :meth:`sample`, oldest
    first. A worker that starts again begins anew from its first counters.
    """

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self.history: deque[float] = deque(maxlen=HISTORY_SECONDS)

    @property
    def connections(self) -> int:
        """Connections of all workers that are up, since they started."""
        return sum(worker.connections for worker in self._workers.values())

    @property
    def events(self) -> int:
        """Events of all workers that are up, since they started."""
        return sum(worker.events for worker in self._workers.values())

    @property
    def connections_per_second(self) -> float:
        """Over each worker's last two heartbeats."""
        return sum(worker.connections_rate for worker in self._workers.values())

    @property
    def events_per_second(self) -> float:
        """Over each worker's last two heartbeats."""
        return sum(worker.events_rate for worker in self._workers.values())

    def count(self, worker: str, figures: dict[str, Any], now: int) -> None:
        """Take a worker's counters ``connections`` and ``events``. The caller bounds how many workers there are."""
        fresh = _Worker(now, whole(figures, "connections"), whole(figures, "events"))
        before = self._workers.get(worker)
        if before is not None and now > before.time and fresh.connections >= before.connections:
            seconds = (now - before.time) / SECOND
            fresh.connections_rate = (fresh.connections - before.connections) / seconds
            fresh.events_rate = max(0, fresh.events - before.events) / seconds
        self._workers[worker] = fresh

    def forget(self, worker: str) -> None:
        """The worker is gone; it counts no longer."""
        self._workers.pop(worker, None)

    def sample(self) -> None:
        """Write down the rate of this moment; call it once a second."""
        self.history.append(round(self.connections_per_second, 2))


def whole(figures: Mapping[str, Any] | None, name: str) -> int:
    """A counter from a heartbeat: a whole number, or 0 if what stands there is none."""
    value = figures.get(name, 0) if figures else 0
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else 0
