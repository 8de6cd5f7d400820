"""Requests a second of the HTTP lure on one core with 5,000 flaws loaded, every request captured and acknowledged.

Method. A real sensor process on core 0; the stream's server (every write synced to disk) and the load generator
(bench.http_load) on core 1. The catalogue is the built-in lures, those imported from the scanner templates of the
corpus, and generated ones until there are 5,000. The traffic, the same for every measurement: of ten requests five ask
for what nobody has, two are a POST of a form that means nothing, three go for one of five lures of different kinds of
weakness (GET and POST, drawn by a hash of their names) and are answered by it. Lures that wait on purpose are left out,
as waiting is no work. ``by_kind`` has the rate of each kind of request alone.

``kept``: 16 connections with 16 requests pipelined, as mass scanners send; ``fresh``: a connection for each request.
``requests_per_s`` is kept requests by CPU seconds (user and system) of the sensor process, which is what one core does
when nothing else takes it; ``requests_per_s_wall`` is by the clock, with the load generator and the stream on the other
core. Events are counted in the stream after the runs, by the sensor's name: ``events_missing`` are answers without one.
``p99_ms`` is measured apart, open loop at half the rate by the clock, one request at a time on 64 connections, counted
from when a request was due. ``growth`` is CPU per request with 5,000 lures by that with 5 (and the built-in ones,
which are always loaded).
``load_s``: start of the process until it listens; ``reload_ms``: a lure file is put into the folder, until the decoy
answers with it (the folder is looked at once a second); ``replace_ms``: one lure swapped in the catalogue alone.

Beside it, in the same run and with the same traffic: the HTTP services of OpenCanary and honeypots, pinned to core 0,
each with the best of its rates (kept with 16 or 4 requests at once, fresh), by CPU seconds of all its processes. They
log to a file, not to a synced stream, and keep less of a request. Medians of the runs.

Usage: python -m bench.http_lure [RUNS [SECONDS]]; 5 runs of 4 s by default.
"""

import asyncio
import hashlib
import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
import psutil
import pyarrow.compute as pc

from bench import http_load, peers
from bench.corpus import corpus
from bench.decoy import Brook, Decoy, brook, decoy
from bench.hive import report
from propolis.events import interaction
from propolis.flaws import packs as built_in
from propolis.flaws.check import message
from propolis.flaws.file import Flaw, load, parse, write
from propolis.flaws.index import Catalogue
from propolis.stream import connect, subjects

LURES: Final = 5_000
FEW: Final = 5
CANDIDATES: Final = 60
TURNS: Final = 25
MISSES: Final = 5
FORMS: Final = 2
HITS: Final = 3
"""Requests of each kind in a turn."""
SENSOR_CORE: Final = 0
OTHER_CORE: Final = 1
QUICK_SECONDS: Final = 0.1
GIVE_UP_SECONDS: Final = 30.0
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"
NOTHING: Final = (
    "/",
    "/robots.txt",
    "/favicon.ico",
    "/login",
    "/admin/",
    "/api/v1/status",
    "/static/js/app.4f2c.js",
    "/search?q=weather&page=2",
    "/images/logo.png",
    "/.well-known/security.txt",
)


class Cost(msgspec.Struct, frozen=True):
    """One measurement: answers by CPU second, by the clock, and how many."""

    by_cpu: float
    by_clock: float
    answered: int


