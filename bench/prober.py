"""An attacker that notices when it is dropped. Runs in the attacker's namespace, jobs in and results out as JSON lines.

A job names the source, what to do (a decoy to attack, or a log line to write), and the protected host. The source must
reach the protected host before; then it attacks, and opens connections to the protected host one after the other until
one gets no answer. The time is from just before the first malicious byte is sent to just before that unanswered SYN:
an upper bound of the moment the kernel began to drop.
"""

import select
import socket
import struct
import sys
import time
from pathlib import Path

import msgspec

ANSWER_SECONDS = 0.030
CONFIRM_SECONDS = 0.150
GIVE_UP_SECONDS = 30.0
PAUSE_SECONDS = 0.0005

PHPUNIT = (
    b"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1\r\n"
    b"Host: a\r\nContent-Length: 18\r\n\r\n<?php echo md5(1);"
)
REDIS = b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$3\r\ndir\r\n$16\r\n/var/spool/cron/\r\n"


class Job(msgspec.Struct, frozen=True):
    """``attack`` is http, redis, telnet, log or none; ``line`` the log line for ``log``."""

    source: str
    attack: str
    decoy: tuple[str, int]
    protected: tuple[str, int]
    log: str = ""
    line: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``ms`` until the drop; None if it never came. ``reached`` whether the source got through before."""

    source: str
    reached: bool
    ms: float | None


def reaches(source: str, where: tuple[str, int], wait: float) -> bool:
    """Whether a connection from ``source`` is answered within ``wait`` seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        probe.bind((source, 0))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.connect_ex(where)
        poll = select.poll()
        poll.register(probe, select.POLLOUT)
        return bool(poll.poll(wait * 1_000)) and probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def attack(job: Job) -> tuple[float, socket.socket | None]:
    """Carry the attack out; gives the moment just before its first byte."""
    if job.attack == "log":
        began = time.perf_counter()
        with Path(job.log).open("a") as log:
            log.write(job.line + "\n")
        return began, None
    connection = socket.create_connection(job.decoy, 5, (job.source, 0))
    if job.attack == "telnet":
        connection.recv(4_096)
        began = time.perf_counter()
        connection.sendall(b"root\r\n")
        while b"assword" not in connection.recv(4_096):
            pass
        connection.sendall(b"xc3511\r\n")
        return began, connection
    began = time.perf_counter()
    connection.sendall(PHPUNIT if job.attack == "http" else REDIS)
    return began, connection


def run(job: Job) -> Outcome:
    """One job."""
    if not reaches(job.source, job.protected, 1.0):
        return Outcome(source=job.source, reached=False, ms=None)
    if job.attack == "none":
        return Outcome(source=job.source, reached=True, ms=None)
    began, connection = attack(job)
    ends = began + GIVE_UP_SECONDS
    try:
        while time.perf_counter() < ends:
            sent = time.perf_counter()
            if reaches(job.source, job.protected, ANSWER_SECONDS):
                time.sleep(PAUSE_SECONDS)
            elif not reaches(job.source, job.protected, CONFIRM_SECONDS):
                return Outcome(source=job.source, reached=True, ms=round((sent - began) * 1_000, 3))
        return Outcome(source=job.source, reached=True, ms=None)
    finally:
        if connection is not None:
            connection.close()


def main() -> None:
    """Jobs until standard input ends."""
    decoder = msgspec.json.Decoder(Job)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(run(decoder.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
