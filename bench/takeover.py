"""SIGKILL the detector that owns a lane, under load, again and again: findings against those of an undisturbed run.

Method. A stream server that syncs every write, two ``propolis detect`` processes as an installation starts them (a
killed one is started again at once, as the supervisor does), and a publisher of 20,000 events a second in batches of
the size sensors make: requests, log-in attempts, commands and silent connections of some 100,000 sources, of which one
in fifty attacks. Whoever owns a lane, by its heartbeat, is killed; lanes take turns.

takeover_s: from the kill until what was found in a batch that was stored after the kill is stored itself; the longest,
and the median beside it. When everything is judged, the same messages are judged once more, in order, by one engine
without any interruption: ``missing`` are ids of its findings that the stream does not have, ``twice`` ids that the
stream has more than once, ``foreign`` ids that only the stream has.

Usage: python -m bench.takeover [KILLS]; 20 by default.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from bench.decoy import Brook, brook
from bench.hive import report
from propolis import findings
from propolis.clock import SystemClock
from propolis.config import Config, load
from propolis.detection import Engine
from propolis.detection.rules import load as rules
from propolis.detection.stage import Detecting, follow
from propolis.errors import CodecError
from propolis.events import (
    CommandRun,
    Connection,
    ConnectionOpened,
    CredentialTried,
    Event,
    Interaction,
    RequestReceived,
    pack,
    shard_of,
)
from propolis.events.interaction import encode, to_batch
from propolis.stream import Stream, connect, subjects
from propolis.stream.heartbeat import decode

RATE: Final = 20_000
ROWS: Final = 500
"""Of one batch before it is cut into lanes: what a sensor gathers at such a rate."""
SOURCES: Final = 100_000
ATTACKERS: Final = 50
"""One source in so many attacks."""
WORKERS: Final = 2
CALM_SECONDS: Final = 6.0
"""Between two kills; longer than a checkpoint lasts, so that some kills fall on much and some on little to catch up."""
GIVE_UP_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.02

PATHS: Final = (
    "/",
    "/robots.txt",
    "/favicon.ico",
    "/login",
    "/search?q=a",
    "/static/app.js",
    "/images/logo.png",
)
EXPLOITS: Final = (
    "/index.php?s=/index/\\think\\app/invokefunction&function=call_user_func_array&vars[0]=system&vars[1][]=id",
    "/cgi-bin/luci/;stok=/locale?form=country&operation=write&country=$(id>/tmp/a)",
    "/search?q=1%27%20UNION%20SELECT%20user,password%20FROM%20users--",
    "/../../../../etc/passwd",
)


class Publisher:
    """Sends batches at :data:`RATE`; ``stored`` is the sequence of the latest message that the stream has, by lane."""

    def __init__(self, stream: Stream, lanes: int) -> None:
        self._stream = stream
        self.lanes = lanes
        self._chance = random.Random(20_000)
        self._sources = [pack(f"198.18.{n >> 8 & 255}.{n & 255}") for n in range(65_536)]
        self._sources += [pack(f"198.19.{n >> 8 & 255}.{n & 255}") for n in range(SOURCES - 65_536)]
        self._turn = 0
        self.events = 0
        self.stored: dict[int, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        began, sent = time.monotonic(), 0
        while True:
            await self.send()
            sent += ROWS
            await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))

    async def send(self) -> None:
        """One batch, stored."""
        by_lane: dict[int, list[Interaction]] = {}
        for _ in range(ROWS):
            row = self._row()
            by_lane.setdefault(subjects.lane_of(row.connection.shard, self.lanes), []).append(row)
        self._turn += 1
        for lane, rows in sorted(by_lane.items()):
            data = encode(to_batch(rows))
            self.stored[lane] = await self._stream.insist(
                subjects.events("interaction", lane), data, message_id=f"bench.{self._turn}.{lane}"
            )
            self.events += len(rows)

    def _row(self) -> Interaction:
        chance = self._chance
        number = chance.randrange(SOURCES)
        source, now = self._sources[number], time.time_ns()
        lure, event = self._event(number)
        place = Connection(
            chance.randbytes(16), now, "bench", lure, source, 40_000, pack("192.0.2.1"), 80, shard_of(source)
        )
        return Interaction(now, place, 0, event)

    def _event(self, number: int) -> tuple[str, Event]:
        chance = self._chance
        if number % ATTACKERS:
            if number % 7 == 0:
                return chance.choice(("tcp", "ssh", "redis", "http")), ConnectionOpened()
            return "http", _request(chance.choice(PATHS))
        match number // ATTACKERS % 3:
            case 0:
                return "http", _request(chance.choice(EXPLOITS))
            case 1:
                return "ssh", CredentialTried("root", f"pass{chance.randrange(97)}")
            case _:
                return "redis", CommandRun("CONFIG SET dir /var/spool/cron")


def _request(path: str) -> RequestReceived:
    raw = f"GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: bench\r\n\r\n".encode()
    return RequestReceived("GET", path, "192.0.2.1", "bench", raw, len(raw))


class Detectors:
    """The processes, by number of worker."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._log = (config.parent / "log").open("ab")
        self._running = {index: self._start(index) for index in range(WORKERS)}

    def _start(self, index: int) -> "subprocess.Popen[bytes]":
        command = ["-m", "propolis", "detect", "--worker", str(index), "--config", str(self._config)]
        return subprocess.Popen([sys.executable, *command], stdout=self._log, stderr=self._log)

    def kill(self, pid: int) -> None:
        """SIGKILL this process, and start another in its place."""
        for index, process in self._running.items():
            if process.pid == pid:
                os.kill(pid, signal.SIGKILL)
                process.wait()
                self._running[index] = self._start(index)

    def stop(self) -> None:
        """End them all."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def main() -> None:
    """Measure, and print the figures."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with brook() as stream, tempfile.TemporaryDirectory(prefix="propolis-takeover-") as folder:
        path = Path(folder) / "propolis.toml"
        path.write_text(
            f'[stream]\nurl = "{stream.url}"\ncredentials = "{stream.credential}"\n'
            f"[detection]\nworkers = {WORKERS}\n"
        )
        asyncio.run(_measure(stream, load(path), kills))