def main() -> None:
    """Measure, and print the figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="propolis-lures-") as folder, brook() as stream:
        psutil.Process(stream.pid).cpu_affinity([OTHER_CORE])
        many = catalogue(Path(folder) / "imported")
        few = _few(stream, many, Path(folder) / "few")
        traffic = _traffic(few)
        _say(f"{len(many)} lures; traffic of {len(traffic)} requests")
        small, large = Path(folder) / "small", Path(folder) / "large"
        figures = _measured(
            stream, few, few, traffic, folder=small, runs=runs, seconds=seconds, is_short=True
        )
        few_cpu = figures["requests_per_s"]
        figures = _measured(stream, many, few, traffic, folder=large, runs=runs, seconds=seconds)
        others = {
            "opencanary": _peer(peers.opencanary, traffic, runs, seconds),
            "honeypots": _peer(peers.honeypots, traffic, runs, seconds),
        }
        report(
            **figures,
            requests_per_s_5_lures=few_cpu,
            growth=round(few_cpu / figures["requests_per_s"], 3),
            opencanary_requests_per_s=round(others["opencanary"]),
            honeypots_requests_per_s=round(others["honeypots"]),
            ratio=round(figures["requests_per_s"] / max(others.values()), 2),
            replace_ms=round(_replaced(many) * 1e3, 1),
            runs=runs,
        )


def catalogue(folder: Path) -> list[Flaw]:
    """Built-in lures, imported ones, and generated ones until there are :data:`LURES`."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "propolis",
            "lures",
            "import",
            str(corpus("templates/nuclei")),
            "--out",
            str(folder),
        ],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        _say("the import failed: generated lures stand in for imported ones")
    known = {flaw.id: flaw for flaw in map(load, sorted(built_in.BUILT_IN.glob("*.yaml")))}
    known |= {flaw.id: flaw for flaw in map(load, sorted(folder.glob("*.yaml")))}
    made = generated(random.Random(5_000))
    while len(known) < LURES:
        flaw = next(made)
        known.setdefault(flaw.id, flaw)
    return list(known.values())[:LURES]


def generated(source: random.Random) -> Iterator[Flaw]:
    """Lures of the shapes that real ones have, each for a product of its own."""
    shapes: tuple[Callable[[str, str, str], dict[str, Any]], ...] = (
        lambda path, name, word: {"method": "GET", "path": path, f"query.{name}|contains": word},
        lambda path, name, word: {"method": "POST", "path": path, f"form.{name}|contains": word},
        lambda path, name, word: {"path|startswith": path, f"header.x-{name}": word},
        lambda path, name, word: {"method": "POST", "path": path, "body|re": f"{name}=[^&]*{word}"},
        lambda path, name, word: {"path": path, f"json.{name}": word},
        lambda _, name, word: {"any|contains": f"{name}/{word}"},
    )
    while True:
        product, folder, page, name, word = (_word(source, length) for length in (9, 7, 8, 5, 10))
        path = f"/{folder}/{page}.{source.choice(('php', 'jsp', 'cgi', 'aspx', 'do'))}"
        match = source.choice(shapes)(path, name, word)
        tree = _tree(f"generated-{product}-{page}", product, match, word)
        yield parse(msgspec.json.encode(_tested(tree, match, path, name, word)).decode(), "generated.yaml")


def _tree(name: str, product: str, match: dict[str, Any], word: str, status: int = 200) -> dict[str, Any]:
    return {
        "id": name,
        "name": f"Generated flaw of {product}",
        "kind": "other",
        "severity": "medium",
        "product": product,
        "steps": [{"id": "ask", "match": match, "reply": {"status": status, "body": f"<p>{word}</p>"}}],
        "tests": {"match": [], "miss": ["GET /nothing HTTP/1.1\nHost: h\n\n"]},
    }


def _tested(tree: dict[str, Any], match: dict[str, Any], path: str, name: str, word: str) -> dict[str, Any]:
    """The flaw with a request that goes for it."""
    body, fields, target = "", "Host: h\n", path
    kind = next(iter(key for key in match if key not in {"method", "path", "path|startswith"}))
    if kind.startswith("query."):
        target += f"?{name}={word}"
    elif kind.startswith("header."):
        fields += f"X-{name}: {word}\n"
    elif kind.startswith("json."):
        fields, body = f"{fields}Content-Type: application/json\n", f'{{"{name}": "{word}"}}'
    elif kind.startswith("any"):
        target = f"/{name}/{word}"
    else:
        fields, body = f"{fields}Content-Type: application/x-www-form-urlencoded\n", f"{name}={word}"
    method = match.get("method", "POST" if body else "GET")
    tree["tests"]["match"] = [{"request": f"{method} {target} HTTP/1.1\n{fields}\n{body}"}]
    return tree


def _word(source: random.Random, length: int) -> str:
    return "".join(source.choices(string.ascii_lowercase, k=length))


