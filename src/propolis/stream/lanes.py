"""Owning a lane: one worker at a time reads it in order and keeps its state with the sequence it belongs to.

The server serves one of the workers that pull (pinned client, ADR-42). Whoever is served may trust nothing else: it
loads the stored state, reads again from the stream what came after it, and goes on. State is stored by compare-and-set
on its revision, so that a former owner that wakes up late cannot overwrite its successor's. What a step gives is
published behind the last one we know of and no other, and what a successor repeats is recognised by the sequence it
carries: each is there once, however often a worker dies and however late one wakes up.
"""

import asyncio
import contextlib
from typing import Generic, Protocol, TypeVar

from propolis.clock import SECOND, Clock
from propolis.notes import LaneTaken, LimitHit, tell
from propolis.stream import subjects
from propolis.stream.client import (
    RETRY_SECONDS,
    TOO_LARGE,
    WRONG_LAST_SEQUENCE,
    Refused,
    Stored,
    Stream,
    Unreachable,
)
from propolis.stream.pull import Delivery, Pull

TAKEOVER_SECONDS = 2.0
ACK_WAIT_SECONDS = 3.0
FIRST_CHECKPOINT_SECONDS = 1.0
"""How soon a new owner stores its state: what it caught up with is not caught up with again by its successor."""
MAX_UNACKNOWLEDGED = 4_096
_HEADER_BYTES = 8

S = TypeVar("S")


class Work(Protocol[S]):
    """What is done with a lane's messages. ``S`` is the state of one lane."""

    def fresh(self) -> S:
        """The state before the first message."""
        ...

    def load(self, data: bytes) -> S:
        """What :meth:`dump` wrote."""
        ...

    def dump(self, state: S) -> bytes:
        """The state as bytes."""
        ...

    def step(self, message: Stored, state: S) -> tuple[bytes, S]:
        """One message: what to publish of it (nothing if empty), and the state after it. Deterministic, no I/O."""
        ...


class LostLane(Exception):  # noqa: N818 - not a fault: somebody else owns the lane now
    """Another worker stored this lane's state."""


