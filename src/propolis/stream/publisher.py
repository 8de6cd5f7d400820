"""Publishing in order with many messages in flight: nothing is forgotten until the stream has it.

On any failure everything unacknowledged is sent again, in order (go-back-N); message ids keep it single.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from nats.aio.msg import Msg

from propolis.clock import Clock
from propolis.errors import StreamError
from propolis.notes import LimitHit, tell
from propolis.stream.client import REQUEST_SECONDS, RETRY_SECONDS, TOO_LARGE, Refused, Stream, acknowledged

WINDOW = 64
OVERDUE_CHECK_SECONDS = 1.0


class Parcel:
    """One message on its way. ``load`` gives its bytes, so that a long queue need not be kept in memory."""

    __slots__ = ("acknowledged", "answer", "load", "message_id", "on_stored", "sent_at", "subject")

    def __init__(
        self,
        subject: str,
        message_id: str,
        load: Callable[[], bytes],
        on_stored: Callable[[], None] | None = None,
    ) -> None:
        self.subject = subject
        self.message_id = message_id
        self.load = load
        self.on_stored = on_stored
        self.acknowledged = False
        self.answer: asyncio.Future[Msg] | None = None
        self.sent_at = 0


class Publisher:
    """A queue in front of the stream. ``waiting`` tells its length: the caller's back-pressure.

    ``on_stored`` is called in the order of the queue. A message larger than the stream takes is told and dropped, and
    counts as stored: it would hold up everything behind it for ever.
    """

    def __init__(self, stream: Stream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._queue: deque[Parcel] = deque()
        self._sent = 0
        self._failed = False
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        stream.on_back.add(self._wake.set)

    @property
    def waiting(self) -> int:
        """Messages that the stream has not acknowledged."""
        return len(self._queue)

    def offer(self, parcel: Parcel) -> None:
        """Take a message into the queue; it is sent in order."""
        self._queue.append(parcel)
        self._empty.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until everything offered is stored."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send, and send again, until cancelled."""
        while True:
            if self._failed or self._is_overdue():
                await asyncio.sleep(RETRY_SECONDS)
                self._failed = False
                self._sent = 0
            while self._sent < min(len(self._queue), WINDOW) and not self._failed:
                await self._send(self._queue[self._sent])
                self._sent += 1
            self._wake.clear()
            if self._failed or self._sent < min(len(self._queue), WINDOW):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OVERDUE_CHECK_SECONDS):
                    await self._wake.wait()

    async def _send(self, parcel: Parcel) -> None:
        if parcel.acknowledged:
            return
        if parcel.answer is not None:
            parcel.answer.cancel()  # whatever it would have said, the next one says it too
        parcel.sent_at = self._clock.monotonic()
        parcel.answer = await self._stream.ask_later(
            parcel.subject, parcel.load(), {"Nats-Msg-Id": parcel.message_id}
        )
        parcel.answer.add_done_callback(lambda done: self._on_answer(parcel, done))

    def _on_answer(self, parcel: Parcel, done: asyncio.Future[Msg]) -> None:
        if done.cancelled():
            return
        try:
            acknowledged(done.result().data)
        except StreamError as error:
            if not (isinstance(error, Refused) and error.code == TOO_LARGE):
                self._stream.trouble(str(error))
                self._fail()
                return
            tell(
                LimitHit(stage=self._stream.stage, limit="max_payload", cost=f"one message dropped: {error}")
            )
        else:
            self._stream.well()
        parcel.acknowledged = True
        while self._queue and self._queue[0].acknowledged:
            first = self._queue.popleft()
            self._sent = max(0, self._sent - 1)
            if first.on_stored is not None:
                first.on_stored()
        if not self._queue:
            self._empty.set()
        self._wake.set()

    def _fail(self) -> None:
        self._failed = True
        self._wake.set()

    def _is_overdue(self) -> bool:
        if not self._sent or not self._queue:
            return False
        return self._clock.monotonic() - self._queue[0].sent_at > REQUEST_SECONDS * 1e9
