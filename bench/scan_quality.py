"""How many scanners are found, after how many connections, and how many ordinary sources are taken for one.

Method: everything runs through ``CounterEngine`` with the rules that come with Propolis; a source is found if any rule
of grade *scan* fires for it. Real: each capture and log of labelled port scans is judged alone; its scanner is the
source with the most flows in it (``--data``, default ``../shared/data``). Unlabelled malware and mixed captures are
judged too, and who was flagged in them is listed, but counts nowhere: nobody says who in them scans. Generated, by the
seed: ordinary sources (:data:`ORDINARY`: their shares, and what each does in a day) and scanners (:data:`SCANNERS`),
all in one day, in order of time, in batches. Among the ordinary are the kinds that sequential tests are known to
mistake: mail servers that meet dead exchangers, crawlers, monitors of hosts that are down, clients that ask a dead
server all day, clients whose network fails, peer-to-peer clients. ``false_by_kind`` tells them apart. Peers that all
have one port and of which most are gone look as a scan does to this test; they are as rare here as among all hosts
(some ten thousand to a thousand million), and ``beyond`` says how many of a hundred are taken for scanners.
Connections until the verdict count all of a scanner's flows.
"""

import argparse
import json
import random
import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bench.flow_files import argus, capture, zeek
from bench.flow_speed import sixteen
from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import FLOW, KEY, CounterEngine, load
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.rekey import of_flows
from propolis.events import pack, unpack
from propolis.events.flow import MAX_ROWS, OUTCOMES, SCHEMA, Flow, to_batch
from propolis.findings import Finding

DAY = 86_400
NOW = 1_700_006_400
FINE, REFUSED, SILENT = (OUTCOMES.index(name) for name in ("established", "refused", "no answer"))
Array = np.ndarray[Any, np.dtype[Any]]


class Day(NamedTuple):
    """What one source did: seconds of the day, targets (numbers), ports, whether each was there."""

    seconds: Array
    target: Array
    port: Array
    there: Array


def _day(seconds: Array, target: Array, port: Array | int, there: Array) -> Day:
    return Day(np.sort(seconds), target, np.broadcast_to(port, seconds.shape), there)


def client(r: np.random.Generator) -> Day:
    """5 to 60 services, web by nine in ten, each up to six times; one in fifty is not there."""
    services = r.integers(5, 60)
    chosen = r.integers(0, services, r.integers(services, 6 * services))
    up = r.random(services) > 0.02
    port = r.choice([443, 443, 443, 443, 443, 443, 80, 80, 80, 993], services)
    return _day(
        r.uniform(0, DAY, len(chosen)), r.integers(0, 1 << 22, services)[chosen], port[chosen], up[chosen]
    )


def mail_server(r: np.random.Generator) -> Day:
    """60 to 300 exchangers, of which one in twelve is gone; each up to three times."""
    hosts = r.integers(60, 300)
    chosen = r.integers(0, hosts, 3 * hosts)
    up = r.random(hosts) > 0.08
    return _day(r.uniform(0, DAY, len(chosen)), r.integers(0, 1 << 22, hosts)[chosen], 25, up[chosen])


def crawler(r: np.random.Generator) -> Day:
    """200 to 1,500 web servers, of which one in ten is gone."""
    hosts = r.integers(200, 1_500)
    return _day(
        r.uniform(0, DAY, hosts),
        r.integers(0, 1 << 22, hosts),
        r.choice([80, 443], hosts),
        r.random(hosts) > 0.1,
    )


def monitor(r: np.random.Generator) -> Day:
    """10 to 80 hosts on one to three ports, every half hour; one host in thirty is down all day."""
    hosts, ports = (
        r.integers(10, 80),
        r.choice([22, 80, 443, 3306, 5432, 8080], r.integers(1, 4), replace=False),
    )
    pairs = np.array([(host, port) for host in range(hosts) for port in ports])
    rounds = np.repeat(np.arange(0, DAY, 1_800.0), len(pairs)) + r.uniform(0, 60, 48 * len(pairs))
    target, port = np.tile(pairs[:, 0], 48), np.tile(pairs[:, 1], 48)
    up = (r.random(hosts) > 1 / 30)[target]
    order = np.argsort(rounds, kind="stable")
    return Day(rounds[order], target[order] + r.integers(0, 1 << 20), port[order], up[order])


def misled(r: np.random.Generator) -> Day:
    """A client that also asks one to three dead services several hundred times."""
    usual, dead = client(r), r.integers(1, 4)
    again = r.integers(0, dead, r.integers(200, 900))
    target, port = r.integers(0, 1 << 22, dead)[again], r.choice([445, 515, 3389, 8530], dead)[again]
    seconds = np.concatenate([usual.seconds, np.sort(r.uniform(0, DAY, len(again)))])
    order = np.argsort(seconds, kind="stable")
    there = np.concatenate([usual.there, np.zeros(len(again), np.bool_)])
    return Day(
        seconds[order],
        np.concatenate([usual.target, target])[order],
        np.concatenate([usual.port, port])[order],
        there[order],
    )


