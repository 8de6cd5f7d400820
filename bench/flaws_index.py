"""What it costs to ask which flaws a request goes for, with 5 and with 5,000 of them.

Method. One process, one core. Flaws are generated, of the shapes that real ones have: an exact path with a parameter,
one path that many share told apart by a parameter and a pattern, a prefix, the front page told apart by a header.
Requests are made anew for every question, as the lure does; the catalogues of all sizes are asked in turn, CALLS times
a round, so that what else the machine does falls on all of them; the figure is the median of ROUNDS. `miss` fits
nothing, `encoded` fits nothing and has escapes to undo, `hit` fits one exact path, `shared` asks for the path that a
quarter of the flaws share, and fits none of them.

`growth` is the cost with the most flaws over the cost with the fewest, the largest of the four.

Usage: python -m bench.flaws_index
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from statistics import median

from propolis.flaws.file import Case, Conditions, Flaw, Step, Tests
from propolis.flaws.index import Catalogue
from propolis.flaws.request import Request
from propolis.flaws.session import Session

SIZES = (5, 50, 500, 5_000)
ROUNDS = 9
CALLS = 4_000
HEADERS = (
    b"Host: 192.0.2.10",
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    b"Accept: */*",
    b"Accept-Encoding: gzip",
)
TESTS = Tests(match=(Case(request="GET / HTTP/1.1\n\n"),), miss=("GET / HTTP/1.1\n\n",))


def main() -> None:
    """Print one JSON object."""
    flaws = made(max(SIZES), random.Random(1))
    word = flaws[0].name
    hit = f"/app0/{word}.php?id=1&do=union-select".encode()
    targets = {
        "miss": b"/robots.txt",
        "encoded": b"/search?q=%27%20or%201=1",
        "hit": hit,
        "shared": b"/index.php?option=com_contact",
    }
    catalogues = [Catalogue(flaws[:size]) for size in SIZES]
    costs = {name: _medians(catalogues, target) for name, target in targets.items()}
    report: dict[str, float] = {}
    catalogue, load_seconds = timed(lambda: Catalogue(flaws))
    _, replace_seconds = timed(lambda: catalogue.replace([flaws[3]], [flaws[7].id]))
    for name, each in costs.items():
        report[f"{name}_us"] = round(each[-1], 2)
        report[f"{name}_us_{SIZES[0]}"] = round(each[0], 2)
    report["growth"] = round(max(each[-1] / each[0] for each in costs.values()), 2)
    report["load_s"] = round(load_seconds, 3)
    report["replace_s"] = round(replace_seconds, 3)
    print(json.dumps(report))


def _medians(catalogues: Sequence[Catalogue], target: bytes) -> list[float]:
    """For each catalogue, microseconds for one request."""
    rounds = [[cost(catalogue, target) for catalogue in catalogues] for _ in range(ROUNDS)]
    return [median(each) for each in zip(*rounds, strict=True)]


def cost(catalogue: Catalogue, target: bytes) -> float:
    """Microseconds for one request, made and asked."""
    raw = b"\r\n".join((b"GET %s HTTP/1.1" % target, *HEADERS, b"", b""))
    session = Session()
    began = time.perf_counter()
    for _ in range(CALLS):
        catalogue.matches(Request.of(b"GET", target, 1, HEADERS, raw, len(raw), b""), session)
    return (time.perf_counter() - began) / CALLS * 1e6


def timed(work: Callable[[], Catalogue]) -> tuple[Catalogue, float]:
    """What work gives, and the seconds it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def made(count: int, chance: random.Random) -> list[Flaw]:
    """So many flaws of four shapes in turn."""
    return [_flaw(number, chance.randbytes(4).hex()) for number in range(count)]


def _flaw(number: int, word: str) -> Flaw:
    shapes: tuple[Conditions, ...] = (
        {"method": "GET", "path": f"/app{number}/{word}.php", "query.do|contains": "union-select"},
        {"path": "/index.php", "query.option": f"com_{word}", "query|re": f"cmd=(?P<command>[a-z]+){word}"},
        {"path|startswith": f"/plugins/{word}/", "query.cmd|exists": True},
        {"path": "/", f"header.x-{word}": "1"},
    )
    step = Step(id="only", match=shapes[number % len(shapes)])
    return Flaw(id=f"flaw{number}", name=word, product=word, steps=(step,), tests=TESTS)


if __name__ == "__main__":
    main()
