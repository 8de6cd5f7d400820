"""Conversations with a real redis-server and with the lure, to be set beside each other."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from lures.redis.probes import Said, wire
from lures.serve import Heard, visit
from propolis.lures.redis import RedisLure

QUIET_SECONDS = 0.15
_SEEN = re.compile(rb"(?<=\$2\r\nid\r\n):\d+")
_PUT_BACK = ("AUTH pass", "REPLICAOF NO ONE", "CONFIG SET requirepass ''", "SCRIPT FLUSH")


def masked(reply: bytes) -> bytes:
    """A reply without what differs from visit to visit: the client's number."""
    return _SEEN.sub(b":-", reply)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def said_by_server(port: int, said: tuple[Said, ...]) -> tuple[list[bytes], bool]:
    """What the server answers to each, on an empty database, and whether it closed the connection."""
    replies = []
    is_closed = False
    with connected(port) as client:
        client.sendall(b"FLUSHALL\r\n")
        client.recv(64)
        for each in said:
            reply, is_closed = _ask(client, wire(each))
            replies.append(masked(reply))
            if is_closed:
                break
    with connected(port) as client:
        for line in _PUT_BACK:
            client.sendall(line.encode() + b"\r\n")
            client.recv(4_096)
    return replies, is_closed


def _ask(client: socket.socket, data: bytes) -> tuple[bytes, bool]:
    reply = b""
    client.settimeout(QUIET_SECONDS)
    try:
        client.sendall(data)
        while got := client.recv(1_048_576):
            reply += got
            client.settimeout(QUIET_SECONDS / 5)
    except TimeoutError:
        return reply, False
    except ConnectionError:
        pass
    return reply, True


def said_by_lure(said: tuple[Said, ...]) -> tuple[list[bytes], bool]:
    """The same of the lure."""
    heard, replies = Heard(RedisLure(visit())), []
    for each in said:
        heard.sent = b""
        heard.feed(wire(each))
        replies.append(masked(heard.sent))
        if heard.hung_up:
            break
    return replies, heard.hung_up


def answers(*said: Said) -> list[bytes]:
    """What the lure answers to each."""
    return said_by_lure(said)[0]


def answer(*said: Said) -> bytes:
    """What the lure answers to the last of them."""
    return answers(*said)[-1]