def cut_off(r: np.random.Generator) -> Day:
    """A client whose network fails for a while: nothing is there then, and up to four services are new."""
    usual = client(r)
    begin = r.uniform(0, DAY - 1_800)
    gone = (usual.seconds > begin) & (usual.seconds < begin + 1_800)
    extra = r.integers(2, 5)
    seconds = np.concatenate([usual.seconds, np.sort(r.uniform(begin, begin + 1_800, extra))])
    order = np.argsort(seconds, kind="stable")
    return Day(
        seconds[order],
        np.concatenate([usual.target, r.integers(0, 1 << 22, extra)])[order],
        np.concatenate([usual.port, np.full(extra, 443)])[order],
        np.concatenate([usual.there & ~gone, np.zeros(extra, np.bool_)])[order],
    )


def peer(r: np.random.Generator) -> Day:
    """50 to 500 peers on ports of their own; 40 to 70 in a hundred are gone."""
    peers = r.integers(50, 500)
    gone = r.uniform(0.4, 0.7)
    return _day(
        r.uniform(0, DAY, peers),
        r.integers(0, 1 << 22, peers),
        r.integers(1_024, 65_536, peers),
        r.random(peers) > gone,
    )


def fixed_port_peer(r: np.random.Generator) -> Day:
    """The same on one port."""
    day = peer(r)
    return day._replace(port=np.full(len(day.port), 8_333))


ORDINARY: tuple[tuple[Callable[[np.random.Generator], Day], float], ...] = (
    (client, 0.87998),
    (mail_server, 0.02),
    (crawler, 0.005),
    (monitor, 0.015),
    (misled, 0.04),
    (cut_off, 0.03),
    (peer, 0.01),
    (fixed_port_peer, 0.00002),
)
"""Kinds of ordinary sources, and the share of each."""


def sweep(r: np.random.Generator) -> Day:
    """One port on 12 to 2,000 targets within minutes; 0 to 10 in a hundred are there."""
    targets = r.integers(12, 2_000)
    there = r.random(targets) < r.uniform(0, 0.1)
    return _day(
        r.uniform(0, r.uniform(5, 900), targets),
        r.integers(0, 1 << 22, targets),
        r.choice([22, 23, 445, 3389, 5900]),
        there,
    )


def lucky_sweep(r: np.random.Generator) -> Day:
    """The same in a network where 20 to 30 in a hundred have that port."""
    targets = r.integers(80, 500)
    there = r.random(targets) < r.uniform(0.2, 0.3)
    return _day(r.uniform(0, 900, targets), r.integers(0, 1 << 22, targets), r.choice([22, 443, 445]), there)


def port_scan(r: np.random.Generator) -> Day:
    """15 to 1,000 ports of one target; up to five in a hundred are open."""
    ports = r.choice(65_535, r.integers(15, 1_000), replace=False) + 1
    there = r.random(len(ports)) < r.uniform(0, 0.05)
    return _day(
        r.uniform(0, r.uniform(1, 900), len(ports)), np.full(len(ports), r.integers(0, 1 << 22)), ports, there
    )


def block_scan(r: np.random.Generator) -> Day:
    """Five ports of each of 10 to 200 targets, one after the other or all mixed; up to five in a hundred open."""
    targets = r.integers(10, 200)
    target, port = np.repeat(r.integers(0, 1 << 22, targets), 5), np.tile([21, 22, 23, 80, 443], targets)
    order = r.permutation(5 * targets) if r.random() < 0.5 else np.arange(5 * targets)
    return _day(
        r.uniform(0, 900, 5 * targets), target[order], port[order], r.random(5 * targets) < r.uniform(0, 0.05)
    )


def random_scan(r: np.random.Generator) -> Day:
    """60 to 1,000 targets and ports at random; one in a hundred is there."""
    tries = r.integers(60, 1_000)
    return _day(
        r.uniform(0, 900, tries),
        r.integers(0, 1 << 22, tries),
        r.integers(1, 65_536, tries),
        r.random(tries) < 0.01,
    )


def slow_scan(r: np.random.Generator) -> Day:
    """One probe every one to three hours, on one port or on changing ones; none is there."""
    seconds = np.cumsum(r.uniform(3_600, 10_800, 40))
    seconds = seconds[seconds < DAY]
    ports = np.full(len(seconds), 22) if r.random() < 0.5 else r.integers(1, 10_000, len(seconds))
    return _day(seconds, r.integers(0, 1 << 22, len(seconds)), ports, np.zeros(len(seconds), np.bool_))


