"""``rules``: what is live and what it says, its examples, what is to be said of it, and what of ATT&CK it covers."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from propolis import findings, supervisor
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, connected, err, out
from propolis.cli.lures import progress_bar
from propolis.config import Config
from propolis.detection import coverage as covering
from propolis.detection import explain as explaining
from propolis.detection import lint as linting
from propolis.detection.locate import line_of
from propolis.detection.rulebook import LiveRule, Rulebook
from propolis.detection.rules import Rule, load, read
from propolis.errors import CodecError, PropolisError, RuleError
from propolis.flaws.shelf import Shelf
from propolis.flaws.signature import RULE, trusted_keys
from propolis.notes import Note, RuleRefused
from propolis.stream import Stream, subjects

AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.")]
Files = Annotated[Path, Parameter(help="Rule files, or folders of them.")]

MAX_FINDING_MESSAGES = 50_000
"""Of the stream's latest, for hits."""


class Book(msgspec.Struct, frozen=True):
    """The rules by id, those refused, and the findings by rule and lure that the stream keeps (None: none runs)."""

    live: dict[str, LiveRule]
    refused: tuple[RuleRefused, ...]
    hits: dict[str, int] | None


def show(*, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List every rule that is live: of the files, and pushed; with the findings of each that the stream keeps."""
    book = look(configured(config))
    rows = [_row(rule, book.hits) for _, rule in sorted(book.live.items())]
    if json:
        out.print_json(msgspec.json.encode({"rules": rows, "refused": book.refused}).decode())
        return
    table = Table("id", "grade", "level", "technique", "title", "from", "hits", title=f"{len(rows)} rules")
    for row in rows:
        origin = row["origin"] + (f" v{row['version']}" if row["version"] else "")
        trial = ", on trial" if row["trial"] else ""
        hits = "" if row["hits"] is None else str(row["hits"])
        words = row["id"], row["grade"], row["level"], row["technique"], row["title"], origin + trial, hits
        table.add_row(*map(Text, words))
    out.print(table)
    for note in book.refused:
        out.print(Text(f"refused {note.id}: {note.why}"), highlight=False)


def test(*files: Files) -> None:
    """Run the examples that stand in rule files, as a detector does. Exit code 2 if a file is not good."""
    faults: list[RuleError] = []
    paths = rule_files(files)
    with progress_bar() as progress:
        for path in progress.track(paths, description="examples"):
            try:
                read(path)
            except RuleError as error:
                faults.append(error)
    for fault in faults:
        err.print(Text(placed(fault.path, fault.where, fault.why)), highlight=False)
    if faults:
        sys.exit(2)
    out.print(f"{len(paths)} rules: all examples hold.", highlight=False)


def lint(*files: Files, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Say what is wrong with rule files, beside the rules there are, though they load. Exit code 1 if anything is."""
    remarks = linting.lint(rule_files(files), load(*_folders(configured(config))).rules)
    if json:
        out.print_json(msgspec.json.encode(remarks).decode())
    else:
        for remark in remarks:
            out.print(Text(placed(remark.path, remark.key, remark.why)), highlight=False)
    if remarks:
        sys.exit(1)
    if not json:
        out.print("Nothing to remark.")


def explain(
    what: Annotated[str, Parameter(help="A rule's id, or its file.")],
    /,
    *,
    event: Annotated[
        Path | None, Parameter(help="An event as rule files write it, in JSON: {kind, ...} or {request}.")
    ] = None,
    json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Say in words what a rule looks for; with an event, which parts of it hold and which do not."""
    rule = read(Path(what)) if Path(what).is_file() else _by_id(configured(config), what)
    try:
        part = explaining.explain(rule, _example(event) if event else None)
    except ValueError as error:
        raise PropolisError(f"{event}: {error}") from error
    if json:
        out.print_json(msgspec.json.encode({"rule": rule.id, "title": rule.title, "part": part}).decode())
        return
    facts = " ".join(fact for fact in (rule.grade, f"{rule.confidence} %", rule.technique, *rule.cve) if fact)
    out.print(Text(f"{rule.id}: {rule.title} ({facts})"), highlight=False)
    tree = Tree(_label(part))
    _grow(tree, part)
    out.print(tree)


def coverage(*, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Show by tactic which techniques of ATT&CK rules and lures look for, and how often they found something."""
    settings = configured(config)
    book = look(settings)
    shelf = Shelf.of(settings, lambda _flaw, _text, _file: None)
    shelf.look()
    matrix = covering.coverage(
        [(name, live.rule.technique) for name, live in book.live.items()],
        [(name, lure.flaw.technique) for name, lure in shelf.live.items()],
        book.hits or {},
    )
    if json:
        out.print_json(msgspec.json.encode(matrix).decode())
        return
    table = Table("tactic", "technique", "name", "rules", "lures", "hits", title="MITRE ATT&CK")
    for tactic in matrix:
        title = f"{tactic.name} {tactic.covered}/{len(tactic.techniques)}"
        for technique in (one for one in tactic.techniques if one.is_covered):
            counts = len(technique.rules), len(technique.lures), technique.hits
            table.add_row(title, technique.id, technique.name, *map(str, counts))
            title = ""
        if title:
            table.add_row(title)
    out.print(table)


def look(config: Config) -> Book:
    """The rules of this installation; of one that does not run, those in its files."""
    with err.status("reading rules …"):
        book = Rulebook(load(*_folders(config)), lambda: trusted_keys(config))
    notes: list[Note] = []

    async def ask() -> dict[str, int]:
        async with connected(config) as stream:
            history = stream.history(f"KV_{subjects.LURES}", subject=RULE.subject("*"))
            notes.extend(book.deliver([stored async for stored in history]))
            return await _hits(stream)

    hits = uvloop.run(ask()) if config.stream.url or supervisor.running(config.state) is not None else None
    refused = {note.id: note for note in notes if isinstance(note, RuleRefused)}
    return Book(dict(book.live), tuple(refused.values()), hits)


def rule_files(paths: Iterable[Path]) -> list[Path]:
    """The rule files among files and folders. Raises :class:`PropolisError` if there is none."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not found:
        raise PropolisError("no rule file was named; give files, or folders with *.yaml in them")
    return found


def placed(path: str, where: str, why: str) -> str:
    """A fault as ``file:line: key: why``."""
    try:
        line = line_of(Path(path).read_text(encoding="utf-8"), where)
    except (OSError, UnicodeDecodeError):
        line = 0
    key = "" if where.startswith("line ") or not where else f"{where}: "
    return f"{path}:{line}: {key}{why}" if line else f"{path}: {key}{why}"


async def _hits(stream: Stream) -> dict[str, int]:
    """Findings that the stream keeps, by rule or lure."""
    info = await stream.api(f"STREAM.INFO.{subjects.FINDINGS}")
    start = max(1, info["state"]["last_seq"] - MAX_FINDING_MESSAGES + 1)
    hits: Counter[str] = Counter()
    async for stored in stream.history(subjects.FINDINGS, start=start):
        try:
            hits.update(finding.rule for finding in findings.decode(stored.data))
        except CodecError:
            continue  # the console tells of those
    return dict(hits)


def _folders(config: Config) -> list[Path]:
    return [(config.path.parent / config.detection.rules).resolve()] if config.detection.rules else []


def _by_id(config: Config, name: str) -> Rule:
    live = look(config).live.get(name)
    if live is None:
        raise PropolisError(f"{name}: there is no such rule and no such file; see `propolis rules list`")
    return live.rule


def _example(path: Path) -> Any:
    """An event as JSON has it. Raises :class:`PropolisError`."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PropolisError(f"{path}: is no event in JSON ({error})") from error


def _row(live: LiveRule, hits: dict[str, int] | None) -> dict[str, Any]:
    rule = live.rule
    return {
        "id": rule.id,
        "grade": rule.grade,
        "level": rule.severity,
        "technique": rule.technique,
        "title": rule.title,
        "origin": live.origin,
        "version": live.version,
        "trial": live.is_on_trial,
        "hits": None if hits is None else hits.get(rule.id, 0),
    }


def _label(part: explaining.Part) -> Text:
    mark, style = {None: ("", ""), True: ("✓ ", "green"), False: ("✗ ", "red")}[part.holds]
    return Text(mark + part.text, style=style)


def _grow(tree: Tree, part: explaining.Part) -> None:
    for inner in part.parts:
        _grow(tree.add(_label(inner)), inner)
