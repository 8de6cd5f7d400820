"""SIGKILL a random process of ours under load, again and again; what is lost, twice, or left behind.

Method. A whole installation, armed, with the nftables enforcer, in a network namespace whose loopback also owns
198.18.0.0/16; bench.load runs in it at 2,000 hits/s from 20,000 of those addresses, of which a tenth attacks and is
dropped in that namespace's kernel. Every few seconds one process is killed: a stage, or the stream's server (the
supervisor starts it again; killing the supervisor ends everything, as for any program's parent).

lost_acknowledged: hits whose answer the sender saw, less those whose event is in the lake or the stream, compared by
source address and port. duplicate_findings: finding ids stored more than once. drift_after_s: after each kill, how long
until the kernel's set equals the decisions in force; the longest of all kills. orphans: addresses in the kernel at
the end that no decision in force names.

Usage: python -m bench.kill [KILLS]; 50 by default.
"""

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import msgspec
import pyarrow.parquet as pq

from bench.hive import PORTS, Hive, hive, report
from bench.network import hosts, inside, run
from propolis import findings
from propolis.config import load
from propolis.decisions import Decided, Extended, Revoked
from propolis.decisions.ledger import decode as decode_entry
from propolis.stream import Refused, Stream, Unreachable, address_of, connect, subjects

RATE = 2_000
SOURCES = 20_000
TARGET = "198.18.255.1"
BASE = "198.18.0.0"
EVERY_SECONDS = 3.0
DRIFT_LIMIT_SECONDS = 60.0
WATCH_SECONDS = 5.0
"""How long it is looked at after a kill: what starts again needs about as long."""
GRACE_NS = 1_000_000_000
SCRIPT = (
    "import asyncio, sys; from bench import kill; from propolis import notes; notes.open_log(json=False); "
    "asyncio.run(kill.{}(sys.argv[1]))"
)
"""Runs a function of this module inside the namespace, where the stream is."""
SETTINGS = """
[sensors]
workers = 2
[detection]
workers = 2
[decisions]
allow_private = true
max_blocks_per_minute = 1000000
policy = [{grade = "attempt", action = "block", ttl_seconds = 40.0}]
ladder = [1.0]
[enforcers]
run = ["nftables"]
[lake]
flush_seconds = 3.0
"""
ADDRESS = re.compile(r"198\.18\.\d+\.\d+")