def infected_client(r: np.random.Generator) -> Day:
    """A client that goes on working while a worm on it looks for one port on 100 to 600 targets."""
    usual, targets = client(r), r.integers(100, 600)
    begin = r.uniform(0, DAY - 3_600)
    seconds = np.concatenate([usual.seconds, np.sort(r.uniform(begin, begin + 3_600, targets))])
    order = np.argsort(seconds, kind="stable")
    return Day(
        seconds[order],
        np.concatenate([usual.target, r.integers(0, 1 << 22, targets)])[order],
        np.concatenate([usual.port, np.full(targets, 445)])[order],
        np.concatenate([usual.there, r.random(targets) < 0.03])[order],
    )


SCANNERS = (sweep, lucky_sweep, port_scan, block_scan, random_scan, slow_scan, infected_client)
"""Kinds of scanners; as many of each."""


def days(kinds: list[tuple[Any, int]], seed: int) -> Iterator[tuple[str, Day]]:
    """Kind and day of each source, in the order of its number."""
    chance = np.random.default_rng(seed)
    for kind, count in kinds:
        for _ in range(count):
            yield kind.__name__, kind(chance)


def batches(made: list[tuple[str, Day]], seed: int) -> Iterator[pa.RecordBatch]:
    """All days in one order of time, the nth source being the nth address of 10.0.0.0/8 and beyond."""
    chance = np.random.default_rng(seed)
    lengths = [len(day.seconds) for _, day in made]
    seconds, target, port, there = (np.concatenate([day[n] for _, day in made]) for n in range(4))
    source = np.repeat(np.arange(len(made)), lengths)
    order = np.argsort(seconds, kind="stable")
    outcome = np.where(there, FINE, np.where(chance.random(len(there)) < 0.5, REFUSED, SILENT))
    for start in range(0, len(order), MAX_ROWS):
        yield _batch(
            *(column[order[start : start + MAX_ROWS]] for column in (source, seconds, target, port, outcome))
        )


