"""A load of HTTP requests from one process: ``python -m bench.http_load``, a :class:`Spec` as JSON on its input.

Closed loop. ``kept``: every connection sends ``depth`` requests at once (pipelining, as mass scanners do), waits for
all their answers and sends the next ones; a connection the server ends is opened anew, and what it left unanswered
does not count. ``fresh``: one request a connection. With ``rate`` the loop is open instead: each request goes out when
it is due, one at a time on a connection, and its latency counts from then. An answer counts when it is there to its
last byte.

Prints one JSON object (:class:`Load`).
"""

import re
import select
import socket
import sys
import time
from array import array
from collections import deque
from typing import Final, Literal

import msgspec

READ_BYTES: Final = 1 << 18
LOOK_SECONDS: Final = 0.02
GIVE_UP_SECONDS: Final = 10.0
SOURCES: Final = 200
IP_BIND_ADDRESS_NO_PORT: Final = 24
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED: Final = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where.

    ``requests`` (bytes; base64 in JSON) go out in turn; connections come from the 200 local addresses that begin with
    ``source``, because the ports of one would run out.
    """

    port: int
    requests: tuple[bytes, ...]
    seconds: float
    address: str = "127.0.0.1"
    source: str = "127.9.0.1"
    mode: Literal["kept", "fresh"] = "kept"
    connections: int = 16
    depth: int = 16
    rate: float = 0.0


class Load(msgspec.Struct, frozen=True):
    """What came of it. ``statuses``: answers by status; latencies in milliseconds; ``lost``: sent, never answered."""

    answered: int
    lost: int
    seconds: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float


class _Connection:
    """One connection: what was sent on it and not answered, and what came of an answer so far."""

    __slots__ = ("data", "is_open", "socket", "waiting")

    def __init__(self, spec: Spec, number: int) -> None:
        source = int.from_bytes(socket.inet_aton(spec.source)) + number % SOURCES
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # the port is chosen when it connects: a search among sockets that have not expired takes milliseconds
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((socket.inet_ntoa(source.to_bytes(4, "big")), 0))
        self.socket.settimeout(GIVE_UP_SECONDS)
        self.socket.connect((spec.address, spec.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(0)
        self.data = b""
        self.waiting: deque[tuple[float, bool]] = deque()
        self.is_open = True

    def send(self, requests: list[bytes], due: float) -> None:
        """Send all of them; what does not fit into the socket waits for the reader as on a slow network."""
        self.waiting.extend((due, request.startswith(b"HEAD ")) for request in requests)
        data = b"".join(requests)
        self.socket.settimeout(GIVE_UP_SECONDS)
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_open = False
        self.socket.settimeout(0)

    def read(self) -> None:
        """Take what is there."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.data += data
        if not data:
            self.is_open = False

    def answers(self) -> list[tuple[int, float]]:
        """Status and due time of every answer that is complete."""
        done: list[tuple[int, float]] = []
        position = 0
        while self.waiting:
            due, is_head = self.waiting[0]
            end = _end(self.data, position, is_head=is_head, is_over=not self.is_open)
            if not end:
                break
            status = int(self.data[position + 9 : position + 12])
            position = end
            if status != 100:
                done.append((status, due))
                self.waiting.popleft()
        self.data = self.data[position:]
        return done


def _end(data: bytes, start: int, *, is_head: bool, is_over: bool) -> int:
    """Where the answer that begins at ``start`` ends; 0 if that is not there yet."""
    head_end = data.find(b"\r\n\r\n", start)
    if head_end < 0:
        return 0
    body = head_end + 4
    status = data[start + 9 : start + 12]
    if is_head or status in {b"204", b"304", b"100"}:
        return body
    found = _LENGTH.search(data, start, head_end + 2)
    if found:
        end = body + int(found[1])
        return end if end <= len(data) else 0
    if _CHUNKED.search(data, start, head_end + 2):
        last = data.find(b"0\r\n\r\n", body)
        return last + 5 if last >= 0 else 0
    return len(data) if is_over else 0