class LaneOwner(Generic[S]):
    """One worker's claim to one lane of the events stream; :meth:`run` waits until it is served."""

    def __init__(
        self,
        stream: Stream,
        lane: int,
        work: Work[S],
        clock: Clock,
        *,
        checkpoint_seconds: float,
    ) -> None:
        self._stream = stream
        self._lane = lane
        self._work = work
        self._clock = clock
        self._checkpoint = int(checkpoint_seconds * 1e9)
        self._state: S | None = None
        self._position = 0
        self._published = 0
        self._last_found = 0
        self._revision = 0
        self._number = 0
        self._pin = ""
        self._stored_at = 0
        self._stored_position = 0
        self._told = -SECOND

    @property
    def owns(self) -> bool:
        """Whether this worker is the one that is served."""
        return self._state is not None

    async def run(self) -> None:
        """Wait to be served, work, and begin again when the lane is lost; until cancelled."""
        pull = await self._open()
        async with contextlib.aclosing(pull), asyncio.TaskGroup() as tasks:
            tasks.create_task(pull.hold(TAKEOVER_SECONDS / 4), name=f"hold lane {self._lane}")
            while True:
                await self._work_on(pull)

    async def _work_on(self, pull: Pull) -> None:
        deliveries = await pull.next(self._checkpoint / 1e9)
        try:
            for delivery in deliveries:
                await self._take(delivery)
                await pull.acknowledge(delivery)
            await self._store_if_due()
        except LostLane:
            self._state = None
        except (Unreachable, Refused) as error:
            # what was not acknowledged is delivered again; catching up fills the gap until then
            self._stream.trouble(str(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _open(self) -> Pull:
        config = {
            "filter_subject": f"events.*.{self._lane}",
            "ack_wait": int(ACK_WAIT_SECONDS * 1e9),
            "max_ack_pending": MAX_UNACKNOWLEDGED,
        }
        while True:
            try:
                return await Pull.pinned(
                    self._stream,
                    subjects.EVENTS,
                    f"detect-{self._lane}",
                    config,
                    takeover_seconds=TAKEOVER_SECONDS,
                )
            except (Unreachable, Refused) as error:
                self._stream.trouble(str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _take(self, delivery: Delivery) -> None:
        is_next = delivery.number == self._number + 1
        # a pin runs out in quiet times and is given anew; if nothing went elsewhere meanwhile, nobody else worked
        if self._state is None or (delivery.pin != self._pin and not is_next):
            await self._take_over(delivery)
        elif not is_next:
            await self._catch_up()
        self._pin = delivery.pin
        self._number = delivery.number
        await self._step(delivery)

    async def _take_over(self, delivery: Delivery) -> None:
        """Become the owner: stored state, then everything since it."""
        await self._load()
        self._pin = delivery.pin
        tell(LaneTaken(lane=self._lane, sequence=self._position))
        await self._catch_up()

    async def _load(self) -> None:
        stored = await self._stream.get(subjects.STATES, f"lane.{self._lane}")
        if stored is None:
            self._revision = 0
            self._position = 0
            self._state = self._work.fresh()
        else:
            self._revision = stored.sequence
            self._position = int.from_bytes(stored.data[:_HEADER_BYTES], "big")
            self._state = self._work.load(stored.data[_HEADER_BYTES:])
        self._stored_position = self._position
        early = max(0, self._checkpoint - int(FIRST_CHECKPOINT_SECONDS * 1e9))
        self._stored_at = self._clock.monotonic() - early
        found = await self._stream.last(subjects.FINDINGS, subjects.findings(self._lane))
        self._published = int(found.headers.get(subjects.SEQUENCE, "0")) if found else 0
        self._last_found = found.sequence if found else 0

    async def _catch_up(self) -> None:
        """Read from the stream itself, in order, what lies behind our position.

        To its end, not to what was just delivered: what a former owner was sent and did not acknowledge comes again
        later and out of order, between new messages.
        """
        messages = self._stream.history(
            subjects.EVENTS, subject=f"events.*.{self._lane}", start=self._position + 1
        )
        async with contextlib.aclosing(messages):
            async for message in messages:
                await self._step(message)
                await self._store_if_due()

    async def _step(self, message: Stored) -> None:
        if self._state is None or message.sequence <= self._position:
            return
        found, self._state = self._work.step(message, self._state)
        self._position = message.sequence
        if found and message.sequence > self._published:
            await self._publish(message.sequence, found)

    async def _publish(self, sequence: int, found: bytes) -> None:
        """What was found in one message, behind what was found before it. Raises :class:`LostLane` if there is more."""
        headers = {
            subjects.SEQUENCE: str(sequence),
            "Nats-Expected-Last-Subject-Sequence": str(self._last_found),
        }
        try:
            self._last_found = await self._stream.insist(
                subjects.findings(self._lane), found, message_id=f"{self._lane}.{sequence}", headers=headers
            )
        except Refused as refused:
            if refused.code != TOO_LARGE:
                raise LostLane from refused
            self._tell("max_payload", f"what was found in message {sequence} is dropped: {refused}")
        self._published = sequence

    async def _store_if_due(self) -> None:
        now = self._clock.monotonic()
        if (
            self._state is None
            or self._position == self._stored_position
            or now - self._stored_at < self._checkpoint
        ):
            return
        await self.store()

    async def store(self) -> None:
        """Store state and sequence together. Raises :class:`LostLane` when somebody else did since."""
        if self._state is None or self._position == self._stored_position:
            return
        data = self._position.to_bytes(_HEADER_BYTES, "big") + self._work.dump(self._state)
        try:
            self._revision = await self._stream.put(
                subjects.STATES, f"lane.{self._lane}", data, last=self._revision
            )
        except Refused as refused:
            if refused.code in WRONG_LAST_SEQUENCE:
                raise LostLane from refused
            if refused.code != TOO_LARGE:
                raise
            self._tell("max_payload", f"the state of lane {self._lane} is not stored: {refused}")
        else:
            self._stored_position = self._position
            self._stream.well()
        self._stored_at = self._clock.monotonic()

    def _tell(self, limit: str, cost: str) -> None:
        """Tell of a limit at most once a second."""
        now = self._clock.monotonic()
        if now - self._told >= SECOND:
            self._told = now
            tell(LimitHit(stage=self._stream.stage, limit=limit, cost=cost))
