"""From rows to messages: when a batch closes, and what is sent of it.

What a client said goes at once when traffic is low; that it came or went may wait 5 ms for it. Under load rows gather
for 5 ms, and for 25 to 100 ms when batches are large anyway: low traffic is not delayed, high traffic is not chatty.
1,000 rows always close a batch.
"""

import asyncio
from collections import deque
from functools import partial

from propolis.clock import Clock
from propolis.events import Interaction
from propolis.events.interaction import encode, to_batch
from propolis.sensors.journal import Journal
from propolis.sensors.limits import Tally
from propolis.stream import Parcel, Publisher, subjects

MAX_ROWS = 1_000
GATHER = ((400, 0.100), (100, 0.050), (24, 0.025), (0, 0.005))
"""Rows of the last batch, and how long the next may gather, in seconds: a message costs 1 ms whatever it holds."""
MAX_BYTES = 1024 * 1024
"""Payload bytes that close a batch: the stream takes no message beyond 8 MiB, and a payload may be in two columns."""
MAX_WAITING = 1_024
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Messages, and bytes of them, that may wait for the stream in memory; beyond it their rows are on disk only."""


class Batcher:
    """Takes rows, keeps them in the journal, and offers them to the stream by lane.

    Call :meth:`add` for what happened, then :meth:`secure` before anything is answered.
    """

    def __init__(
        self, publisher: Publisher, journal: Journal, clock: Clock, tally: Tally, *, lanes: int
    ) -> None:
        self._publisher = publisher
        self._journal = journal
        self._clock = clock
        self._tally = tally
        self._lanes = lanes
        self._rows: list[Interaction] = []
        self._bytes = 0
        self._secured = 0
        self._timer: asyncio.Handle | None = None
        self._is_patient = False
        self._closed_at = 0.0
        self._last_size = 0
        self._awaited: dict[int, int] = {}
        self._waiting_bytes = 0
        self._held: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self.stored = 0
        self.dropped = 0

    def recover(self) -> int:
        """Offer again what the journal still has from the last run; returns how many batches."""
        self._held.extend(self._journal.open())
        count = len(self._held)
        self._refill()
        return count

    def add(self, row: Interaction, *, can_wait: bool = False) -> None:
        """One more row; it is sent within the gathering time, and at once if it cannot wait and traffic is low."""
        self._rows.append(row)
        self._bytes += len(getattr(row.event, "payload", b""))
        if len(self._rows) >= MAX_ROWS or self._bytes >= MAX_BYTES:
            self.close_batch()
        elif self._timer is None or (self._is_patient and not can_wait):
            if self._timer is not None:
                self._timer.cancel()
            self._is_patient = can_wait
            self._timer = self._schedule(can_wait=can_wait)

    def secure(self) -> None:
        """Write to disk what was added since the last time."""
        if self._secured < len(self._rows):
            self._journal.append(self._rows[self._secured :])
            self._secured = len(self._rows)
            if self._journal.failing:
                self._tally.hit("journal", f"events are only in memory: {self._journal.failing}")

    def _schedule(self, *, can_wait: bool) -> asyncio.Handle:
        gather = next(seconds for rows, seconds in GATHER if self._last_size >= rows)
        now = self._loop.time()
        due = (now if can_wait else self._closed_at) + gather
        if due <= now:
            return self._loop.call_soon(self.close_batch)
        return self._loop.call_at(due, self.close_batch)

    def close_batch(self) -> None:
        """Cut the batch here and offer it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._closed_at = self._loop.time()
        if not self._rows:
            return
        self.secure()
        rows, self._rows, self._secured, self._bytes = self._rows, [], 0, 0
        self._last_size = len(rows)
        number = self._journal.close_batch()
        is_crowded = not self._has_room(MAX_WAITING, MAX_WAITING_BYTES)
        if self._journal.has(number) and (self._held or is_crowded):
            self._tally.hit("stream backlog", "rows wait in the journal")
            self._held.append(number)
        elif is_crowded:
            self.dropped += 1
            self._tally.hit("journal", "a batch is lost: neither the disk nor the stream takes it")
        else:
            self._offer(number, rows)
        self._forget_dropped()

    def _has_room(self, messages: int, size: int) -> bool:
        return self._publisher.waiting < messages and self._waiting_bytes < size

    def _offer(self, number: int, rows: list[Interaction]) -> None:
        by_lane: dict[int, list[Interaction]] = {}
        for row in rows:
            by_lane.setdefault(subjects.lane_of(row.connection.shard, self._lanes), []).append(row)
        self._awaited[number] = len(by_lane)
        for lane, lane_rows in by_lane.items():
            data = encode(to_batch(lane_rows))
            parcel = Parcel(
                subjects.events("interaction", lane),
                f"{self._journal.id}.{number}.{lane}",
                partial(_same, data),
                partial(self._on_stored, number, len(lane_rows), len(data)),
            )
            self._waiting_bytes += len(data)
            self._publisher.offer(parcel)

    def _on_stored(self, number: int, rows: int, size: int) -> None:
        self.stored += rows
        self._waiting_bytes -= size
        self._awaited[number] -= 1
        if not self._awaited[number]:
            del self._awaited[number]
            self._journal.kept(number)
        if self._held:
            self._refill()

    def _refill(self) -> None:
        """Read batches back from the journal, one segment at a time, in order."""
        while self._held and self._has_room(MAX_WAITING // 2, MAX_WAITING_BYTES // 2):
            batches = self._journal.read(self._held[0])
            if self._held[0] not in batches:
                self._journal.drop(self._held[0])
                self._forget_dropped()
            while self._held and self._held[0] in batches:
                number = self._held.popleft()
                self._offer(number, batches[number])

    def _forget_dropped(self) -> None:
        """Count what waited in the journal and fell off its end."""
        lost = 0
        while self._held and not self._journal.has(self._held[0]):
            self._held.popleft()
            lost += 1
        if lost:
            self.dropped += lost
            self._tally.hit("sensors.journal_bytes", f"{lost} oldest batches dropped for good")


def _same(data: bytes) -> bytes:
    return data
