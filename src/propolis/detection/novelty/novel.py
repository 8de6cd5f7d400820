"""NOVEL: something nobody has judged yet, and how it spreads; what the queue for people to look at is made of."""

from typing import Literal, TypeAlias

import msgspec

from propolis.errors import CodecError

MAX_QUEUE = 100
"""What the queue shows at most."""

What: TypeAlias = Literal["request", "command", "payload"]
"""What kind of text it is."""


class Novel(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of texts that are done the same way.

    ``template`` is the first text with everything that varies taken out. ``surprise`` in bits: how rare its tokens were
    when it was first met. ``sources`` are distinct addresses over all lanes and sensors (estimated beyond 64),
    ``recent`` those that were new lately, ``texts`` how many different ones were met, ``known`` the share (0 to 1) of
    its events for which a sensor named a flaw. ``score`` orders the queue. ``examples`` are texts as they were sent.
    Times are UTC nanoseconds.
    """

    id: str
    what: What
    score: float
    surprise: float
    sources: int
    recent: float
    events: int
    texts: int
    known: float
    first_seen: int
    last_seen: int
    sensors: tuple[str, ...]
    ports: tuple[int, ...]
    template: str
    examples: tuple[bytes, ...]


class Queue(msgspec.Struct, frozen=True):
    """What is new and spreading as of ``time`` (UTC nanoseconds), best first."""

    time: int
    novel: tuple[Novel, ...] = ()


_DECODER = msgspec.json.Decoder(Queue)


def encode(queue: Queue) -> bytes:
    """As JSON; bytes are base64."""
    return msgspec.json.encode(queue)


def decode(data: bytes) -> Queue:
    """What :func:`encode` wrote. Raises :class:`~propolis.errors.CodecError`."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError("novelty queue", f"{len(data)} bytes", str(error)) from error
