"""Pulling from a stream, kept alive: one consumer, one outstanding request, renewed before it runs out.

An ephemeral pull (:meth:`Pull.ephemeral`) is in order and complete: if its consumer is lost (server restarted, link
down) or a message is (its number is missing), it makes a new one where it left off. A durable, pinned one
(:meth:`Pull.pinned`) is shared by several workers, of whom the server serves one (ADR-42 of the NATS architecture
notes); the others wait.
"""

import asyncio
import contextlib
import json
import math
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from propolis.stream.client import NOT_FOUND, RETRY_SECONDS, Refused, Stored, Stream, Unreachable, start_at

BATCH = 256
MAX_BYTES = 16 * 1024 * 1024
EXPIRES_SECONDS = 20.0
HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
GROUP = "owner"


class Delivery(Stored, frozen=True):
    """A message with what the consumer knows: where to acknowledge it, and its number in the consumer."""

    reply: str = ""
    number: int = 0
    pending: int = 0
    pin: str = ""


class Pull:
    """A pull consumer. ``pending`` is how many messages wait behind the last one delivered."""

    def __init__(self, stream: Stream, name: str, config: dict[str, Any], *, durable: bool) -> None:
        self._stream = stream
        self._name = name
        self._config = config
        self._start = config
        self._durable = durable
        self._consumer = ""
        self._arrived: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._lost = False
        self._asked = False
        self._outstanding = 0
        self._position = 0
        self._number = 0
        self._pin = ""
        self._subscription: Any = None
        self._inbox = ""
        self._renewals = ""
        self._unsure = False
        self._patience_seconds = 0.0
        self._heard = 0.0
        self.pending = 0

    @classmethod
    async def ephemeral(cls, stream: Stream, name: str, config: dict[str, Any]) -> "Pull":
        """Everything of stream ``name`` that ``config`` (a consumer configuration) selects, in order."""
        light = {
            "ack_policy": "none",
            "inactive_threshold": 60_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
        }
        pull = cls(stream, name, {**light, **config}, durable=False)
        await pull._open()
        return pull

    @classmethod
    async def durable(cls, stream: Stream, name: str, consumer: str, config: dict[str, Any]) -> "Pull":
        """A named consumer whose position the server keeps; acknowledge each delivery."""
        pull = cls(stream, name, {"durable_name": consumer, "ack_policy": "explicit", **config}, durable=True)
        await pull._open()
        return pull

    @classmethod
    async def pinned(
        cls, stream: Stream, name: str, consumer: str, config: dict[str, Any], *, takeover_seconds: float
    ) -> "Pull":
        """A durable consumer that the server gives to one worker at a time."""
        pinned = {
            "priority_groups": [GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": int(takeover_seconds * 1e9),
        }
        return await cls.durable(stream, name, consumer, {**config, **pinned})

    async def next(self, within_seconds: float | None = None) -> list[Delivery]:
        """Wait for at least one message and take all that have come; none if none came ``within_seconds``."""
        loop = asyncio.get_running_loop()
        ends = math.inf if within_seconds is None else loop.time() + within_seconds
        while True:
            if self._arrived:
                taken = list(self._arrived)
                self._arrived.clear()
                self.pending = taken[-1].pending
                return taken
            if self._unsure:
                await asyncio.sleep(self._patience_seconds)
                self._unsure = self._asked = False
                self._patience_seconds = 0.0
                self._lost = self._lost or not await self._exists()
            if self._lost:
                await self._reopen()
            if not self._asked:
                await self._ask()
            self._wake.clear()
            if self._arrived or self._lost or self._unsure:
                continue
            now = loop.time()
            if now >= ends:
                return []
            # a timer that wakes us is a third of the price of wait_for, and this is where every stage waits
            timer = loop.call_at(min(ends, now + SILENCE_SECONDS), self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._unsure = self._unsure or loop.time() - max(self._heard, now) >= SILENCE_SECONDS

    async def backlog(self) -> AsyncGenerator[list[Delivery], None]:
        """What waited when the pull was opened, and what came while it was read; then it ends."""
        while self.pending:
            deliveries = await self.next(SILENCE_SECONDS)
            if not deliveries:
                # the last that waited may have ended (age, a key's time to live) before they were delivered
                if await self._has_nothing_left():
                    return
                continue
            yield deliveries

    async def hold(self, every_seconds: float) -> None:
        """Renew the pin until cancelled, however long the work on what came takes: only requests count as life."""
        while True:
            await asyncio.sleep(every_seconds)
            if self._pin and self._renewals:
                await self._request(self._renewals, {"batch": 1, "no_wait": True})

    async def acknowledge(self, delivery: Delivery) -> None:
        """Tell the server that this delivery is done with."""
        with contextlib.suppress(nats.errors.Error, OSError):  # it is delivered again, and is known then
            await self._stream.client.publish(delivery.reply, b"+ACK")

    async def aclose(self) -> None:
        """Stop pulling; an ephemeral consumer is removed."""
        self._stream.on_back.discard(self._on_back)
        await self._unsubscribe()
        if not self._durable and self._consumer:
            with contextlib.suppress(Refused, Unreachable):
                await self._stream.api(f"CONSUMER.DELETE.{self._name}.{self._consumer}")

    async def _open(self) -> None:
        request = {"stream_name": self._name, "config": self._config, "action": ""}
        if self._durable:
            self._consumer = self._config["durable_name"]
            call = f"CONSUMER.DURABLE.CREATE.{self._name}.{self._consumer}"
        else:
            call = f"CONSUMER.CREATE.{self._name}"
        info = await self._stream.api(call, request)
        self._consumer = info["name"]
        self.pending = info["num_pending"]
        self._stream.on_back.add(self._on_back)
        await self._unsubscribe()
        self._number = 0
        self._asked = False
        self._pin = ""
        inbox = self._stream.client.new_inbox()
        self._inbox, self._renewals = f"{inbox}.next", f"{inbox}.pin"
        self._subscription = await self._stream.client.subscribe(f"{inbox}.*", cb=self._on_message)
        self._lost = False

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):  # the connection may be gone
                await subscription.unsubscribe()

    async def _reopen(self) -> None:
        """Make the consumer again where we left off, however long the server is away."""
        while True:
            try:
                if not self._durable:
                    await self._go_on()
                await self._open()
            except (Refused, Unreachable, nats.errors.Error):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _go_on(self) -> None:
        """Begin behind what has come; from the beginning if the stream is not the one we knew."""
        info = await self._stream.api(f"STREAM.INFO.{self._name}")
        if info["state"]["last_seq"] < self._position:
            self._position = 0
        self._config = {**self._start, **start_at(self._position + 1)} if self._position else self._start

    async def _exists(self) -> bool:
        try:
            await self._stream.api(f"CONSUMER.INFO.{self._name}.{self._consumer}")
        except Refused as refused:
            return refused.code not in NOT_FOUND
        except Unreachable:
            await asyncio.sleep(RETRY_SECONDS)
            return True
        return True

    async def _has_nothing_left(self) -> bool:
        try:
            info = await self._stream.api(f"CONSUMER.INFO.{self._name}.{self._consumer}")
        except (Refused, Unreachable):
            return False
        return bool(info["num_pending"] == 0 and not self._arrived)

    async def _ask(self) -> None:
        self._asked = True
        self._outstanding = BATCH
        await self._request(
            self._inbox,
            {
                "batch": BATCH,
                "max_bytes": MAX_BYTES,
                "expires": int(EXPIRES_SECONDS * 1e9),
                "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
            },
        )

    async def _request(self, inbox: str, request: dict[str, Any]) -> None:
        if "priority_groups" in self._config:
            request["group"] = GROUP
            if self._pin:
                request["id"] = self._pin
        with contextlib.suppress(nats.errors.Error, OSError):  # silence is noticed, and asked again
            await self._stream.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._name}.{self._consumer}",
                json.dumps(request).encode(),
                reply=inbox,
            )

    async def _on_message(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            if f".{self._consumer}." in message.reply:  # else it is an earlier consumer's
                self._on_delivery(_delivery(message, dict(headers)))
        elif message.subject == self._renewals:
            if status == "423":
                self._pin = ""
        elif message.subject == self._inbox and status != "100":
            self._on_status(status, headers.get("Description", ""))
        else:
            self._wake.set()  # a heartbeat: the server lives, the wait starts anew

    def _on_delivery(self, delivery: Delivery) -> None:
        if not self._durable:
            if delivery.number != self._number + 1:
                self._lost = True  # one did not reach us
                self._wake.set()
                return
            self._number = delivery.number
            self._position = delivery.sequence
        if delivery.pin:
            self._pin = delivery.pin
        self._arrived.append(delivery)
        self._outstanding -= 1
        if self._outstanding <= 0:
            self._asked = False
        self._wake.set()

    def _on_back(self) -> None:
        """The connection is new: what was asked before is forgotten, and what was sent may not have come."""
        self._unsure = True
        self._lost = self._lost or not self._durable
        self._wake.set()

    def _on_status(self, status: str, description: str) -> None:
        text = description.lower()
        if status == "423":
            self._pin = ""
        if "deleted" in text:
            self._lost = True
        elif status == "503" or "not found" in text or "exceeded" in text:
            self._unsure = True
            self._patience_seconds = RETRY_SECONDS
        self._asked = False
        self._wake.set()


def _delivery(message: Msg, headers: dict[str, str]) -> Delivery:
    # $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>, or with a domain
    # and account hash before the stream's name
    tokens = message.reply.split(".")
    sequence, number, moment, pending = tokens[5:9] if len(tokens) <= 9 else tokens[7:11]
    return Delivery(
        subject=message.subject,
        sequence=int(sequence),
        time=int(moment),
        data=message.data,
        headers=headers,
        reply=message.reply,
        number=int(number),
        pending=int(pending),
        pin=headers.get("Nats-Pin-Id", ""),
    )
