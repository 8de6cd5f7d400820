"""A load of real connections from many sources: ``python -m bench.load RATE SECONDS SOURCES PORTS [BASE TARGET FILE]``.

One process, open loop: connections begin when they are due, whether or not earlier ones were answered, and each is
looked at every few milliseconds, so that the generator costs little of the machine it shares. A
hit is a new connection with one request or log-in attempt; it counts as acknowledged when the decoy's whole answer
came. Sources are the addresses from BASE on (127.10.0.0), the decoys are at TARGET (127.0.0.1). With FILE, each
acknowledged hit is written there: 4 bytes of source address, 2 of source port, big-endian. Prints one JSON object.
"""

import signal
import socket
import sys
import time
from collections import Counter, deque
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
LOOK_SECONDS = 0.010
TICK_SECONDS = 0.002
IP_BIND_ADDRESS_NO_PORT = 24


class Hit:
    """One connection: what is to be sent at each step, and when something last happened on it."""

    __slots__ = ("began", "connection", "is_answered", "kind", "seen", "step", "steps")

    def __init__(self, connection: socket.socket, kind: str, steps: tuple[bytes, ...], now: float) -> None:
        self.connection = connection
        self.kind = kind
        self.steps = steps
        self.step = 0
        self.is_answered = False
        self.began = self.seen = now


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
    waiting: deque[Hit] = deque()
    done: Counter[str] = Counter()
    failed = started = 0
    stop: list[float] = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(time.monotonic()))
    start = time.monotonic()
    ends = start + seconds
    while True:
        now = time.monotonic()
        if stop:
            ends = min(ends, stop[0])
        due = int((min(now, ends) - start) * rate)
        while started < due and len(waiting) < OPEN_AT_ONCE:
            number = started * 7_919 % sources
            kind, steps = plan(number, started, ports)
            waiting.append(begin((base + number).to_bytes(4, "big"), (target, ports[kind]), kind, steps, now))
            started += 1
        while waiting and now - waiting[0].seen >= LOOK_SECONDS:
            hit = waiting.popleft()
            if advance(hit):
                hit.seen = now
                if now - hit.began < HIT_SECONDS:
                    waiting.append(hit)
                    continue
            if hit.is_answered:
                done[hit.kind] += 1
                if keep is not None:
                    host, port = hit.connection.getsockname()
                    keep.write(socket.inet_aton(host) + port.to_bytes(2, "big"))
            else:
                failed += 1
            hit.connection.close()
        if now >= ends and not waiting:
            break
        time.sleep(TICK_SECONDS)
    if keep is not None:
        keep.close()
    said = {"started": started, "acknowledged": done, "failed": failed}
    took = {"seconds": time.monotonic() - start, "cpu_seconds": time.process_time()}
    print(msgspec.json.encode({**said, **took}).decode())


def begin(source: bytes, where: tuple[str, int], kind: str, steps: tuple[bytes, ...], now: float) -> Hit:
    """Open a connection and send the first bytes at once: on one host the handshake is over when connect returns."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((socket.inet_ntoa(source), 0))
    connection.connect_ex(where)
    hit = Hit(connection, kind, steps, now)
    say(hit)
    return hit


def say(hit: Hit) -> None:
    """Send the next step; if the handshake is not over yet, the next look tries again."""
    if not hit.steps[hit.step]:
        hit.step += 1
        return
    try:
        hit.connection.send(hit.steps[hit.step])
    except OSError:
        return
    hit.step += 1


def advance(hit: Hit) -> bool:
    """Look whether something was answered, and go on; False when the hit is over."""
    if not hit.step:
        say(hit)
        return True
    try:
        data = hit.connection.recv(65_536)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if hit.kind != "telnet":
        hit.is_answered = bool(data)
        return False
    if not data:
        return False
    if hit.step < len(hit.steps):
        if hit.step == 1 or b"assword" in data:
            say(hit)
        return True
    hit.is_answered = True
    return False


if __name__ == "__main__":
    main()
