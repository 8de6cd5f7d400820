"""Which scanner templates an attacker's own scanner reports as vulnerable on our decoys.

Method. Every template of a folder is imported by the command an operator has (``propolis lures import``), and then run
against a real sensor process over TCP by the scanner of :mod:`bench.scanner`, which shares no code with the import and
reads the template anew. Each template is scanned from a loopback address of its own. The sensor plays the products of
the lures that are asked for (``flaws.products``), ``CROWD`` of them at once, which is more than a port ever plays; what
was not believed is scanned once more from another address with ``COMPANY`` products at once, as a port does play.

A template is *believed* if the scanner reports it **and** the sensor's own events say that its lure, no other, had
answered that address. *Needs third party* are those whose every way to be reported asks that an outside server was
contacted: a decoy never reaches out. ``share_believed`` is believed over all others, refused imports included.
``recognised`` is the share of imported templates whose lure is named in the events of their requests, third-party ones
too. ``believed_without_lures`` counts what the scanner reports of a sensor that plays none of the products: it must be
nearly nothing. Templates that ask for credentials are given some (``bench.scanner.scan.GIVEN``).

Usage: python -m bench.believed [--nuclei DIR | --afrog DIR] [--failures FILE] [--fast]
       python -m bench.believed --vpatch DIR     (rules without a scanner: :mod:`bench.scanner.rules`)
       python -m bench.believed --template FILE [-v]
``--fast`` skips the sensor without lures and the second scan.
"""

import argparse
import asyncio
import contextlib
import hashlib
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.corpus import corpus
from bench.decoy import Brook, brook, decoy
from bench.hive import report
from bench.scanner import (
    Afrog,
    Template,
    TemplateError,
    Verdict,
    afrog_needs_third_party,
    needs_third_party,
    read,
    read_afrog,
    scan,
    scan_afrog,
)
from bench.scanner.rules import recognise_rules
from propolis.events import interaction, pack
from propolis.flaws.file import Flaw, load, write
from propolis.stream import connect, subjects

CROWD: Final = 40
COMPANY: Final = 3
THREADS: Final = 8
SENSORS: Final = 3
"""Sensors at once; most of a scan is waiting for lures that wait on purpose."""
TIMEOUT_SECONDS: Final = 15.0
NOBODY: Final = "nothing-of-the-kind"
OTHER_LURE: Final = "reported, but its own lure did not answer"
SHOWN_BYTES: Final = 2_000


class Subject(msgspec.Struct, frozen=True):
    """One template: its file, what the scanner read (or why not), its lure (or why not)."""

    path: Path
    template: Template | Afrog | None
    unreadable: str
    flaw: Flaw | None
    refused: str

    @property
    def is_for_third_party(self) -> bool:
        """Whether no decoy can satisfy it."""
        if isinstance(self.template, Afrog):
            return afrog_needs_third_party(self.template)
        return self.template is not None and needs_third_party(self.template)

    def scan(self, port: int, source: str) -> Verdict:
        """Run the template against the decoy at ``port`` from a loopback address."""
        address = ("127.0.0.1", port)
        match self.template:
            case Afrog():
                return scan_afrog(self.template, address, _random(self.path), source=source)
            case Template():
                return scan(
                    self.template, address, _random(self.path), source=source, timeout_seconds=TIMEOUT_SECONDS
                )
        return Verdict(is_vulnerable=False, reason=self.unreadable)


class Seen(msgspec.Struct, frozen=True):
    """What the sensor's events say of one address: flaws recognised, flaws that answered."""

    recognised: frozenset[str]
    answered: frozenset[str]


class Result(msgspec.Struct, frozen=True):
    """A verdict, and what the sensor saw."""

    verdict: Verdict
    seen: Seen