def _few(stream: Brook, many: Sequence[Flaw], folder: Path) -> list[Flaw]:
    """Five lures of the catalogue, of different kinds, that answer at once and leave the connection open."""
    able = [flaw for flaw in many if _request(flaw).startswith((b"GET ", b"POST "))]
    able.sort(key=lambda flaw: (not flaw.source, hashlib.sha256(flaw.id.encode()).digest()))
    candidates = able[:CANDIDATES]
    _lay(folder, candidates)
    chosen: dict[str, Flaw] = {}
    with decoy(stream, packs=folder, products=sorted({flaw.product for flaw in candidates})) as running:
        for flaw in candidates:
            is_post = _request(flaw).startswith(b"POST ")
            is_wanted = (
                sum(_request(one).startswith(b"POST ") == is_post for one in chosen.values()) < 3 - is_post
            )
            kind = flaw.kind if flaw.source else flaw.id
            if is_wanted and kind not in chosen and _is_quick(running.port, _request(flaw)):
                chosen[kind] = flaw
    return list(chosen.values())[:FEW]


def _request(flaw: Flaw) -> bytes:
    """The request of a lure's first test that stands alone; empty if there is none."""
    for case in flaw.tests.match:
        if case.request and "{{" not in case.request:
            return message(case.request)
    return b""


def _is_quick(port: int, request: bytes) -> bool:
    spec = http_load.Spec(port=port, requests=(request,), seconds=0.05, connections=1, depth=2)
    load_ = http_load.run(spec)
    is_kept = load_.answered >= 2 and not load_.lost
    return is_kept and load_.p99_ms < QUICK_SECONDS * 1e3


def _lay(folder: Path, flaws: Sequence[Flaw]) -> None:
    """Lure files of a folder; built-in ones are there anyway."""
    folder.mkdir()
    own = {path.stem for path in built_in.BUILT_IN.glob("*.yaml")}
    for flaw in flaws:
        if flaw.id not in own:
            (folder / f"{flaw.id}.yaml").write_text(write(flaw), encoding="utf-8")


def _traffic(few: Sequence[Flaw]) -> tuple[bytes, ...]:
    """What is sent in turn."""
    form = f"name=visitor&comment={'a few words ' * 8}".replace(" ", "+")
    requests: list[bytes] = []
    for number in range(TURNS):
        requests += [_plain("GET", NOTHING[(MISSES * number + i) % len(NOTHING)]) for i in range(MISSES)]
        requests += [_plain("POST", "/contact/send", form)] * FORMS
        requests += [_request(few[(HITS * number + i) % len(few)]) for i in range(HITS)]
    return tuple(requests)


def _kinds(traffic: tuple[bytes, ...]) -> dict[str, tuple[bytes, ...]]:
    """The traffic taken apart."""
    places = [(number % (MISSES + FORMS + HITS), request) for number, request in enumerate(traffic)]
    return {
        "miss": tuple(request for place, request in places if place < MISSES),
        "form": tuple(request for place, request in places if MISSES <= place < MISSES + FORMS),
        "hit": tuple(request for place, request in places if place >= MISSES + FORMS),
    }


