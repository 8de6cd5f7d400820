"""How many flows a second one core judges with every counter over flows, and what a tracked source costs in memory.

Method: batches of 65,536 flows are made before the clock runs: 100,000 sources, chosen as popular as the n-th of them
is by Zipf's law; nine in ten revisit one of the source's eight services, the rest meet a new one; 2 % of those to
known services and half of those to new ones fail; time runs on by a second a batch. One in fifty sources only scans.
The engine has all rules about flows, and its table has room for all sources. ``flow_rows_per_s_core`` is rows by
process CPU time of ``CounterEngine.step`` (reading the Arrow batch and writing the findings included), the best of
several passes over as many batches each, none seen twice; the median is beside it. ``..._1m_sources`` is the same with
a million sources in the table, all equally popular, which no cache can hold. ``rss_mb_1m_sources`` is the resident
memory that a child process gained from an empty engine to one that tracks a million, in units of 10^6 bytes.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import psutil
import pyarrow as pa

from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import FLOW, CounterEngine, State, load
from propolis.events import pack
from propolis.events.flow import MAX_ROWS, OUTCOMES, SCHEMA

NOW = 1_700_000_000 * SECOND
SERVICES = 8
SOURCES = 100_000
MANY = 1_000_000
ONE_SCANS = 50


def engine(max_keys: int) -> CounterEngine:
    """All rules about flows; the seed makes every run the same."""
    return CounterEngine(FLOW, load(), max_keys=max_keys, entropy=random.Random(1))


def batch(chance: np.random.Generator, source: np.ndarray, begin: int) -> pa.RecordBatch:
    """A batch of flows of these sources (numbers), over a second."""
    rows = len(source)
    scans = source % ONE_SCANS == 0
    new = scans | (chance.random(rows) < 0.1)
    service = np.where(new, chance.integers(SERVICES, 1 << 20, rows), chance.integers(0, SERVICES, rows))
    target = (source * 7 + service).astype(np.uint64) % (1 << 24)
    port = np.where(scans, 23, np.array([443, 80, 22, 53, 25, 8443, 5432, 123])[service % SERVICES])
    failed = scans | (chance.random(rows) < np.where(new, 0.5, 0.02))
    refused, fine = OUTCOMES.index("refused"), OUTCOMES.index("established")
    times = begin + np.sort(chance.integers(0, SECOND, rows))
    plain = {
        "time": times,
        "end": times,
        "shard": np.zeros(rows, np.uint8),
        "source_port": chance.integers(1_024, 65_536, rows).astype(np.uint16),
        "target_port": port.astype(np.uint16),
        "protocol": np.full(rows, 6, np.uint8),
        "outcome": np.where(failed, refused, fine).astype(np.uint8),
        "evidence_class": np.ones(rows, np.uint8),
        **{
            f"{side}_{what}": np.ones(rows, np.int64)
            for side in ("source", "target")
            for what in ("packets", "bytes")
        },
    }
    wide = {"id": np.arange(rows), "source_ip": source, "target_ip": target}
    columns = []
    for field in SCHEMA:
        if field.name in wide:
            data = sixteen(wide[field.name])
        elif field.name == "sensor":
            columns.append(pa.repeat(pa.scalar("border"), rows))
            continue
        else:
            data = np.ascontiguousarray(plain[field.name])
        columns.append(pa.Array.from_buffers(field.type, rows, [None, pa.py_buffer(data)]))
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def sixteen(numbers: np.ndarray) -> np.ndarray:
    """Numbers as addresses below 10.0.0.0/8 and beyond, IPv4 mapped."""
    made = np.zeros((len(numbers), 16), np.uint8)
    made[:, :12] = np.frombuffer(pack("10.0.0.0"), np.uint8)[:12]
    made[:, 12:] = (numbers.astype(np.uint64) + (10 << 24)).astype(">u4").view(np.uint8).reshape(-1, 4)
    return made


def popular(chance: np.random.Generator, rows: int) -> np.ndarray:
    """Ranks by Zipf's law (exponent 1), up to :data:`SOURCES`."""
    shares = np.cumsum(1 / np.arange(1, SOURCES + 1))
    return np.searchsorted(shares / shares[-1], chance.random(rows))


def fill(judge: CounterEngine, chance: np.random.Generator) -> State:
    """A state that has met a million sources, each once."""
    state, everybody = judge.fresh(), chance.permutation(MANY)
    for start in range(0, MANY, MAX_ROWS):
        judge.step(batch(chance, everybody[start : start + MAX_ROWS], NOW), state, NOW, 1)
    return state


def rates(
    judge: CounterEngine, state: State, make: Callable[[int], pa.RecordBatch], given: argparse.Namespace
) -> list[float]:
    """Rows per second of CPU, a pass each; ``make`` makes the nth batch."""
    figures = []
    for start in range(0, given.passes * given.batches, given.batches):
        batches = [make(number) for number in range(start, start + given.batches)]
        begun = time.process_time_ns()
        for each in batches:
            judge.step(each, state, NOW, 1)
        figures.append(sum(each.num_rows for each in batches) * 1e9 / (time.process_time_ns() - begun))
    return figures


def memory() -> float:
    """Resident bytes gained by tracking a million sources, in 10^6."""
    chance = np.random.default_rng(1)
    judge = engine(MANY)
    judge.step(
        batch(chance, np.arange(64), NOW), engine(64).fresh(), NOW, 1
    )  # what kernels need is not a source's
    everybody = chance.permutation(MANY)
    before = psutil.Process().memory_info().rss
    state = judge.fresh()
    for start in range(0, MANY, 4_096):
        judge.step(batch(chance, everybody[start : start + 4_096], NOW), state, NOW, 1)
    pa.default_memory_pool().release_unused()
    if state.count != MANY:
        raise SystemExit(f"{state.count} sources are tracked, not {MANY}")
    return (psutil.Process().memory_info().rss - before) / 1e6


def main() -> None:
    """Measure and print one JSON object as the last line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--batches", type=int, default=16)
    arguments.add_argument("--passes", type=int, default=5)
    arguments.add_argument("--memory", action="store_true", help="only the memory; used for the child")
    given = arguments.parse_args()
    if given.memory:
        print(json.dumps({"rss_mb": memory()}))
        return
    chance = np.random.default_rng(1)
    judge, shuffled = engine(SOURCES), chance.permutation(SOURCES)
    state = judge.fresh()
    judge.step(batch(chance, shuffled, NOW), state, NOW, 1)  # kernels are loaded, and every source is known
    usual = rates(
        judge, state, lambda n: batch(chance, shuffled[popular(chance, MAX_ROWS)], NOW + n * SECOND), given
    )
    judge = engine(MANY)
    state = fill(judge, chance)
    wide = rates(
        judge, state, lambda n: batch(chance, chance.integers(0, MANY, MAX_ROWS), NOW + n * SECOND), given
    )
    child = subprocess.run(
        [sys.executable, "-m", "bench.flow_speed", "--memory"], capture_output=True, text=True, check=True
    )
    figures = {
        "bench": "flow_speed",
        "flow_rows_per_s_core": round(max(usual)),
        "flow_rows_per_s_core_median": round(statistics.median(usual)),
        "flow_rows_per_s_core_1m_sources": round(max(wide)),
        "rss_mb_1m_sources": round(json.loads(child.stdout.splitlines()[-1])["rss_mb"], 1),
        "state_bytes_a_source": round(state.nbytes / MANY, 1),
        "rules": len(judge.rules),
        "clock": "process CPU",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
