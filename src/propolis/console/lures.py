"""The page of lures: what the decoys play, every lure with its hits, and the requests each of them caught."""

from nicegui import ui
from nicegui.events import GenericEventArguments

from propolis.clock import rfc3339
from propolis.console import known
from propolis.console.card import Row, Table, card
from propolis.console.console import Console
from propolis.console.evidence import inert
from propolis.console.found import open_evidence
from propolis.console.known import Playing
from propolis.console.units import count, moment
from propolis.findings import Finding
from propolis.flaws.shelf import Live

MAX_ROWS = 200
MAX_CAUGHT = 30
MAX_CELL = 120

_COLUMNS = (
    ("lure", "Lure", "mono"),
    ("name", "Flaw", "cut"),
    ("cve", "CVE", "mono"),
    ("kind", "Kind", ""),
    ("severity", "Severity", ""),
    ("product", "Product", "mono"),
    ("ports", "Ports", "mono"),
    ("origin", "From", ""),
    ("hits", "Hits", "mono"),
)
_CAST = (
    ("sensor", "Sensor", "mono"),
    ("port", "Port", "mono"),
    ("server", "Server", ""),
    ("products", "Products", "cut"),
    ("until", "Until (UTC)", "mono"),
)
_REFUSED = (("lure", "Lure", "mono"), ("why", "Why", "cut"))
_CAUGHT = (
    ("time", "Found (UTC)", "mono"),
    ("grade", "Grade", ""),
    ("source", "Source", "mono"),
    ("count", "Events", ""),
)
_NO_CAST = "No sensor says what it plays. 'propolis up' starts one."
_NO_CATCH = "No request among the latest findings. 'propolis hunt' asks all there ever were."


class Lures:
    """Three cards: the cast, the lures, and what is refused."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._search = ""
        with ui.element("div").classes("grid wide"):
            with card("What the decoys play") as self._cast_note:
                self._cast = Table(_CAST, _NO_CAST, classes="short cast")
            with card("Refused"):
                self._refused = Table(_REFUSED, "Every lure is live.", classes="short refused")
        with ui.element("div").classes("grid"), card("Lures") as self._note:
            search = ui.input("Search: id, CVE, product, kind").props("dark outlined dense clearable")
            search.on_value_change(lambda change: self._look_for(change.value)).mark("search")
            self._table = Table(_COLUMNS, "No lure fits.", classes="click lures")
            self._table.element.on("row-click", self._open, [[], ["id"], None])

    async def refresh(self) -> None:
        """Show what files, stream and sensors say now."""
        await self._console.known.refresh()
        sensors = self._console.board.stages("sensor")
        self._cast.show([_played(one) for one in known.playing(sensors)])
        refused = {**self._console.known.refused, **known.refusals(sensors)}
        self._refused.show(
            [
                {"id": name, "lure": inert(name, MAX_CELL), "why": inert(why, 400)}
                for name, why in sorted(refused.items())
            ]
        )
        self._show()

    def _look_for(self, words: str | None) -> None:
        self._search = (words or "").strip().lower()
        self._show()

    def _show(self) -> None:
        live = self._console.known.live
        hits = known.hits(self._console.board.stages("sensor"))
        fitting = [lure for lure in live.values() if self._search in _words(lure)]
        fitting.sort(key=lambda lure: (-hits.get(lure.flaw.id, 0), lure.flaw.id))
        self._table.show([_row(lure, hits.get(lure.flaw.id, 0)) for lure in fitting[:MAX_ROWS]])
        shown = f", the first {MAX_ROWS} shown" if len(fitting) > MAX_ROWS else ""
        self._note.set_text(
            f"{count(len(fitting))} of {count(len(live))}{shown} · click one for its requests"
        )

    def _open(self, event: GenericEventArguments) -> None:
        lure = self._console.known.live.get(str(event.args[1].get("id", "")))
        if lure is None:
            ui.notify("That lure is not live any more.", position="top")
            return
        dialog = ui.dialog()
        dialog.on("hide", dialog.delete)
        with dialog, ui.element("div").classes("card evidence lure"):
            _heading(lure)
            show_caught(self._console, lure.flaw.id)
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat no-caps color=grey-5")
        dialog.open()


def show_caught(console: Console, name: str) -> None:
    """The latest findings of a lure or a rule; a click shows their requests, byte by byte."""
    caught = [finding for finding in console.board.latest_findings() if finding.rule == name][:MAX_CAUGHT]
    ui.label("Requests").classes("dim")
    table = Table(_CAUGHT, _NO_CATCH, classes="short click caught")
    table.show([_catch(finding) for finding in caught])

    async def look(event: GenericEventArguments) -> None:
        await open_evidence(console, str(event.args[1].get("id", "")))

    table.element.on("row-click", look, [[], ["id"], None])


def _words(lure: Live) -> str:
    """What a search looks in."""
    flaw = lure.flaw
    return " ".join((flaw.id, flaw.name, *flaw.cve, flaw.product, flaw.kind, lure.origin)).lower()


def _row(lure: Live, hits: int) -> Row:
    flaw = lure.flaw
    version = f" v{lure.version}" if lure.version else ""
    return {
        "id": flaw.id,
        "lure": flaw.id,
        "name": inert(flaw.name, MAX_CELL),
        "cve": " ".join(flaw.cve[:3]),
        "kind": flaw.kind,
        "severity": flaw.severity,
        "product": flaw.product,
        "ports": " ".join(map(str, flaw.ports[:6])) or "any",
        "origin": f"{lure.origin}{version}",
        "hits": count(hits),
    }


def _played(one: Playing) -> Row:
    played = one.played
    return {
        "id": f"{one.sensor} {played.port}",
        "sensor": inert(one.sensor, MAX_CELL),
        "port": str(played.port),
        "server": inert(played.server, MAX_CELL),
        "products": inert(", ".join(played.products) or "the server alone", MAX_CELL),
        "until": rfc3339(one.rotates)[:16].replace("T", " ") if one.rotates > 0 else "for good",
    }


def _catch(finding: Finding) -> Row:
    return {
        "id": finding.id,
        "time": moment(finding.found),
        "grade": finding.grade,
        "source": inert(finding.source, MAX_CELL),
        "count": count(finding.count),
    }


def _heading(lure: Live) -> None:
    flaw = lure.flaw
    ui.label(inert(flaw.name, MAX_CELL)).classes("heading")
    facts = (flaw.id, *flaw.cve, flaw.kind, flaw.severity, flaw.technique, flaw.product, flaw.source)
    ui.label(inert(" · ".join(fact for fact in facts if fact), 400)).classes("dim")
    with ui.element("div").classes("fields"):
        for step in flaw.steps:
            ui.label(step.id).classes("name")
            ui.label(inert(f"{step.grade} {step.confidence} %  {step.match}", 600)).classes("what")
