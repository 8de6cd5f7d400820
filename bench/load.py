"""A load of real connections from many sources: ``python -m bench.load RATE SECONDS SOURCES PORTS [BASE TARGET FILE]``.

One process, one epoll, open loop: connections begin when they are due, whether or not earlier ones were answered. A
hit is a new connection with one request or log-in attempt; it counts as acknowledged when the decoy's whole answer
came. Sources are the addresses from BASE on (127.10.0.0), the decoys are at TARGET (127.0.0.1). With FILE, each
acknowledged hit is written there: 4 bytes of source address, 2 of source port, big-endian. Prints one JSON object.
"""

import select
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

ATTACKERS = 10
"""One source in ten attacks, always; the others look around."""
PATHS = (
    "/",
    "/robots.txt",
    "/login",
    "/favicon.ico",
    "/admin",
    "/wp-login.php",
    "/index.php",
    "/api/v1/status",
    "/.env",
    "/phpinfo.php",
    "/static/app.js",
    "/cgi-bin/luci",
    "/server-status",
    "/owa/",
    "/health",
    "/search?q=a",
)
EXPLOIT = (
    b"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1\r\n"
    b"Host: h\r\nContent-Length: 18\r\n\r\n<?php echo md5(1);"
)
REQUESTS = tuple(
    f"GET {path} HTTP/1.1\r\nHost: 198.18.0.1\r\n"
    f"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/{n}\r\n"
    f"Accept: */*\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
    for n, path in enumerate(PATHS)
)
INFO = b"*1\r\n$4\r\nINFO\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"
TAKEOVER = b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$3\r\ndir\r\n$15\r\n/var/spool/cron\r\n"
OPEN_AT_ONCE = 4_000
HIT_SECONDS = 3.0


class Hit:
    """One connection: what is to be sent at each step, and what ends an answer."""

    __slots__ = ("began", "connection", "kind", "received", "step", "steps")

    def __init__(self, connection: socket.socket, kind: str, steps: tuple[bytes, ...]) -> None:
        self.connection = connection
        self.kind = kind
        self.steps = steps
        self.step = 0
        self.received = 0
        self.began = time.monotonic()


def plan(number: int, turn: int, ports: dict[str, int]) -> tuple[str, tuple[bytes, ...]]:
    """Protocol and what is sent by source ``number`` at its ``turn``."""
    if number % ATTACKERS == 0:
        choice = ("http", "redis", "telnet")[number // ATTACKERS % 3]
        if choice == "telnet" and "telnet" in ports:
            return "telnet", (b"", b"root\r\n", b"pass%d\r\n" % (turn % 97))
        if choice == "redis" and "redis" in ports:
            return "redis", (TAKEOVER,)
        return "http", (EXPLOIT,)
    if number % ATTACKERS == 5 and "redis" in ports:
        return "redis", (INFO if number % 4 else PING,)
    return "http", (REQUESTS[turn % len(REQUESTS)],)


def main() -> None:
    """Run the load and print what was acknowledged."""
    rate, seconds, sources = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    ports = msgspec.json.decode(sys.argv[4], type=dict[str, int])
    base = int.from_bytes(socket.inet_aton(sys.argv[5] if len(sys.argv) > 5 else "127.10.0.0"))
    target = sys.argv[6] if len(sys.argv) > 6 else "127.0.0.1"
    keep = Path(sys.argv[7]).open("wb") if len(sys.argv) > 7 else None  # noqa: SIM115 - open for the whole run
    poll = select.epoll()
    hits: dict[int, Hit] = {}
    done: Counter[str] = Counter()
    failed = 0
    started = 0
    start = time.monotonic()
    ends = start + seconds
    stop: list[float] = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(time.monotonic()))
    last_sweep = start
    while True:
        now = time.monotonic()
        if stop:
            ends = min(ends, stop[0])
        due = int((min(now, ends) - start) * rate)
        while started < due and len(hits) < OPEN_AT_ONCE:
            number = started * 7_919 % sources
            kind, steps = plan(number, started, ports)
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            connection.bind((socket.inet_ntoa((base + number).to_bytes(4, "big")), 0))
            connection.connect_ex((target, ports[kind]))
            hit = hits[connection.fileno()] = Hit(connection, kind, steps)
            poll.register(
                connection.fileno(), select.EPOLLIN if begin(hit) else select.EPOLLIN | select.EPOLLOUT
            )
            started += 1
        for descriptor, event in poll.poll(0.001 if now < ends else 0.01):
            known = hits.get(descriptor)
            if known is not None and not advance(known, event, poll):
                hit = known
                del hits[descriptor]
                if hit.received and keep is not None:
                    host, port = hit.connection.getsockname()
                    keep.write(socket.inet_aton(host) + port.to_bytes(2, "big"))
                hit.connection.close()
                if hit.received:
                    done[hit.kind] += 1
                else:
                    failed += 1
        if now - last_sweep > 1.0:
            last_sweep = now
            for descriptor in [d for d, hit in hits.items() if now - hit.began > HIT_SECONDS]:
                hits.pop(descriptor).connection.close()
                failed += 1
        if now >= ends and not hits:
            break
    elapsed = time.monotonic() - start
    if keep is not None:
        keep.close()
    print(
        msgspec.json.encode(
            {
                "started": started,
                "acknowledged": done,
                "failed": failed,
                "seconds": elapsed,
                "cpu_seconds": time.process_time(),
            }
        ).decode()
    )


def begin(hit: Hit) -> bool:
    """Send the first bytes at once: on this host the handshake is over when connect returns. False if it is not."""
    if not hit.steps[0]:
        return True
    try:
        hit.connection.send(hit.steps[0])
    except OSError:
        return False
    hit.step = 1
    return True


def advance(hit: Hit, event: int, poll: select.epoll) -> bool:
    """Go on with a hit; False when it is over. ``received`` stays 0 when it was not answered."""
    try:
        if event & select.EPOLLOUT:
            hit.connection.send(hit.steps[0])
            hit.step = 1
            poll.modify(hit.connection.fileno(), select.EPOLLIN)
            return True
        data = hit.connection.recv(65_536)
        if hit.kind != "telnet":
            hit.received += len(data)
            return False
        if not data:
            return False
        hit.step = hit.step or 1
        if hit.step < len(hit.steps):
            if hit.step == 1 or b"assword" in data:
                hit.connection.send(hit.steps[hit.step])
                hit.step += 1
            return True
        hit.received = 1
    except OSError:
        return False
    return False


if __name__ == "__main__":
    main()