async def _measure(place: Brook, config: Config, kills: int) -> None:
    stream = await connect(place.url, "bench", credential=place.credential)
    publisher = Publisher(stream, config.stream.lanes)
    detectors = Detectors(config.path)
    taken: list[float] = []
    try:
        await _all_owned(stream, publisher)
        began = time.monotonic()
        sending = asyncio.create_task(publisher.run(), name="publish")
        for number in range(kills):
            await asyncio.sleep(CALM_SECONDS)
            lane = number % config.stream.lanes
            detectors.kill(await _owner(stream, lane))
            taken.append(await _judged_again(stream, lane, publisher.stored[lane]))
            sys.stderr.write(f"kill {number + 1}: lane {lane} judged again after {taken[-1]:.2f} s\n")
        seconds = time.monotonic() - began
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await _judged_all(stream, config.stream.lanes)
    finally:
        detectors.stop()
    sys.stderr.write("judging everything once more, undisturbed\n")
    wanted = {finding async for finding in _undisturbed(stream, config)}
    stored = Counter(
        [f.id async for one in stream.history(subjects.FINDINGS) for f in findings.decode(one.data)]
    )
    await stream.close()
    report(
        missing=len(wanted - stored.keys()),
        twice=sum(count - 1 for count in stored.values()),
        takeover_s=round(max(taken), 2),
        takeover_p50_s=round(median(taken), 2),
        foreign=len(stored.keys() - wanted),
        kills=kills,
        findings=len(stored),
        events=publisher.events,
        events_per_s=round(publisher.events / seconds),
    )


async def _owners(stream: Stream) -> dict[int, int]:
    """The process that owns each lane, as the latest heartbeats have it."""
    owners: dict[int, tuple[int, int]] = {}
    async for stored in stream.keys(subjects.SENSORS):
        with contextlib.suppress(CodecError):
            beat = decode(stored)
            for lane in beat.figures.get("lanes", ()):
                owners[lane] = max(owners.get(lane, (0, 0)), (beat.time, beat.pid))
    return {lane: pid for lane, (_, pid) in owners.items()}


async def _all_owned(stream: Stream, publisher: Publisher) -> None:
    """Wait until the detectors live; a lane is taken with its first message, so some are sent."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while len(await _owners(stream)) < publisher.lanes:
            await publisher.send()
            await asyncio.sleep(0.5)


async def _owner(stream: Stream, lane: int) -> int:
    """The process that owns a lane and lives."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            pid = (await _owners(stream)).get(lane, 0)
            if pid and psutil.pid_exists(pid):
                return pid
            await asyncio.sleep(0.2)


async def _judged_again(stream: Stream, lane: int, behind: int) -> float:
    """Seconds until something is found in a message of this lane behind that sequence."""
    began = time.monotonic()
    while time.monotonic() - began < GIVE_UP_SECONDS:
        found = await stream.last(subjects.FINDINGS, subjects.findings(lane))
        if found and int(found.headers[subjects.SEQUENCE]) > behind:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_SECONDS)
    raise RuntimeError(f"nobody judges lane {lane}")


async def _judged_all(stream: Stream, lanes: int) -> None:
    """Wait until every message is judged and acknowledged."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        for lane in range(lanes):
            while True:
                info = await stream.api(f"CONSUMER.INFO.{subjects.EVENTS}.detect-{lane}")
                if not info["num_pending"] and not info["num_ack_pending"]:
                    break
                await asyncio.sleep(0.2)


async def _undisturbed(stream: Stream, config: Config) -> AsyncIterator[str]:
    """Ids of what one engine finds that nothing interrupts."""
    engine = Engine(rules(), max_sources=config.detection.max_sources)
    await follow(config, stream, engine)
    work = Detecting(engine, SystemClock())
    for lane in range(config.stream.lanes):
        state = work.fresh()
        async for stored in stream.history(subjects.EVENTS, subject=f"events.*.{lane}"):
            found, state = work.step(stored, state)
            for finding in findings.decode(found) if found else ():
                yield finding.id


if __name__ == "__main__":
    main()
