"""``lures``: what is live and what it plays, its tests, and what scanners know made into lures."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from propolis import supervisor
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, connected, err, out
from propolis.cli.up import heartbeats
from propolis.clock import rfc3339
from propolis.config import Config
from propolis.errors import PropolisError
from propolis.flaws import signature
from propolis.flaws.file import Flaw, FlawError, load, write
from propolis.flaws.shelf import Live, Shelf
from propolis.flaws.standing import FIGURE, Standing, standing_of
from propolis.notes import LureRefused, Note
from propolis.stream import Stream, subjects

AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.")]
SHOWN_REPORT_IDS = 5
"""Templates named beside each reason that an import gives; --json names all."""


class Listing(msgspec.Struct, frozen=True):
    """The lures by id, those that are refused, and how often each was asked for (None: nothing runs)."""

    live: dict[str, Live]
    refused: tuple[LureRefused, ...]
    hits: dict[str, int] | None


def show(*, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List every lure that is live: built-in, from the folder, and pushed; with its hits since the sensors began."""
    listing = _listing(configured(config))
    rows = [_row(lure, listing.hits) for _, lure in sorted(listing.live.items())]
    if json:
        out.print_json(msgspec.json.encode({"lures": rows, "refused": listing.refused}).decode())
        return
    table = Table("id", "cve", "product", "ports", "from", "hits", title=f"{len(rows)} lures")
    for row in rows:
        table.add_row(
            row["id"],
            Text(" ".join(row["cve"])),
            row["product"],
            " ".join(map(str, row["ports"])) or "any",
            row["origin"] + (f" v{row['version']}" if row["version"] else ""),
            "" if row["hits"] is None else str(row["hits"]),
        )
    out.print(table)
    _print_refused(listing.refused)


