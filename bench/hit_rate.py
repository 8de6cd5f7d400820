"""What a hit costs, and how many a second: real connections through sensors, stream, detection, findings and archive.

Method. A whole installation (`propolis up`, every stage its own process, every write synced to disk, console and
dry-run enforcer included) on this machine, and the load generator (bench.load) on it too, from 20,000 loopback
sources. One in ten attacks (an HTTP exploit, a Redis takeover or a telnet log-in), the others send ordinary HTTP
requests or a Redis INFO. A hit is a new connection with one request or log-in attempt, acknowledged when the decoy's
whole answer came.

CPU per hit is user and system time of all our processes (the stream's server and the supervisor too; not the load
generator) over a run at 8,700 hits/s, by acknowledged hits. hit -> finding is `found - last_seen` (the hit that
completed the evidence) of every finding of the run. Lost is acknowledged hits less what the lake and the stream hold,
by protocol, after the run. Medians of the runs. The highest rate is raised in steps of 10 s until the generator falls
behind, hits fail, or p99 passes 250 ms.

Usage: python -m bench.hit_rate [RUNS [SECONDS]]; 5 runs of 60 s by default.
"""

import asyncio
import subprocess
import sys
import time
from statistics import median

import msgspec

from bench.hive import PORTS, Hive, hive, report
from propolis import findings
from propolis.measure import spread
from propolis.stream import connect, subjects

RATE = 8_700
SOURCES = 20_000
WARM_SECONDS = 5
STEP = 500
STEP_SECONDS = 10
P99_MS = 250.0
KINDS = {"http": "RequestReceived", "redis": "CommandRun", "telnet": "CredentialTried"}
SETTINGS = """
[sensors]
workers = 1
[lake]
flush_seconds = 10.0
"""


class Load(msgspec.Struct, frozen=True):
    """What the generator said."""

    started: int
    acknowledged: dict[str, int]
    failed: int
    seconds: float
    cpu_seconds: float

    @property
    def hits(self) -> int:
        """All acknowledged hits."""
        return sum(self.acknowledged.values())


def load(rate: float, seconds: float, turn: int = 0) -> Load:
    """Run the generator, from addresses of its own for each ``turn``: their findings are new ones."""
    ports = msgspec.json.encode({kind: PORTS[kind] for kind in KINDS}).decode()
    base = f"127.{10 + turn % 40}.0.0"
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", str(rate), str(seconds), str(SOURCES), ports, base],
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Load)


def delays(running: Hive, since: int) -> list[int]:
    """Nanoseconds from first packet to finding, of findings after ``since`` (UTC ns)."""

    async def look() -> list[int]:
        stream = await connect(running.address.url, "bench", credential=running.address.credential)
        try:
            return [
                finding.found - finding.last_seen
                async for stored in stream.history(subjects.FINDINGS)
                for finding in findings.decode(stored.data)
                if finding.first_seen >= since
            ]
        finally:
            await stream.close()

    return asyncio.run(look())


def recorded(running: Hive) -> dict[str, int]:
    """Hits by protocol that the lake and the stream hold."""
    sql = "SELECT lure, kind, count(DISTINCT connection) AS n FROM interaction GROUP BY ALL"
    answer = running.run("hunt", sql, "--output", "json")
    rows = [msgspec.json.decode(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    if not rows:
        rows = msgspec.json.decode(answer.stdout)
    return {
        lure: sum(row["n"] for row in rows if row["lure"] == lure and row["kind"] == kind)
        for lure, kind in KINDS.items()
    }


def main() -> None:
    """Run it and print the figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    costs: list[float] = []
    p99s: list[float] = []
    by_stage: dict[str, list[float]] = {}
    acknowledged: dict[str, int] = dict.fromkeys(KINDS, 0)
    reached: list[float] = []
    memory: dict[str, dict[str, float]] = {}
    with hive(SETTINGS) as running:
        running.start()
        warm = load(RATE / 4, WARM_SECONDS)
        _add(acknowledged, warm)
        for number in range(runs):
            since, before = time.time_ns(), running.cpu_seconds()
            done = load(RATE, seconds, number + 1)
            after = running.cpu_seconds()
            _add(acknowledged, done)
            costs.append(sum(after[name] - before[name] for name in after) / done.hits * 1e6)
            for name in after:
                by_stage.setdefault(name, []).append((after[name] - before[name]) / done.hits * 1e6)
            p99s.append(spread(delays(running, since)).p99)
            reached.append(done.hits / done.seconds)
            memory = running.memory()
            cost, rate, late = costs[-1], reached[-1], p99s[-1]
            sys.stderr.write(
                f"run {number + 1}: {cost:.1f} us/hit, {rate:.0f} hits/s, p99 {late:.0f} ms, failed {done.failed}\n"
            )
        highest = _highest(running, acknowledged)
        time.sleep(3)
        held = recorded(running)
    report(
        cpu_us_per_hit=round(median(costs), 1),
        p99_ms_at_8700=round(median(p99s), 1),
        hits_per_s_at_8700=round(median(reached)),
        max_hits_per_s=highest,
        rss_mb=round(sum(part["rss"] for part in memory.values())),
        pss_mb=round(sum(part["pss"] for part in memory.values())),
        lost=sum(max(0, acknowledged[kind] - held[kind]) for kind in KINDS),
        acknowledged=acknowledged,
        recorded=held,
        cpu_us_by_stage={name: round(median(values), 1) for name, values in by_stage.items()},
        rss_mb_by_stage={name: round(part["rss"]) for name, part in memory.items()},
    )


def _add(acknowledged: dict[str, int], done: Load) -> None:
    for kind, count in done.acknowledged.items():
        acknowledged[kind] += count


def _highest(running: Hive, acknowledged: dict[str, int]) -> int:
    """The highest rate in steps that was sustained; 0 if not even 8,700 was."""
    highest = 0
    rate = RATE
    while True:
        since = time.time_ns()
        done = load(rate, STEP_SECONDS, rate // STEP)
        _add(acknowledged, done)
        kept_up = done.hits >= 0.99 * rate * STEP_SECONDS and done.seconds < STEP_SECONDS * 1.1
        p99 = spread(delays(running, since)).p99
        sys.stderr.write(
            f"{rate}/s: {done.hits / done.seconds:.0f} reached, p99 {p99:.0f} ms, failed {done.failed}\n"
        )
        if not kept_up or p99 > P99_MS:
            return highest
        highest = rate
        rate += STEP


if __name__ == "__main__":
    main()