def _plain(method: str, path: str, body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 192.0.2.10", f"User-Agent: {AGENT}", "Accept: */*"]
    lines += ["Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate"]
    if body:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body]).encode()


def _measured(
    stream: Brook,
    flaws: Sequence[Flaw],
    few: Sequence[Flaw],
    traffic: tuple[bytes, ...],
    *,
    folder: Path,
    runs: int,
    seconds: float,
    is_short: bool = False,
) -> dict[str, Any]:
    """All figures of one catalogue; only the kept ones if short."""
    _lay(folder, flaws)
    products = sorted({flaw.product for flaw in few})
    with decoy(stream, packs=folder, products=products, core=SENSOR_CORE) as running:
        _run(running.port, traffic, 1.0)
        kept = [_cost(running, traffic, seconds) for _ in range(runs)]
        found: dict[str, Any] = {"requests_per_s": round(median(one.by_cpu for one in kept))}
        _say(
            f"kept: {[round(one.by_cpu) for one in kept]} by CPU second, {[round(one.by_clock) for one in kept]}/s"
        )
        if is_short:
            return found
        alone = {name: _cost(running, some, seconds) for name, some in _kinds(traffic).items()}
        fresh = [_cost(running, traffic, seconds, mode="fresh", connections=32) for _ in range(runs)]
        rate = median(one.by_clock for one in kept) / 2
        late = [_run(running.port, traffic, seconds, rate=rate, connections=64).p99_ms for _ in range(runs)]
        found |= {
            "requests_per_s_wall": round(median(one.by_clock for one in kept)),
            "fresh_requests_per_s": round(median(one.by_cpu for one in fresh)),
            "fresh_requests_per_s_wall": round(median(one.by_clock for one in fresh)),
            "p99_ms": round(median(late), 2),
            "p99_at_requests_per_s": round(rate),
            "by_kind": {name: round(one.by_cpu) for name, one in alone.items()},
            "rss_mb": round(running.process.memory_info().rss / 1e6),
            "load_s": round(running.ready_seconds, 2),
            "reload_ms": round(_reloaded(running, folder, products[0]) * 1e3),
        }
        answered = sum(one.answered for one in (*kept, *fresh, *alone.values()))
        name = f"decoy-{running.port}"
    events = asyncio.run(_events(stream, name))
    return found | {"answered": answered, "events_missing": max(0, answered - events)}


def _run(port: int, traffic: tuple[bytes, ...], seconds: float, **options: Any) -> http_load.Load:
    """One load, in a process of its own on the other core."""
    spec = http_load.Spec(port=port, requests=traffic, seconds=seconds, **options)
    done = subprocess.run(
        [sys.executable, "-m", "bench.http_load"],
        input=msgspec.json.encode(spec),
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=http_load.Load)


def _cost(running: Decoy | peers.Peer, traffic: tuple[bytes, ...], seconds: float, **options: Any) -> Cost:
    before = running.cpu_seconds()
    load_ = _run(running.port, traffic, seconds, **options)
    spent = max(running.cpu_seconds() - before, 0.01)
    return Cost(load_.answered / spent, load_.answered / load_.seconds, load_.answered)


def _reloaded(running: Decoy, folder: Path, product: str) -> float:
    """Seconds until a lure file that is put into the folder is what the decoy answers with."""
    match = {"path": "/put-in-while-running"}
    tree = _tree("put-in-while-running", product, match, "418", status=418)
    flaw = parse(
        msgspec.json.encode(_tested(tree, {**match, "query.a": "b"}, match["path"], "a", "b")).decode(), "x"
    )
    spec = http_load.Spec(port=running.port, requests=(_request(flaw),), seconds=0.01, connections=1, depth=1)
    (folder / f"{flaw.id}.yaml").write_text(write(flaw), encoding="utf-8")
    began = time.perf_counter()
    while time.perf_counter() - began < GIVE_UP_SECONDS:
        if "418" in http_load.run(spec).statuses:
            return time.perf_counter() - began
    raise RuntimeError(f"the lure is not live:\n{running.log()[-2_000:]}")


def _replaced(many: Sequence[Flaw]) -> float:
    """Seconds to swap one flaw of a catalogue."""
    whole = Catalogue(many)
    taken = []
    for flaw in many[:5]:
        began = time.perf_counter()
        whole = whole.replace((msgspec.structs.replace(flaw, name=f"{flaw.name} anew"),), ())
        taken.append(time.perf_counter() - began)
    return median(taken)


async def _events(stream: Brook, sensor: str) -> int:
    """Requests that the stream holds of one sensor."""
    client = await connect(stream.url, "bench", credential=stream.credential)
    count = 0
    try:
        async for stored in client.history(subjects.EVENTS):
            batch = interaction.decode(stored.data)
            is_ours = pc.and_(
                pc.equal(batch.column("sensor"), sensor), pc.equal(batch.column("kind"), "RequestReceived")
            )
            count += pc.sum(is_ours).as_py() or 0
    finally:
        await client.close()
    return count


def _peer(start: Callable[[], Any], traffic: tuple[bytes, ...], runs: int, seconds: float) -> float:
    """A peer's best rate by CPU second: medians of its runs."""
    with start() as running:
        running.pin(SENSOR_CORE)
        _run(running.port, traffic, 1.0, depth=4)
        ways = ({"depth": 16}, {"depth": 4}, {"mode": "fresh", "connections": 32})
        costs = [[_cost(running, traffic, seconds, **way) for _ in range(runs)] for way in ways]
        rates = [median(one.by_cpu if one.answered > 1_000 else 0.0 for one in cost) for cost in costs]
        _say(f"{start.__name__}: {[round(rate) for rate in rates]} by CPU second (16, 4 at once, fresh)")
        return max(rates)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