def describe(
    id: str,  # noqa: A002 - the word an operator types
    /,
    *,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print a lure as it is live, as the text of its file; whence it is stands on standard error."""
    listing = _listing(configured(config))
    lure = listing.live.get(id)
    if lure is None:
        why = next(
            (note.why for note in listing.refused if note.id == id),
            "there is none; see `propolis lures list`",
        )
        raise PropolisError(f"{id}: {why}")
    row = _row(lure, listing.hits)
    version = f" version {lure.version}" if lure.version else ""
    hits = "" if row["hits"] is None else f", {row['hits']} hits"
    err.print(f"{lure.flaw.id}: {lure.origin}{version}{hits}", highlight=False)
    out.print(write(lure.flaw), markup=False, highlight=False, end="")


def test(*files: Annotated[Path, Parameter(help="Lure files, or folders of them.")]) -> None:
    """Run the tests that stand in lure files, with the engine that answers attackers. Exit code 1 if one fails."""
    failures = _failures(_files(files))
    for failure in failures:
        out.print(Text(failure), highlight=False)
    if failures:
        sys.exit(1)
    out.print("All tests hold.")


def keygen(path: Path, /) -> None:
    """Make a private key for signing lures, and print its public key for flaws.trusted."""
    public = signature.make_key(path)
    out.print(f"Private key: {path} (keep it to yourself; name it in flaws.key where you push from)")
    out.print(f'Trust it on every sensor:\n\n[flaws]\ntrusted = ["{public}"]', markup=False, highlight=False)


def plan(*, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """What each sensor pretends to run at which port, and when it next pretends something else."""
    settings = configured(config)

    async def look() -> dict[str, Standing]:
        async with connected(settings) as stream:
            return await standings(stream)

    sensors = uvloop.run(look())
    if json:
        out.print_json(msgspec.json.encode(sensors).decode())
        return
    table = Table("sensor", "port", "server", "products", "until")
    for name, standing in sensors.items():
        for played in standing.cast:
            until = rfc3339(standing.rotates) if standing.rotates else "for good"
            table.add_row(name, str(played.port), played.server, ", ".join(played.products), until)
    out.print(table)


def import_(
    folder: Path,
    /,
    *,
    to: Annotated[Path, Parameter(name="--out", help="Folder for the lure files.")],
    json: AsJson = False,
) -> None:
    """Make lures of a folder of scanner templates: each lure answers so that its template's own check says yes.

    Takes nuclei's templates, afrog's POCs and CrowdSec's AppSec rules, mixed as you like; of a rule, which says nothing
    of answers, the lure answers as its kind of flaw does. What cannot be made is counted by reason.
    """
    from propolis.flaws.scanners import import_folder  # noqa: PLC0415 - only an import needs it

    with progress_bar() as progress:
        bar = progress.add_task("templates", total=None)
        try:
            imported = import_folder(
                folder, lambda done, of: progress.update(bar, completed=done, total=of, refresh=done == of)
            )
            to.mkdir(parents=True, exist_ok=True)
            for flaw in imported.flaws:
                (to / f"{flaw.id}.yaml").write_text(write(flaw), encoding="utf-8")
        except OSError as error:
            raise PropolisError(f"{error.filename}: {error.strerror}") from error
    if not imported.templates:
        raise PropolisError(f"{folder}: has no templates (*.yaml) in it or below")
    if json:
        counts = {"templates": imported.templates, "lures": len(imported.flaws)}
        report = {
            **counts,
            "believed": len(imported.believed),
            "report": imported.report,
            "why": imported.why,
        }
        out.print_json(msgspec.json.encode(report).decode())
        return
    out.print(
        f"{imported.templates} templates: {len(imported.flaws)} lures in {to}, of which {len(imported.believed)} "
        f"are believed by their scanner.\nUse them with flaws.packs, or `propolis lures push {to}`."
    )
    for reason, templates in imported.report.items():
        more = " …" if len(templates) > SHOWN_REPORT_IDS else ""
        named = " ".join(templates[:SHOWN_REPORT_IDS])
        out.print(Text(f"  {len(templates):5} {reason}: {named}{more}"), highlight=False)


async def standings(stream: Stream, stage: str = "sensor", figure: str = FIGURE) -> dict[str, Standing]:
    """What every worker of a stage says of its lures, or its rules, by its name; one that says nothing is left out."""
    beats = sorted(await heartbeats(stream), key=lambda beat: beat.name)
    said = {beat.name: standing_of(beat.figures, figure) for beat in beats if beat.stage == stage}
    return {name: standing for name, standing in said.items() if standing is not None}


def read_good(files: Iterable[Path]) -> dict[str, str]:
    """The texts of lure files by id, all of them good; else prints what fails and exits with 1."""
    paths = _files(files)
    failures = _failures(paths)
    for failure in failures:
        err.print(Text(failure), highlight=False)
    if failures:
        err.print("Nothing was pushed.")
        sys.exit(1)
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def _files(paths: Iterable[Path]) -> list[Path]:
    """The lure files among files and folders. Raises :class:`PropolisError` if there is none."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not found:
        raise PropolisError("no lure file was named; give files, or folders with *.yaml in them")
    return found


def _failures(paths: list[Path]) -> list[str]:
    """What is wrong with lure files, as ``file:line: why``."""
    from propolis.flaws.check import check  # noqa: PLC0415 - only whoever tests needs the engine

    failures: list[str] = []
    with progress_bar() as progress:
        for path in progress.track(paths, description="tests"):
            try:
                flaw = load(path)
                text = path.read_text(encoding="utf-8")
                failures += [f"{path}:{one.line}: {one.why}" for one in check(flaw, text, path)]
            except FlawError as error:
                failures.append(str(error))
    return failures


def progress_bar() -> Progress:
    """A bar on standard error that goes when the work is done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _listing(config: Config) -> Listing:
    """The lures of this installation; of one that does not run, those in its files."""
    shelf = Shelf.of(config, _unproven)
    notes: list[Note] = shelf.look()
    hits: dict[str, int] | None = None

    async def ask() -> dict[str, int]:
        async with connected(config) as stream:
            bucket, key = f"KV_{subjects.LURES}", subjects.key(subjects.LURES, f"{subjects.FLAW}*")
            notes.extend(shelf.deliver([stored async for stored in stream.history(bucket, subject=key)]))
            sensors = await standings(stream)
            notes.extend(
                LureRefused(id=name, why=f"{sensor}: {why}")
                for sensor, standing in sensors.items()
                for name, why in standing.refused.items()
            )
            return hits_of(sensors.values())

    if config.stream.url or supervisor.running(config.state) is not None:
        hits = uvloop.run(ask())
    refused = tuple({note.id: note for note in notes if isinstance(note, LureRefused)}.values())
    return Listing(shelf.live, refused, hits)


def hits_of(standings: Iterable[Standing]) -> dict[str, int]:
    """Hits of all sensors together, by lure."""
    total: dict[str, int] = {}
    for standing in standings:
        for name, count in standing.hits.items():
            total[name] = total.get(name, 0) + count
    return total


def _unproven(_flaw: Flaw, _text: str, _file: str) -> None:
    """Whether it keeps its promises the sensors say."""


def _row(lure: Live, hits: dict[str, int] | None) -> dict[str, Any]:
    flaw = lure.flaw
    return {
        "id": flaw.id,
        "name": flaw.name,
        "cve": flaw.cve,
        "product": flaw.product,
        "server": flaw.server,
        "ports": flaw.ports,
        "severity": flaw.severity,
        "origin": lure.origin,
        "version": lure.version,
        "source": flaw.source,
        "hits": None if hits is None else hits.get(flaw.id, 0),
    }


def _print_refused(refused: tuple[LureRefused, ...]) -> None:
    for note in refused:
        out.print(Text(f"refused {note.id}: {note.why}"), highlight=False)
