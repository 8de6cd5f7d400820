"""The latest findings, and the bytes behind each of them."""

from nicegui import ui
from nicegui.events import GenericEventArguments

from propolis.console.card import Row, Table, card
from propolis.console.console import Console
from propolis.console.evidence import Shown, inert, lake_question
from propolis.console.units import count, moment
from propolis.findings import Finding

MAX_ROWS = 100
MAX_CELL = 120

_EMPTY = """No finding yet: nobody has touched a decoy, or nothing they did was judged.
Touch one yourself (see Sensors below for the ports), or let 'propolis drill' do it."""

_COLUMNS = (
    ("time", "Found (UTC)", "mono"),
    ("grade", "Grade", ""),
    ("source", "Source", "mono"),
    ("title", "Finding", "cut"),
    ("confidence", "Confidence", ""),
    ("cve", "CVE", "mono"),
    ("technique", "ATT&CK", "mono"),
    ("count", "Events", ""),
)

_GRADE = '<q-td :props="props"><span :class="`grade ${props.value}`">{{ props.value }}</span></q-td>'


class Found:
    """A table of the newest findings; a click opens one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        with card("Latest findings") as self._note:
            self._table = Table(_COLUMNS, _EMPTY, classes="click findings")
            self._table.element.add_slot("body-cell-grade", _GRADE)
            self._table.element.on("row-click", self._open, [[], ["id"], None])

    def refresh(self) -> None:
        """Show what the board says now."""
        board = self._console.board
        newest = [finding for finding, _ in zip(board.latest_findings(), range(MAX_ROWS), strict=False)]
        self._table.show([_row(finding) for finding in newest])
        self._note.set_text(
            f"{count(board.grades.total())} seen · click one for its evidence" if newest else ""
        )

    async def _open(self, event: GenericEventArguments) -> None:
        await open_evidence(self._console, str(event.args[1].get("id", "")))


async def open_evidence(console: Console, finding_id: str) -> None:
    """Open a finding with its evidence, byte by byte, over the page."""
    finding = console.board.findings.get(finding_id)
    if finding is None:
        ui.notify("That finding is not among the latest any more.", position="top")
        return
    dialog = ui.dialog()
    dialog.on("hide", dialog.delete)
    with dialog, ui.element("div").classes("card evidence"):
        _heading(finding)
        panel = ui.element("div").classes("event")
        await _pick(console, finding, panel)
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat no-caps color=grey-5")
    dialog.open()


async def _pick(console: Console, finding: Finding, panel: ui.element) -> None:
    """The pieces of evidence to choose from, the first one open."""
    if not finding.evidence:
        with panel:
            ui.label("This finding cites no event.").classes("empty")
        return
    names = {n: f"{n + 1} · {inert(piece.summary, 60)}" for n, piece in enumerate(finding.evidence)}
    with panel:
        choice = ui.select(names, value=0, label="Evidence").props("dark outlined dense")
        place = ui.element("div").classes("event")
    choice.set_visibility(len(names) > 1)
    choice.on_value_change(lambda change: _show(console, finding, int(change.value), place))
    await _show(console, finding, 0, place)


async def _show(console: Console, finding: Finding, number: int, place: ui.element) -> None:
    shown = await console.evidence(finding, number)
    place.clear()
    with place:
        if shown is None:
            ui.label("The stream does not keep this event any more. The lake may:").classes("empty")
            ui.label(lake_question(finding.evidence[number].event)).classes("bytes text")
        else:
            _event(shown)


def _row(finding: Finding) -> Row:
    return {
        "id": finding.id,
        "time": moment(finding.found),
        "grade": finding.grade,
        "source": inert(finding.source, MAX_CELL),
        "title": inert(finding.title or finding.rule, MAX_CELL),
        "confidence": f"{finding.confidence} %",
        "cve": inert(", ".join(finding.cve), MAX_CELL),
        "technique": inert(finding.technique, MAX_CELL),
        "count": count(finding.count),
    }


def _heading(finding: Finding) -> None:
    ui.label(inert(finding.title or finding.rule, MAX_CELL)).classes("heading")
    with ui.element("div").classes("top"):
        ui.label(finding.grade).classes(f"grade {finding.grade}")
        ui.label(inert(finding.source, MAX_CELL)).classes("mono")
        facts = (
            f"rule {finding.rule}",
            f"confidence {finding.confidence} %",
            f"severity {finding.severity}",
            finding.technique,
            *finding.cve,
            f"sensor {', '.join(finding.sensors)}",
        )
        ui.label(inert(" · ".join(fact for fact in facts if fact))).classes("dim")


def _event(shown: Shown) -> None:
    """One event. Every text is a label's text, which the browser never reads as markup."""
    with ui.element("div").classes("fields"):
        for name, value in shown.fields.items():
            ui.label(name).classes("name")
            ui.label(value).classes("what")
    if not shown.bytes_total:
        return
    part = "" if shown.bytes_shown == shown.bytes_total else f", the first {count(shown.bytes_shown)} shown"
    ui.label(f"Payload: {count(shown.bytes_total)} bytes{part}").classes("dim")
    ui.label("\n".join(shown.dump)).classes("bytes").mark("dump")
    ui.label("The same as text").classes("dim")
    ui.label(shown.text).classes("bytes text").mark("payload")