class _Loop:
    """The loop of one run."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.poll = select.epoll()
        self.connections: dict[int, _Connection] = {}
        self.latencies = array("d")
        self.statuses: dict[str, int] = {}
        self.lost = 0
        self.next = 0
        self.opened = 0

    def take(self, count: int) -> list[bytes]:
        """The next requests."""
        requests = self.spec.requests
        taken = [requests[(self.next + number) % len(requests)] for number in range(count)]
        self.next += count
        return taken

    def open(self) -> _Connection:
        """One more connection."""
        connection = _Connection(self.spec, self.opened)
        self.opened += 1
        self.connections[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.EPOLLIN)
        return connection

    def close(self, connection: _Connection) -> None:
        """End one; what it waited for is lost unless it had come."""
        self.lost += len(connection.waiting)
        del self.connections[connection.socket.fileno()]
        self.poll.unregister(connection.socket)
        connection.socket.close()

    def look(self, wait: float) -> list[_Connection]:
        """Read what came; the connections that wait for nothing any more."""
        idle = []
        for number, _ in self.poll.poll(wait):
            connection = self.connections[number]
            connection.read()
            now = time.perf_counter()
            for status, due in connection.answers():
                self.latencies.append(now - due)
                name = str(status)
                self.statuses[name] = self.statuses.get(name, 0) + 1
            if not connection.waiting or not connection.is_open:
                idle.append(connection)
        return idle

    def closed_loop(self, ends: float) -> None:
        """As much as the server takes."""
        is_fresh = self.spec.mode == "fresh"
        depth = 1 if is_fresh else self.spec.depth
        for _ in range(self.spec.connections):
            self.open().send(self.take(depth), time.perf_counter())
        while (now := time.perf_counter()) < ends:
            for connection in self.look(LOOK_SECONDS):
                if is_fresh or not connection.is_open:
                    self.close(connection)
                    connection = self.open()  # noqa: PLW2901 - in its place
                connection.send(self.take(depth), now)

    def open_loop(self, ends: float, rate: float) -> None:
        """At a rate, whatever the server does."""
        idle = [self.open() for _ in range(self.spec.connections)]
        began = time.perf_counter()
        sent = 0
        while (now := time.perf_counter()) < ends:
            while sent < (now - began) * rate and idle:
                connection = idle.pop()
                if not connection.is_open:
                    self.close(connection)
                    connection = self.open()
                connection.send(self.take(1), began + sent / rate)
                sent += 1
            idle += [one for one in self.look(0.0005) if one not in idle]

    def finish(self) -> None:
        """Wait for what is under way."""
        deadline = time.perf_counter() + GIVE_UP_SECONDS
        while any(one.waiting and one.is_open for one in self.connections.values()):
            self.look(LOOK_SECONDS)
            if time.perf_counter() > deadline:
                break
        for connection in list(self.connections.values()):
            self.close(connection)


def run(spec: Spec) -> Load:
    """Run a load."""
    loop = _Loop(spec)
    began = time.perf_counter()
    if spec.rate:
        loop.open_loop(began + spec.seconds, spec.rate)
    else:
        loop.closed_loop(began + spec.seconds)
    seconds = time.perf_counter() - began
    answered = len(loop.latencies)
    loop.finish()
    ordered = sorted(loop.latencies)
    place = len(ordered) - 1
    return Load(
        answered=answered,
        lost=loop.lost,
        seconds=seconds,
        statuses=loop.statuses,
        p50_ms=ordered[place // 2] * 1e3 if ordered else 0.0,
        p99_ms=ordered[place * 99 // 100] * 1e3 if ordered else 0.0,
    )


def main() -> None:
    """Run what standard input says."""
    print(msgspec.json.encode(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Spec))).decode())


if __name__ == "__main__":
    main()