def _batch(source: Array, seconds: Array, target: Array, port: Array, outcome: Array) -> pa.RecordBatch:
    rows = len(source)
    times = (NOW * SECOND + (seconds * SECOND).astype(np.int64)).astype(np.int64)
    made: dict[str, Any] = {
        "id": np.zeros((rows, 16), np.uint8),
        "time": times,
        "end": times,
        "source_ip": sixteen(source),
        "target_ip": sixteen(target + (1 << 24)),
        "target_port": port.astype(np.uint16),
        "protocol": np.full(rows, 6, np.uint8),
        "outcome": outcome.astype(np.uint8),
    }
    columns = [
        pa.Array.from_buffers(field.type, rows, [None, pa.py_buffer(np.ascontiguousarray(made[field.name]))])
        if field.name in made
        else pa.repeat(pa.scalar("generated" if field.name == "sensor" else 0, field.type), rows)
        for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


class Verdicts(NamedTuple):
    """When each source was found (UTC ns), and by which rule."""

    when: dict[str, int]
    rule: dict[str, str]


def judge(parts: Iterator[pa.RecordBatch], sources: int) -> tuple[Verdicts, int]:
    """Who was found, and the number of flows judged."""
    engine = CounterEngine(FLOW, load(), max_keys=sources, entropy=random.Random(1))
    state, verdicts, flows = engine.fresh(), Verdicts({}, {}), 0
    for part in parts:
        found, state = engine.step(part, state, 0, 1)
        _note(verdicts, found)
        flows += part.num_rows
    return verdicts, flows


def _note(verdicts: Verdicts, found: tuple[Finding, ...]) -> None:
    for finding in found:
        if finding.grade == "scan" and finding.source not in verdicts.when:
            verdicts.when[finding.source] = finding.last_seen
            verdicts.rule[finding.source] = finding.rule


def generated(ordinary: int, scanners: int, seed: int) -> dict[str, Any]:
    """Recall, false positives and connections until the verdict over one generated day."""
    kinds = [(kind, max(1, round(share * ordinary))) for kind, share in ORDINARY] + [
        (kind, scanners) for kind in SCANNERS
    ]
    made = list(days(kinds, seed))
    verdicts, flows = judge(batches(made, seed), len(made))
    bad = {kind.__name__ for kind in SCANNERS}
    total, found, by, connections = Counter[str](), Counter[str](), Counter[str](), []
    for number, (kind, day) in enumerate(made):
        source = unpack(sixteen(np.array([number])).tobytes())
        total[kind] += 1
        if source not in verdicts.when:
            continue
        found[kind] += 1
        if kind in bad:
            by[verdicts.rule[source]] += 1
            connections.append(
                int(((NOW * SECOND + (day.seconds * SECOND).astype(np.int64)) <= verdicts.when[source]).sum())
            )
    return {
        "flows": flows,
        "ordinary": sum(total[kind] for kind in total if kind not in bad),
        "false": sum(found[kind] for kind in found if kind not in bad),
        "false_by_kind": {kind: f"{found[kind]}/{total[kind]}" for kind in total if kind not in bad},
        "scanners": sum(total[kind] for kind in bad),
        "found": sum(found[kind] for kind in bad),
        "found_by_kind": {kind: f"{found[kind]}/{total[kind]}" for kind in total if kind in bad},
        "first_rule": dict(by),
        "connections": connections,
    }


def real(data: Path) -> dict[str, Any]:
    """The labelled scans of ``data``, and who was flagged elsewhere."""
    labelled, other, connections, unread = {}, {}, [], list[str]()
    for path in sorted((data / "flows").rglob("*")) + sorted((data / "pcaps").rglob("*scan*.pcap")):
        reader = _READERS.get("".join(path.suffixes[-1:]))
        if reader is None or (path.suffix == ".log" and path.name != "conn.log"):
            continue
        if reader is capture and not shutil.which("tshark"):
            unread.append(str(path.relative_to(data)))
            continue
        flows = sorted(reader(path), key=lambda flow: flow.time)
        if not flows:
            continue
        verdicts, _ = judge(iter([to_batch(flows)]), 100_000)
        name = str(path.relative_to(data))
        if "scan" not in name:
            other[name] = {source: verdicts.rule[source] for source in verdicts.when}
            continue
        scanner, _ = Counter(unpack(flow.source_ip) for flow in flows).most_common(1)[0]
        labelled[name] = verdicts.rule.get(scanner, "")
        if scanner in verdicts.when:
            connections.append(_until(flows, scanner, verdicts.when[scanner]))
    return {
        "labelled": labelled,
        "flagged_elsewhere": other,
        "connections": connections,
        "unread_without_tshark": unread,
    }


def _until(flows: list[Flow], source: str, when: int) -> int:
    packed = pack(source)
    return sum(flow.source_ip == packed and flow.time <= when for flow in flows)


_READERS: dict[str, Callable[[Path], Iterator[Flow]]] = {".log": zeek, ".binetflow": argus, ".pcap": capture}


def distributed(seed: int) -> dict[str, int]:
    """Campaigns of 40 sources that share a set of ports, four probes each, among sources with sets of their own."""
    chance, made, campaigns = np.random.default_rng(seed), list[tuple[str, Day]](), 20
    for campaign in range(campaigns):
        shared = _ports(chance)
        made += [(str(campaign), _probes(chance, shared)) for _ in range(40)]
    made += [("", _probes(chance, _ports(chance))) for _ in range(2_000)]
    verdicts, _ = judge(batches(made, seed), len(made))
    engine = CounterEngine(KEY, load(), max_keys=10_000, entropy=random.Random(1))
    state, found = engine.fresh(), list[Finding]()
    for part in batches(made, seed):
        findings, state = engine.step(of_flows(part, Flows(part, state.keys.key)), state, 0, 1)
        found += findings
    numbers = {unpack(sixteen(np.array([number])).tobytes()): name for number, (name, _) in enumerate(made)}
    named = [numbers[finding.source] for finding in found]
    return {
        "campaigns": campaigns,
        "found_together": len(set(named) - {""}),
        "false": named.count(""),
        "found_alone": sum(numbers[source] != "" for source in verdicts.when),
    }


def _ports(r: np.random.Generator) -> Array:
    return np.sort(r.choice(10_000, 4, replace=False)) + 1


def _probes(r: np.random.Generator, ports: Array) -> Day:
    """One probe of each port within an hour, each of another target; nobody is there."""
    return _day(r.uniform(0, 3_600, 4), r.integers(0, 1 << 22, 4), ports, np.zeros(4, np.bool_))


def main() -> None:
    """Measure and print one JSON object as the last line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--ordinary", type=int, default=50_000)
    arguments.add_argument("--scanners", type=int, default=300, help="of each kind")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    made = generated(given.ordinary, given.scanners, given.seed)
    there = real(given.data)
    beyond = list(days([(fixed_port_peer, 100)], given.seed))
    connections = made.pop("connections")
    labelled = there["labelled"]
    found = made["found"] + sum(bool(rule) for rule in labelled.values())
    figures = {
        "bench": "scan_quality",
        "scan_recall": round(found / (made["scanners"] + len(labelled)), 4),
        "scan_false_per_10k": round(10_000 * made["false"] / made["ordinary"], 2),
        "connections_until_verdict": {
            "median": statistics.median(connections),
            "p95": float(np.percentile(connections, 95)),
            "real": there["connections"],
        },
        "real": there,
        "generated": made,
        "distributed": distributed(given.seed),
        "beyond": {"fixed_port_peer": f"{len(judge(batches(beyond, given.seed), 100)[0].when)}/100"},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
