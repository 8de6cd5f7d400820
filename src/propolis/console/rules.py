"""The page of rules: what of ATT&CK is looked for, every rule with its hits, and what it says as a tree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from propolis.console import known
from propolis.console.card import Row, Table, card
from propolis.console.console import Console
from propolis.console.evidence import inert
from propolis.console.lures import show_caught
from propolis.console.units import count
from propolis.flaws.standing import RULES

if TYPE_CHECKING:
    from propolis.detection.coverage import Covered, Tactic
    from propolis.detection.explain import Part
    from propolis.detection.rulebook import LiveRule

MAX_ROWS = 300
MAX_CELL = 120
MAX_DEPTH = 12
"""Levels of the tree that are shown."""
HEATS = (1, 10, 100, 1_000)
"""Hits from which a technique is a shade hotter."""

_COLUMNS = (
    ("rule", "Rule", "mono"),
    ("title", "Title", "cut"),
    ("grade", "Grade", ""),
    ("confidence", "Confidence", ""),
    ("severity", "Level", ""),
    ("technique", "ATT&CK", "mono"),
    ("origin", "From", ""),
    ("hits", "Hits", "mono"),
)
_REFUSED = (("rule", "Rule", "mono"), ("why", "Why", "cut"))


class Rules:
    """Three cards: the matrix, the rules, and what is refused."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._search = ""
        self._matrix: tuple[Tactic, ...] = ()
        with ui.element("div").classes("grid"), card("MITRE ATT&CK") as self._covered:
            self._map = ui.element("div").classes("matrix")
        with ui.element("div").classes("grid"), card("Rules") as self._note:
            search = ui.input("Search: id, title, technique, CVE").props("dark outlined dense clearable")
            search.on_value_change(lambda change: self._look_for(change.value)).mark("search")
            self._table = Table(_COLUMNS, "No rule fits.", classes="click rules")
            self._table.element.on("row-click", self._open, [[], ["id"], None])
        with ui.element("div").classes("grid"), card("Refused"):
            self._refused = Table(_REFUSED, "Every rule is live.", classes="short refused")

    async def refresh(self) -> None:
        """Show what files, stream and detectors say now."""
        await self._console.rules.refresh()
        await self._console.known.refresh()
        detectors = self._console.board.stages("detect")
        refused = {**self._console.rules.refused, **known.refusals(detectors, RULES)}
        self._refused.show(
            [
                {"id": name, "rule": inert(name, MAX_CELL), "why": inert(why, 400)}
                for name, why in sorted(refused.items())
            ]
        )
        self._show()
        self._show_matrix()

    def _hits(self) -> dict[str, int]:
        return known.hits(self._console.board.stages("detect"), RULES)

    def _look_for(self, words: str | None) -> None:
        self._search = (words or "").strip().lower()
        self._show()

    def _show(self) -> None:
        live, hits = self._console.rules.live, self._hits()
        fitting = [rule for rule in live.values() if self._search in _words(rule)]
        fitting.sort(key=lambda rule: (-hits.get(rule.rule.id, 0), rule.rule.id))
        self._table.show([_row(rule, hits.get(rule.rule.id, 0)) for rule in fitting[:MAX_ROWS]])
        self._note.set_text(f"{count(len(fitting))} of {count(len(live))} · click one for what it says")

    def _show_matrix(self) -> None:
        live = self._console.rules.live
        if not live:
            return
        from propolis.detection.coverage import coverage  # noqa: PLC0415 - loaded with the rules

        rules = [(name, one.rule.technique) for name, one in live.items()]
        lures = [(name, one.flaw.technique) for name, one in self._console.known.live.items()]
        matrix = coverage(rules, lures, self._hits())
        if matrix == self._matrix:
            return
        self._matrix = matrix
        covered = {one.id for tactic in matrix for one in tactic.techniques if one.is_covered}
        self._covered.set_text(f"{len(covered)} techniques are looked for · hotter: found more often")
        self._map.clear()
        with self._map:
            for tactic in matrix:
                _column(tactic)

    def _open(self, event: GenericEventArguments) -> None:
        live = self._console.rules.live.get(str(event.args[1].get("id", "")))
        if live is None:
            ui.notify("That rule is not live any more.", position="top")
            return
        from propolis.detection.explain import explain  # noqa: PLC0415 - loaded with the rules

        dialog = ui.dialog()
        dialog.on("hide", dialog.delete)
        with dialog, ui.element("div").classes("card evidence rule"):
            _heading(live)
            with ui.element("div").classes("tree"):
                _grow(explain(live.rule), 0)
            show_caught(self._console, live.rule.id)
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat no-caps color=grey-5")
        dialog.open()


def heat(hits: int) -> int:
    """How hot a technique is shown: 0 where nothing was found, up to 4."""
    return sum(hits >= least for least in HEATS)


def _column(tactic: "Tactic") -> None:
    with ui.element("div").classes("tactic"):
        ui.label(tactic.name.replace("-", " ")).classes("title")
        ui.label(f"{tactic.covered} of {len(tactic.techniques)}").classes("faint")
        for technique in sorted(tactic.techniques, key=lambda one: (not one.is_covered, -one.hits, one.id)):
            _cell(technique)


def _cell(technique: "Covered") -> None:
    shade = f"heat{heat(technique.hits)}" if technique.is_covered else "open"
    with ui.element("div").classes(f"technique {shade}"):
        ui.label(technique.id).classes("mono")
        ui.label(technique.name).classes("cut")
        if technique.is_covered:
            rules, lures = len(technique.rules), len(technique.lures)
            ui.label(f"{rules} rules · {lures} lures · {count(technique.hits)} hits").classes("faint")


def _words(live: "LiveRule") -> str:
    """What a search looks in."""
    rule = live.rule
    return " ".join((rule.id, rule.title, rule.technique, *rule.cve, rule.weakness, live.origin)).lower()


def _row(live: "LiveRule", hits: int) -> Row:
    rule = live.rule
    version = f" v{live.version}" if live.version else ""
    trial = ", on trial" if live.is_on_trial else ""
    return {
        "id": rule.id,
        "rule": rule.id,
        "title": inert(rule.title, MAX_CELL),
        "grade": rule.grade,
        "confidence": f"{rule.confidence} %",
        "severity": rule.severity,
        "technique": rule.technique,
        "origin": f"{live.origin}{version}{trial}",
        "hits": count(hits),
    }


def _heading(live: "LiveRule") -> None:
    rule = live.rule
    ui.label(inert(rule.title, MAX_CELL)).classes("heading")
    facts: Mapping[str, Any] = _row(live, 0)
    shown = (
        rule.id,
        rule.grade,
        facts["confidence"],
        rule.severity,
        rule.technique,
        *rule.cve,
        facts["origin"],
    )
    ui.label(inert(" · ".join(fact for fact in shown if fact), 400)).classes("dim")
    if live.promotion is not None:
        said = f"Promoted by {live.promotion.by}: {live.promotion.reason}"
        ui.label(inert(said, 400)).classes("dim")


def _grow(part: "Part", depth: int) -> None:
    ui.label(inert(part.text, 600)).classes("mono")
    if not part.parts:
        return
    with ui.element("div").classes("branch"):
        if depth == MAX_DEPTH:
            ui.label("…").classes("faint")
            return
        for inner in part.parts:
            _grow(inner, depth + 1)