def kernel(namespace: str) -> set[str]:
    """Addresses the kernel drops."""
    listed = subprocess.run(
        [*inside(namespace), "nft", "list", "table", "inet", "propolis"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return set(ADDRESS.findall(listed))


def decided(namespace: str, running: Hive) -> dict[str, int]:
    """Addresses the ledger blocked and never lifted, with the end of their latest block (UTC ns)."""
    listed = inside_it(namespace, running, "print_decided")
    return {address: int(until) for address, until in (line.split() for line in listed.splitlines())}


class Ledger:
    """A reader of the ledger inside the namespace, which goes on where it was: a look costs what came since."""

    def __init__(self, namespace: str, running: Hive) -> None:
        self._process = subprocess.Popen(
            [*inside(namespace), sys.executable, "-c", SCRIPT.format("follow"), str(running.config.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._in: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        self._out: IO[bytes] = self._process.stdout  # type: ignore[assignment]

    def in_force(self) -> set[str] | None:
        """Addresses whose block has more than two seconds to go; None while the stream is away."""
        self._in.write(b"\n")
        self._in.flush()
        return msgspec.json.decode(self._out.readline(), type=set[str] | None)

    def stop(self) -> None:
        """End it."""
        self._in.close()
        self._process.wait(10)


def inside_it(namespace: str, running: Hive, function: str) -> str:
    """What a function of this module prints inside the namespace, where the stream is."""
    command = [*inside(namespace), sys.executable, "-c", SCRIPT.format(function), str(running.config.path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def print_decided(path: str) -> None:
    """Print each blocked address and the end of its block."""
    async with stream_of(path) as stream:
        blocks = Blocks()
        await blocks.read(stream)
        print("\n".join(f"{address} {until}" for address, until in blocks.ends.items()))


async def follow(path: str) -> None:
    """For each line that comes, print as JSON the addresses whose block has more than two seconds to go."""
    async with stream_of(path) as stream:
        blocks = Blocks()
        while await asyncio.to_thread(sys.stdin.readline):
            try:
                await blocks.read(stream)
            except (Refused, Unreachable):
                print("null", flush=True)
                continue
            soon = time.time_ns() + 2_000_000_000
            left = [address for address, until in blocks.ends.items() if until > soon]
            print(msgspec.json.encode(left).decode(), flush=True)


class Blocks:
    """The addresses that the ledger blocked and never lifted: ``ends``, the end of their latest block (UTC ns)."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self._next = 1

    async def read(self, stream: Stream) -> None:
        """Take what came since."""
        async with contextlib.aclosing(stream.history(subjects.LEDGER, start=self._next)) as history:
            async for stored in history:
                self._next = stored.sequence + 1
                match decode_entry(stored.data):
                    case Decided(decision=decision) | Extended(decision=decision):
                        self.ends[decision.target.value] = decision.until
                    case Revoked(target=target):
                        self.ends.pop(target.value, None)
                    case _:
                        pass


@contextlib.asynccontextmanager
async def stream_of(path: str) -> AsyncIterator[Stream]:
    """The installation's stream."""
    address = address_of(load(Path(path)))
    stream = await connect(address.url, "bench", credential=address.credential)
    try:
        yield stream
    finally:
        await stream.close()


async def print_duplicates(path: str) -> None:
    """Print how many findings there are and how many ids are stored more than once."""
    async with stream_of(path) as stream:
        seen = Counter(
            [f.id async for stored in stream.history(subjects.FINDINGS) for f in findings.decode(stored.data)]
        )
        print(sum(seen.values()), sum(count - 1 for count in seen.values()))


def settle(namespace: str, ledger: Ledger) -> tuple[float, int]:
    """Seconds until nothing that the ledger says is blocked was missing in the kernel any more, and how many that were.

    It is looked at for :data:`WATCH_SECONDS` at least: what was killed is missed only when something new is decided.
    """
    start = time.monotonic()
    settled = 0.0
    while (now := time.monotonic() - start) < DRIFT_LIMIT_SECONDS:
        wanted = ledger.in_force()
        if wanted is None or wanted - kernel(namespace):
            settled = time.monotonic() - start
        elif now >= WATCH_SECONDS:
            return settled, len(wanted)
        time.sleep(0.2)
    return DRIFT_LIMIT_SECONDS, 0


def main() -> None:
    """Run it and print the figures."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    chance = random.Random(11)
    victims: Counter[str] = Counter()
    longest = 0.0
    with hosts("all") as names, tempfile.TemporaryDirectory() as folder:
        namespace = names["all"]
        run("ip", "-n", namespace, "route", "add", "local", "198.18.0.0/16", "dev", "lo")
        acknowledged = Path(folder) / "acknowledged"
        with hive(SETTINGS, prefix=inside(namespace)) as running:
            running.start("--arm")
            ports = msgspec.json.encode({kind: PORTS[kind] for kind in ("http", "redis", "telnet")}).decode()
            seconds = kills * (EVERY_SECONDS + DRIFT_LIMIT_SECONDS)  # it is ended after the last kill
            generator = subprocess.Popen(
                [
                    *inside(namespace),
                    sys.executable,
                    "-m",
                    "bench.load",
                    str(RATE),
                    str(seconds),
                    str(SOURCES),
                    ports,
                    BASE,
                    TARGET,
                    str(acknowledged),
                ],
                stdout=subprocess.PIPE,
            )
            ledger = Ledger(namespace, running)
            while not ledger.in_force():
                time.sleep(0.1)  # nobody is blocked yet
            for number in range(kills):
                time.sleep(EVERY_SECONDS * chance.uniform(0.5, 1.0))
                processes = {
                    name: p
                    for name, p in running.processes().items()
                    if name not in {"supervisor", "console"}
                }
                name = chance.choice(sorted(processes))
                victims[name.partition(".")[0]] += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(processes[name].pid, signal.SIGKILL)
                took, count = settle(namespace, ledger)
                longest = max(longest, took)
                sys.stderr.write(f"kill {number + 1}: {name}, drift {took:.1f} s, {count} in force\n")
            ledger.stop()
            if generator.poll() is None:
                generator.send_signal(signal.SIGINT)
            generator.communicate(timeout=120)
            time.sleep(8)
            missing, hits = lost(running, namespace, acknowledged, Path(folder))
            counted = inside_it(namespace, running, "print_duplicates").split()
            looked, held = time.time_ns(), kernel(namespace)
            ends = decided(namespace, running)
            orphans = [address for address in held if ends.get(address, 0) < looked - GRACE_NS]
    report(
        lost_acknowledged=missing,
        duplicate_findings=int(counted[1]),
        drift_after_s=round(longest, 2),
        orphans=len(orphans),
        kills=kills,
        killed=dict(victims),
        hits_acknowledged=hits,
        findings=int(counted[0]),
    )


def lost(running: Hive, namespace: str, acknowledged: Path, folder: Path) -> tuple[int, int]:
    """Acknowledged hits without an event, and how many were acknowledged."""
    sent: Counter[bytes] = Counter()
    data = acknowledged.read_bytes()
    for offset in range(0, len(data) - 5, 6):
        sent[data[offset : offset + 6]] += 1
    table = folder / "seen.parquet"
    sql = (
        "SELECT source_ip, source_port, count(DISTINCT connection) AS n FROM interaction "
        "WHERE kind IN ('RequestReceived', 'CommandRun', 'CredentialTried') GROUP BY ALL"
    )
    answer = subprocess.run(
        [
            *inside(namespace),
            sys.executable,
            "-m",
            "propolis",
            "hunt",
            sql,
            "--output",
            "parquet",
            "--to",
            str(table),
            "--limit",
            "100000000",
            "--config",
            str(running.config.path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError(answer.stderr)
    rows = pq.read_table(table).to_pydict()
    seen = Counter(
        {
            bytes(map(int, ip.split("."))) + port.to_bytes(2, "big"): n
            for ip, port, n in zip(rows["source_ip"], rows["source_port"], rows["n"], strict=True)
        }
    )
    return sum((sent - seen).values()), sum(sent.values())


if __name__ == "__main__":
    main()
