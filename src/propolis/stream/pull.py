"""Pulling from a stream, kept alive: one consumer, one outstanding request, renewed before it runs out.

An ephemeral pull (:meth:`Pull.ephemeral`) is in order and complete: if its consumer is lost (server restarted, link
down) it makes a new one where it left off. A durable, pinned one (:meth:`Pull.pinned`) is shared by several workers,
of whom the server serves one (ADR-42 of the NATS architecture notes); the others wait.
"""

import asyncio
import contextlib
import json
from collections import deque
from typing import Any

from nats.aio.msg import Msg

from propolis.stream.client import NOT_FOUND, RETRY_SECONDS, Refused, Stored, Stream, Unreachable, start_at

BATCH = 256
MAX_BYTES = 16 * 1024 * 1024
EXPIRES_SECONDS = 20.0
HEARTBEAT_SECONDS = 1.0
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
        self._durable = durable
        self._consumer = ""
        self._arrived: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._lost = False
        self._asked = False
        self._outstanding = 0
        self._position = 0
        self._pin = ""
        self._subscription: Any = None
        self._inbox = ""
        self._unsure = False
        self.pending = 0

    @classmethod
    async def ephemeral(cls, stream: Stream, name: str, config: dict[str, Any]) -> "Pull":
        """Everything of stream ``name`` that ``config`` (a consumer configuration) selects, in order."""
        pull = cls(
            stream,
            name,
            {
                "ack_policy": "none",
                "inactive_threshold": 60_000_000_000,
                "mem_storage": True,
                "num_replicas": 1,
                **config,
            },
            durable=False,
        )
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

    async def next(self) -> list[Delivery]:
        """Wait for at least one message and take all that have come."""
        while True:
            if self._arrived:
                taken = list(self._arrived)
                self._arrived.clear()
                self.pending = taken[-1].pending
                self._position = taken[-1].sequence
                return taken
            if self._unsure:
                self._unsure = self._asked = False
                self._lost = self._lost or not await self._exists()
            if self._lost:
                await self._reopen()
            if not self._asked:
                await self._ask()
            self._wake.clear()
            if self._arrived:
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_SECONDS * 3)
            except TimeoutError:
                self._unsure = True

    async def acknowledge(self, delivery: Delivery) -> None:
        """Tell the server that this delivery is done with."""
        with contextlib.suppress(OSError):
            await self._stream.client.publish(delivery.reply, b"+ACK")

    async def aclose(self) -> None:
        """Stop pulling; an ephemeral consumer is removed."""
        self._stream.on_back.discard(self._on_back)
        if self._subscription is not None:
            with contextlib.suppress(Exception):
                await self._subscription.unsubscribe()
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
        self._inbox = self._stream.client.new_inbox()
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        self._subscription = await self._stream.client.subscribe(self._inbox, cb=self._on_message)
        self._lost = False
        self._asked = False
        self._pin = ""

    async def _reopen(self) -> None:
        """Make the consumer again where we left off, however long the server is away."""
        if not self._durable and self._position:
            self._config = {**self._config, **start_at(self._position + 1)}
        while True:
            try:
                await self._open()
            except (Refused, Unreachable):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _exists(self) -> bool:
        try:
            await self._stream.api(f"CONSUMER.INFO.{self._name}.{self._consumer}")
        except Refused as refused:
            return refused.code not in NOT_FOUND
        except Unreachable:
            return True
        return True

    async def _ask(self) -> None:
        request: dict[str, Any] = {
            "batch": BATCH,
            "max_bytes": MAX_BYTES,
            "expires": int(EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        if "priority_groups" in self._config:
            request["group"] = GROUP
            if self._pin:
                request["id"] = self._pin
        self._asked = True
        self._outstanding = BATCH
        with contextlib.suppress(OSError):
            await self._stream.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._name}.{self._consumer}",
                json.dumps(request).encode(),
                reply=self._inbox,
            )

    async def _on_message(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status == "100":
            self._wake_up_only_if_waiting()
            return
        if status is not None:
            self._on_status(status, headers.get("Description", ""))
            return
        pin = headers.get("Nats-Pin-Id", "")
        if pin:
            self._pin = pin
        self._arrived.append(_delivery(message, dict(headers), pin))
        self._outstanding -= 1
        if self._outstanding <= 0:
            self._asked = False
        self._wake.set()

    def _on_back(self) -> None:
        """The connection is new: what was asked before is forgotten, and the consumer may be."""
        self._unsure = True
        self._wake.set()

    def _wake_up_only_if_waiting(self) -> None:
        """A heartbeat: the server lives; the wait starts anew."""
        self._wake.set()

    def _on_status(self, status: str, description: str) -> None:
        text = description.lower()
        if status == "423":
            self._pin = ""
        if status in {"404", "503"} or "deleted" in text or "not found" in text or "no responders" in text:
            self._lost = not self._durable or "deleted" in text
        self._asked = False
        self._wake.set()


def _delivery(message: Msg, headers: dict[str, str], pin: str) -> Delivery:
    # $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>, or with a domain
    # and account hash before the stream's name
    tokens = message.reply.split(".")
    sequence, number, moment, pending = (
        (tokens[-4], tokens[-3], tokens[-2], tokens[-1])
        if len(tokens) <= 9
        else (tokens[7], tokens[8], tokens[9], tokens[10])
    )
    return Delivery(
        subject=message.subject,
        sequence=int(sequence),
        time=int(moment),
        data=message.data,
        headers=headers,
        reply=message.reply,
        number=int(number),
        pending=int(pending),
        pin=pin,
    )