def main() -> None:
    """Measure, and print the figures."""
    arguments = _arguments()
    if arguments.template:
        show(arguments.template, is_verbose=arguments.verbose)
        return
    if arguments.vpatch:
        report(**msgspec.structs.asdict(recognise_rules(arguments.vpatch)))
        return
    with tempfile.TemporaryDirectory(prefix="propolis-believed-") as folder, brook() as stream:
        templates = arguments.afrog or arguments.nuclei or corpus("templates/nuclei")
        known = subjects_of(templates, Path(folder) / "packs")
        asked = [one for one in known if one.template is not None and one.flaw is not None]
        alone = {} if arguments.fast else _without_lures(stream, known)
        results = scan_all(stream, asked, CROWD, "crowd", 0)
        if not arguments.fast:
            again = [
                one
                for one in asked
                if not one.is_for_third_party and not _is_believed(one, results[one.path])
            ]
            second = scan_all(stream, again, COMPANY, "company", 1)
            results |= second
        _report(known, results, alone, arguments.failures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.believed")
    parser.add_argument("--nuclei", type=Path, metavar="DIR", help="templates; the corpus' own by default")
    parser.add_argument("--afrog", type=Path, metavar="DIR", help="afrog's templates instead")
    parser.add_argument(
        "--vpatch", type=Path, metavar="DIR", help="CrowdSec's rules: which requests they recognise"
    )
    parser.add_argument("--failures", type=Path, metavar="FILE", help="template, reason, tab-separated")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--template", type=Path, metavar="FILE")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def subjects_of(folder: Path, packs: Path) -> list[Subject]:
    """Every template of a folder with its lure, imported into ``packs``. Raises RuntimeError if the import fails."""
    done = subprocess.run(
        [sys.executable, "-m", "propolis", "lures", "import", str(folder), "--out", str(packs), "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError("the import failed")
    # the progress bar, where there is no terminal, is printed before the object
    said = msgspec.json.decode(done.stdout[done.stdout.index(b"{") :])
    refused = {name: reason for reason, names in said["report"].items() for name in names}
    flaws = {flaw.source.rpartition(" ")[2]: flaw for flaw in map(load, sorted(packs.glob("*.yaml")))}
    return [_subject(path, flaws, refused) for path in sorted(folder.glob("*.yaml"))]


def _subject(path: Path, flaws: dict[str, Flaw], refused: dict[str, str]) -> Subject:
    try:
        template, unreadable = _template(path), ""
    except TemplateError as error:
        template, unreadable = None, str(error)
    flaw = flaws.get(path.stem) or flaws.get(template.id if template else "")
    reason = refused.get(path.stem) or refused.get(template.id if template else "", "not reported")
    return Subject(path, template, unreadable, flaw, "" if flaw else reason)


def _template(path: Path) -> Template | Afrog:
    """A template by what is in it: afrog's have rules."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    return read_afrog(text) if "\nrules:" in text else read(text, _random(path))


def _random(path: Path) -> random.Random:
    """Randomness of a scan: the same for the same template, so that a failure can be looked at again."""
    return random.Random(hashlib.sha256(path.name.encode()).digest())


def _address(number: int, turn: int) -> str:
    """A loopback address of its own for every template and turn."""
    return f"127.{64 + turn * 8 + number // 64_516}.{number // 254 % 254 + 1}.{number % 254 + 1}"


def scan_all(stream: Brook, asked: Sequence[Subject], crowd: int, name: str, turn: int) -> dict[Path, Result]:
    """Scan every template against sensors that play ``crowd`` products at once."""
    numbers = {one.path: number for number, one in enumerate(asked)}
    verdicts: dict[Path, Verdict] = {}
    with _progress() as progress:
        bar = progress.add_task(name, total=len(asked))

        def run(group: tuple[tuple[str, ...], list[Subject]]) -> None:
            products, members = group
            with _laid(members) as packs, decoy(stream, packs=packs, products=products) as running:
                for path, verdict in _scanned(members, running.port, numbers, turn):
                    verdicts[path] = verdict
                    progress.advance(bar)

        with ThreadPoolExecutor(SENSORS) as threads:
            list(threads.map(run, _groups(asked, crowd)))
    seen = asyncio.run(_seen(stream))
    nothing = Seen(frozenset(), frozenset())
    return {
        path: Result(verdict, seen.get(pack(_address(numbers[path], turn)), nothing))
        for path, verdict in verdicts.items()
    }


@contextlib.contextmanager
def _laid(members: Sequence[Subject]) -> Iterator[Path]:
    """A folder with the lure files of some templates."""
    with tempfile.TemporaryDirectory(prefix="propolis-packs-") as folder:
        for flaw in {one.flaw.id: one.flaw for one in members if one.flaw}.values():
            (Path(folder) / f"{flaw.id}.yaml").write_text(write(flaw), encoding="utf-8")
        yield Path(folder)


def _groups(asked: Sequence[Subject], crowd: int) -> Iterator[tuple[tuple[str, ...], list[Subject]]]:
    """Products that share a server, ``crowd`` at a time, with their templates."""
    servers: dict[str, set[str]] = defaultdict(set)
    by_product: dict[str, list[Subject]] = defaultdict(list)
    for one in asked:
        if one.flaw is not None:
            servers[one.flaw.server].add(one.flaw.product)
            by_product[one.flaw.product].append(one)
    placed: set[str] = set()
    for _, products in sorted(servers.items(), key=lambda item: not item[0]):
        fresh = sorted(products - placed)
        placed.update(fresh)
        for some in _batched(fresh, crowd):
            yield some, [one for product in some for one in by_product[product]]


def _batched(names: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), size):
        yield tuple(names[start : start + size])


def _scanned(
    group: Iterable[Subject], port: int, numbers: dict[Path, int], turn: int
) -> Iterator[tuple[Path, Verdict]]:
    def run(one: Subject) -> tuple[Path, Verdict]:
        verdict = one.scan(port, _address(numbers[one.path], turn))
        return one.path, msgspec.structs.replace(verdict, turns=())

    with ThreadPoolExecutor(THREADS) as threads:
        yield from threads.map(run, group)


def _without_lures(stream: Brook, known: Sequence[Subject]) -> dict[Path, Verdict]:
    """What the scanner says of a sensor that plays none of the products."""
    asked = [one for one in known if one.template is not None]
    numbers = {one.path: number for number, one in enumerate(asked)}
    with _progress() as progress, decoy(stream, products=(NOBODY,)) as running:
        bar = progress.add_task("without lures", total=len(asked))
        found = {}
        for path, verdict in _scanned(asked, running.port, numbers, 2):
            found[path] = verdict
            progress.advance(bar)
        return found


async def _seen(stream: Brook) -> dict[bytes, Seen]:
    """What the sensors' events say, by source address."""
    client = await connect(stream.url, "bench", credential=stream.credential)
    recognised: dict[bytes, set[str]] = defaultdict(set)
    answered: dict[bytes, set[str]] = defaultdict(set)
    try:
        async for stored in client.history(subjects.EVENTS):
            batch = interaction.decode(stored.data)
            columns = batch.select(["source_ip", "flaws", "answered"]).to_pydict()
            for source, flaws, own in zip(*columns.values(), strict=True):
                recognised[source].update(word.partition("/")[0] for word in (flaws or "").split())
                answered[source].add((own or "").partition("/")[0])
    finally:
        await client.close()
    return {source: Seen(frozenset(recognised[source]), frozenset(answered[source])) for source in recognised}


def _is_believed(one: Subject, result: Result) -> bool:
    return result.verdict.is_vulnerable and one.flaw is not None and one.flaw.id in result.seen.answered


def _reason(one: Subject, result: Result | None) -> str:
    """Why a template is not believed; empty if it is."""
    if one.unreadable:
        return f"the scanner cannot read it: {one.unreadable}"
    if one.flaw is None:
        return f"not imported: {one.refused}"
    if result is None:
        return "not scanned"
    if _is_believed(one, result):
        return ""
    if result.verdict.is_vulnerable:
        return OTHER_LURE
    if one.flaw.id not in result.seen.recognised:
        return f"not recognised; {result.verdict.reason}"
    if one.flaw.id not in result.seen.answered:
        return f"recognised, not answered; {result.verdict.reason}"
    return result.verdict.reason


def _report(
    known: Sequence[Subject],
    results: dict[Path, Result],
    alone: dict[Path, Verdict],
    failures: Path | None,
) -> None:
    apart = [one for one in known if one.is_for_third_party]
    ours = [one for one in known if not one.is_for_third_party]
    reasons = {one.path.stem: _reason(one, results.get(one.path)) for one in ours}
    imported = [one for one in known if one.flaw is not None and one.path in results]
    recognised = sum(one.flaw.id in results[one.path].seen.recognised for one in imported if one.flaw)
    if failures:
        lines = sorted(f"{reason}\t{name}\n" for name, reason in reasons.items() if reason)
        failures.write_text("".join(lines), encoding="utf-8")
    believed = sum(not reason for reason in reasons.values())
    report(
        templates=len(known),
        imported=sum(one.flaw is not None for one in known),
        needs_third_party=len(apart),
        believed=believed,
        share_believed=round(believed / max(len(ours), 1), 4),
        share_recognised=round(recognised / max(len(imported), 1), 4),
        believed_without_lures=sum(verdict.is_vulnerable for verdict in alone.values()) if alone else None,
        by_reason=dict(Counter(reason for reason in reasons.values() if reason).most_common()),
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def show(path: Path, *, is_verbose: bool) -> None:
    """Import one template, scan a sensor that plays it, and tell all about it."""
    with tempfile.TemporaryDirectory(prefix="propolis-believed-") as folder, brook() as stream:
        (Path(folder) / "templates").mkdir()
        (Path(folder) / "templates" / path.name).write_bytes(path.read_bytes())
        (one,) = subjects_of(Path(folder) / "templates", Path(folder) / "packs")
        if one.template is None or one.flaw is None:
            print(one.unreadable or f"not imported: {one.refused}")
            return
        if is_verbose:
            print(write(one.flaw))
        with decoy(stream, packs=Path(folder) / "packs", products=(one.flaw.product,)) as running:
            source = _address(0, 3)
            verdict = one.scan(running.port, source)
            if is_verbose:
                print(running.log())
        seen = asyncio.run(_seen(stream)).get(pack(source))
    if is_verbose:
        _dialogue(one.template, verdict)
    print(f"third party: {'needed' if one.is_for_third_party else 'not needed'}")
    print(
        f"recognised: {sorted(seen.recognised) if seen else []}; answered: {sorted(seen.answered) if seen else []}"
    )
    print("believed" if verdict.is_vulnerable else f"not believed: {verdict.reason}")


def _dialogue(template: Template | Afrog, verdict: Verdict) -> None:
    for number, turn in enumerate(verdict.turns, 1):
        print(f"==== request {number}, block {turn.block + 1}\n{turn.sent[:SHOWN_BYTES]}")
        if turn.fault:
            print(f"---- no answer: {turn.fault}")
        if turn.response:
            print(f"---- answer after {turn.response.seconds:.2f} s\n{turn.response.raw[:SHOWN_BYTES]}")
        if turn.judgement and isinstance(template, Template):
            for matcher, held in zip(template.blocks[turn.block].matchers, turn.judgement.held, strict=True):
                print(f"---- {'holds' if held else 'FAILS'}: {msgspec.json.encode(matcher).decode()}")
            print(f"---- extracted: {turn.judgement.values} {turn.judgement.outputs}")


if __name__ == "__main__":
    main()
