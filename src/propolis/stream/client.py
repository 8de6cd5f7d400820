"""A connection to the stream, embedded or a cluster: publish with acknowledgement, pull, buckets.

Everything an operator must know about the connection is told as a note; everything a caller must know is an error or
a return value. nats-py carries the bytes; the JetStream API is spoken directly where nats-py has no words for it
(pinned clients, per-message TTL on updates).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from propolis.errors import StreamError
from propolis.notes import StreamBack, StreamLost, tell
from propolis.stream import credentials

REQUEST_SECONDS = 5.0
RETRY_SECONDS = 0.2
CLOSE_SECONDS = 2.0
MAX_IN_FLIGHT = 256
MARKER_TTL = "1h"
PENDING_BYTES = 64 * 1024 * 1024
MAX_ACCUSATIONS = 8


class Stored(msgspec.Struct, frozen=True):
    """One message as the stream keeps it. ``time`` is the server's, UTC nanoseconds."""

    subject: str
    sequence: int
    time: int
    data: bytes
    headers: dict[str, str]


class Refused(StreamError):  # noqa: N818 - an answer, of which some are expected
    """The stream answered no; ``code`` is JetStream's error code."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(f"the stream refused: {why} ({code})")


class Unreachable(StreamError):  # noqa: N818 - a state of the network, of which waiting is the cure
    """The stream did not answer in time."""


WRONG_LAST_SEQUENCE = frozenset({10_071, 10_164})
NOT_FOUND = frozenset({10_014, 10_037, 10_059})
TOO_LARGE = 10_054
FINAL = WRONG_LAST_SEQUENCE | {TOO_LARGE}
"""Refusals that asking again does not change; all others (no space, no quorum, …) pass."""


class Request(msgspec.Struct, frozen=True):
    """One message to be stored."""

    subject: str
    data: bytes
    headers: dict[str, str]


class Stream:
    """One connection, kept open across crashes of the server. Make it with :func:`connect`.

    :meth:`trouble` and :meth:`well` tell of a stream that does not do its work, once each time it begins and ends.
    """

    def __init__(self, client: Client, url: str, stage: str) -> None:
        self.client = client
        self.url = url
        self.stage = stage
        self.on_back: set[Callable[[], None]] = set()
        self._inbox = ""
        self.ready = False
        self.closing = False
        self._asked = 0
        self._replies: dict[str, asyncio.Future[Msg]] = {}
        self._is_troubled = False
        self._accused: set[str] = set()

    async def open(self) -> None:
        """Be ready for answers; called once the connection stands."""
        self._inbox = self.client.new_inbox()
        await self.client.subscribe(f"{self._inbox}.*", cb=self._on_reply)

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        self.closing = True
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.drain()
        await self.client.close()

    def trouble(self, why: str) -> None:
        """The stream does not do its work: told when it begins."""
        if not self._is_troubled and not self.closing:
            self._is_troubled = True
            tell(StreamLost(stage=self.stage, url=self.url, why=why))

    def accuse(self, why: str) -> None:
        """The server refuses what we are: told once for each reason, for it is not the network's fault."""
        if why not in self._accused and len(self._accused) < MAX_ACCUSATIONS:
            self._accused.add(why)
            tell(StreamLost(stage=self.stage, url=self.url, why=why))

    def well(self) -> None:
        """The stream does its work: told if it did not before."""
        if self._is_troubled:
            self._is_troubled = False
            self._accused.clear()
            tell(StreamBack(stage=self.stage, url=self.url))

    async def publish(
        self, subject: str, data: bytes, *, message_id: str = "", headers: dict[str, str] | None = None
    ) -> int:
        """Store one message and return its sequence; a repeated ``message_id`` is stored once.

        Raises :class:`Refused` or :class:`Unreachable`; see :meth:`insist`.
        """
        head = dict(headers or {})
        if message_id:
            head["Nats-Msg-Id"] = message_id
        reply = await self._ask(subject, data, head or None)
        return acknowledged(reply.data)

    async def insist(
        self, subject: str, data: bytes, *, message_id: str, headers: dict[str, str] | None = None
    ) -> int:
        """:meth:`publish`, repeated until the stream has it; the message id keeps it single.

        Raises :class:`Refused` only for what asking again does not change (:data:`FINAL`).
        """
        while True:
            try:
                sequence = await self.publish(subject, data, message_id=message_id, headers=headers)
            except (Refused, Unreachable) as error:
                if isinstance(error, Refused) and error.code in FINAL:
                    raise
                self.trouble(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.well()
                return sequence

    async def store_all(self, requests: Sequence[Request]) -> None:
        """Store messages in order, all on their way at once; whatever fails is sent again with all behind it.

        Each must be harmless to repeat: a message id, or a key's whole value. Raises :class:`Refused` as
        :meth:`insist`.
        """
        waiting = list(requests)
        while waiting:
            window = waiting[:MAX_IN_FLIGHT]
            answers = [
                await self.ask_later(request.subject, request.data, request.headers) for request in window
            ]
            await asyncio.wait(answers, timeout=REQUEST_SECONDS)
            stored = 0
            for answer in answers:
                if not (why := _failure(answer)):
                    stored += 1
                    continue
                self.trouble(why)
                break
            waiting = waiting[stored:]
            if stored < len(window):
                for answer in answers:
                    answer.cancel()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.well()

    async def put(
        self, bucket: str, name: str, value: bytes, *, ttl_seconds: float = 0, last: int | None = None
    ) -> int:
        """Write a key and return its revision. With ``last``, only if that is its revision (else :class:`Refused`)."""
        request = put_request(bucket, name, value, ttl_seconds=ttl_seconds)
        if last is not None:
            request.headers["Nats-Expected-Last-Subject-Sequence"] = str(last)
        return await self.publish(request.subject, request.data, headers=request.headers)

    async def delete(self, bucket: str, name: str) -> int:
        """Write a deletion marker for a key; the marker itself goes after an hour."""
        request = delete_request(bucket, name)
        return await self.publish(request.subject, request.data, headers=request.headers)

    async def get(self, bucket: str, name: str) -> Stored | None:
        """The key's present value, or None if it is absent, deleted or expired."""
        stored = await self.last(f"KV_{bucket}", f"$KV.{bucket}.{name}")
        return None if stored is None or is_marker(stored.headers) else stored

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The newest message on a subject."""
        return await self._direct(f"{stream}.{subject}", b"")

    async def message(self, stream: str, sequence: int) -> Stored | None:
        """The message with this sequence, if it is still kept."""
        return await self._direct(stream, json.dumps({"seq": sequence}).encode())

    async def keys(self, bucket: str) -> AsyncGenerator[Stored, None]:
        """Every present key of a bucket, once."""
        async with contextlib.aclosing(self.history(f"KV_{bucket}", last_per_subject=True)) as history:
            async for stored in history:
                if not is_marker(stored.headers):
                    yield stored

    async def history(
        self, stream: str, *, subject: str = ">", start: int = 1, last_per_subject: bool = False
    ) -> AsyncGenerator[Stored, None]:
        """Everything a stream keeps from a sequence on, up to the moment of asking."""
        from propolis.stream.pull import Pull  # noqa: PLC0415 - a pull needs a stream first

        info = await self.api(f"STREAM.INFO.{stream}")
        last = info["state"]["last_seq"]
        if info["state"]["messages"] == 0 or last < start:
            return
        policy = {"deliver_policy": "last_per_subject"} if last_per_subject else start_at(start)
        pull = await Pull.ephemeral(self, stream, {"filter_subject": subject, **policy})
        async with contextlib.aclosing(pull), contextlib.aclosing(pull.backlog()) as backlog:
            async for deliveries in backlog:
                for stored in deliveries:
                    yield stored
                    if stored.sequence >= last:
                        return

    @contextlib.asynccontextmanager
    async def answering(
        self, subject: str, answer: Callable[[bytes], Awaitable[bytes]]
    ) -> AsyncIterator[None]:
        """Answer every request on a subject, one after the other, while the context lasts."""

        async def on_request(message: Msg) -> None:
            reply = await answer(message.data)
            with contextlib.suppress(nats.errors.Error, OSError):  # whoever asked is gone, or wants no answer
                await message.respond(reply)

        subscription = await self.client.subscribe(subject, cb=on_request)
        try:
            yield
        finally:
            with contextlib.suppress(nats.errors.Error, OSError):  # the connection may be gone
                await subscription.unsubscribe()

    async def api(self, call: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the JetStream API (``$JS.API.<call>``). Raises :class:`Refused` or :class:`Unreachable`."""
        reply = await self._ask(f"$JS.API.{call}", json.dumps(request).encode() if request else b"", None)
        return _answer(reply.data)

    async def _direct(self, place: str, request: bytes) -> Stored | None:
        reply = await self._ask(f"$JS.API.DIRECT.GET.{place}", request, None)
        headers = dict(reply.headers or {})
        if headers.get("Status") == "404":
            return None
        if "Status" in headers:
            raise Refused(int(headers["Status"]), headers.get("Description", "no reason"))
        return Stored(
            headers.pop("Nats-Subject"),
            int(headers.pop("Nats-Sequence")),
            nanoseconds(headers.pop("Nats-Time-Stamp")),
            reply.data,
            headers,
        )

    async def ask_later(
        self, subject: str, data: bytes, headers: dict[str, str] | None = None
    ) -> asyncio.Future[Msg]:
        """Send a request; the future is its answer, or an error.

        :class:`Unreachable` when there is no connection or it breaks, :class:`Refused` for a message that is too large.
        Raises :class:`StreamError` when the server has shut us out for good.
        """
        self._asked += 1
        reply = f"{self._inbox}.{self._asked}"
        future: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._replies[reply] = future
        future.add_done_callback(lambda _: self._replies.pop(reply, None))
        if not self.client.is_connected and not self.client.is_closed:
            # what nats-py buffers meanwhile it would send behind what was asked again
            future.set_exception(Unreachable(f"{self.url}: not connected"))
            return future
        try:
            await self.client.publish(subject, data, reply=reply, headers=headers)
        except nats.errors.ConnectionClosedError as error:
            future.cancel()
            raise StreamError(f"{self.url}: shut us out ({self.client.last_error or error})") from error
        except nats.errors.MaxPayloadError:
            _fail(future, Refused(TOO_LARGE, f"{len(data)} bytes are more than one message may have"))
        except (nats.errors.Error, OSError) as error:
            _fail(future, Unreachable(f"{self.url}: {subject}: {error or type(error).__name__}"))
        return future

    def disconnected(self) -> None:
        """The connection broke: whoever waits for an answer learns it now."""
        for future in list(self._replies.values()):
            _fail(future, Unreachable(f"{self.url}: the connection broke"))

    async def _ask(self, subject: str, data: bytes, headers: dict[str, str] | None) -> Msg:
        future = await self.ask_later(subject, data, headers)
        try:
            # not wait_for, which before Python 3.12 may swallow that we are cancelled
            async with asyncio.timeout(REQUEST_SECONDS):
                return await future
        except TimeoutError as error:
            raise Unreachable(f"{self.url}: {subject}: no answer in {REQUEST_SECONDS:.0f} s") from error

    async def _on_reply(self, message: Msg) -> None:
        future = self._replies.get(message.subject)
        if future is None or future.done():
            return
        if not message.data and (message.headers or {}).get("Status") == "503":
            _fail(future, Unreachable(f"{self.url}: the stream is not there (no responders)"))
        else:
            future.set_result(message)


def _fail(future: asyncio.Future[Msg], error: StreamError) -> None:
    if not future.done():
        future.set_exception(error)


def put_request(bucket: str, name: str, value: bytes, *, ttl_seconds: float = 0) -> Request:
    """What writes a key, for ``ttl_seconds`` or for good."""
    ttl = {"Nats-TTL": f"{max(1, round(ttl_seconds))}s"} if ttl_seconds else {}
    return Request(f"$KV.{bucket}.{name}", value, ttl)


def delete_request(bucket: str, name: str) -> Request:
    """What marks a key as deleted; the marker itself goes after an hour."""
    return Request(f"$KV.{bucket}.{name}", b"", {"KV-Operation": "DEL", "Nats-TTL": MARKER_TTL})


def _failure(answer: asyncio.Future[Msg]) -> str:
    """Why a message is not stored; empty if it is. Raises :class:`Refused` for what asking again does not change."""
    if not answer.done():
        return f"no answer in {REQUEST_SECONDS:.0f} s"
    error = answer.exception()
    if error is not None:
        return str(error)
    try:
        acknowledged(answer.result().data)
    except Refused as refused:
        if refused.code in FINAL:
            raise
        return str(refused)
    return ""


def acknowledged(reply: bytes) -> int:
    """The sequence in a publish acknowledgement. Raises :class:`Refused`, or :class:`Unreachable` if it is none."""
    return int(_answer(reply).get("seq", 0))


def _answer(reply: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(reply, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreachable(f"an answer that is none of JetStream's: {error}") from error
    fault = answer.get("error")
    if isinstance(fault, dict):
        raise Refused(int(fault.get("err_code", 0)), str(fault.get("description", "no reason")))
    return answer


def start_at(sequence: int) -> dict[str, Any]:
    """A consumer's configuration that begins at this sequence."""
    return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, sequence)}


def is_marker(headers: dict[str, str]) -> bool:
    """Whether a bucket's message says that the key is gone (deleted, purged, or past its TTL)."""
    return "KV-Operation" in headers or "Nats-Marker-Reason" in headers


def nanoseconds(timestamp: str) -> int:
    """RFC 3339 with up to nine decimals, as the server writes it, to UTC nanoseconds."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


class _NoneAnswers(Exception):  # noqa: N818 - ends one round of dialling
    """Every server was tried once."""


async def connect(url: str, stage: str, *, credential: Path | None = None, wait: bool = True) -> Stream:
    """Connect to the first of the servers in ``url`` that answers; with ``wait``, say so and go on until one does.

    Raises :class:`StreamError` when the credential cannot be used or is refused, and without ``wait`` when nobody
    answers.
    """
    options: dict[str, Any] = {}
    if credential is not None:
        options["nkeys_seed_str"] = credentials.seed_of(credential)
        options["inbox_prefix"] = credentials.inbox_of(credentials.public_key(credential))
    told = False
    while True:
        stream = Stream(Client(), url, stage)
        try:
            await _dial(stream, options)
        except (nats.errors.Error, OSError, TimeoutError, _NoneAnswers) as error:
            stream.closing = True
            await stream.client.close()
            if "authorization" in str(error).lower():
                raise StreamError(
                    f"{url}: the credential is refused; ask for one with `propolis credential`"
                ) from error
            if not wait:
                raise StreamError(f"{url}: no stream answers ({error}); is `propolis up` running?") from error
            if not told:
                tell(StreamLost(stage=stage, url=url, why=f"{error}; waiting for it"))
                told = True
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if told:
            tell(StreamBack(stage=stage, url=url))
        await stream.open()
        return stream


async def _dial(stream: Stream, options: dict[str, Any]) -> None:
    """Try each server once. Raises what the last of them said."""
    servers = stream.url.split(",")
    tried = 0

    async def on_lost() -> None:
        stream.disconnected()
        stream.trouble("disconnected")

    async def on_back() -> None:
        stream.well()
        for wake in list(stream.on_back):
            wake()

    async def on_error(error: Exception) -> None:
        nonlocal tried
        refused = "authorization" in str(error).lower()
        if not stream.ready and not stream.closing:
            # nats-py would go on for ever and say nothing
            tried += 1
            if refused or tried >= len(servers):
                raise _NoneAnswers(str(error) or type(error).__name__) from error
        elif refused or "permissions" in str(error).lower():
            stream.accuse(str(error))

    await stream.client.connect(
        servers=servers,
        name=f"propolis {stream.stage}",
        connect_timeout=2,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=cast("int", RETRY_SECONDS),  # nats-py takes any number
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=PENDING_BYTES,
        disconnected_cb=on_lost,
        reconnected_cb=on_back,
        error_cb=on_error,
        **options,
    )
    stream.ready = True
