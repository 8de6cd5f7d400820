"""The page of what is new and spreading: a queue for people, its examples, and drafts made of them."""

from nicegui import ui
from nicegui.events import GenericEventArguments

from propolis.clock import rfc3339
from propolis.console.card import Row, Table, card
from propolis.console.console import Console
from propolis.console.evidence import MAX_PAYLOAD, inert
from propolis.console.units import count, moment
from propolis.detection.novelty.novel import Novel, Queue
from propolis.errors import PropolisError

MAX_CELL = 160

_COLUMNS = (
    ("score", "Score", "mono"),
    ("surprise", "Bits", "mono"),
    ("sources", "Sources", "mono"),
    ("recent", "New", "mono"),
    ("sensors", "Sensors", "mono"),
    ("first", "First seen (UTC)", "mono"),
    ("what", "What", ""),
    ("template", "How it is done", "cut"),
)
_EMPTY = """Nothing that at least two sources sent is new.
The archive looks at every event; what only repeats, or what a lure names, is not shown here."""


class New:
    """The queue; a click opens one with its examples, from which a rule or a lure can be drafted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._queue = Queue(0)
        with ui.element("div").classes("grid"), card("New and spreading") as self._note:
            self._table = Table(_COLUMNS, _EMPTY, classes="click novel")
            self._table.element.on("row-click", self._open, [[], ["id"], None])

    async def refresh(self) -> None:
        """Show what the archive says now."""
        self._queue = await self._console.queue()
        self._table.show([_row(one) for one in self._queue.novel])
        as_of = f"as of {moment(self._queue.time)}" if self._queue.time else ""
        self._note.set_text(
            f"{count(len(self._queue.novel))} {as_of} · click one for its examples" if as_of else ""
        )

    def _open(self, event: GenericEventArguments) -> None:
        identity = str(event.args[1].get("id", ""))
        one = next((one for one in self._queue.novel if one.id == identity), None)
        if one is None:
            ui.notify("That is not in the queue any more.", position="top")
            return
        dialog = ui.dialog()
        dialog.on("hide", dialog.delete)
        with dialog, ui.element("div").classes("card evidence novelty"):
            _heading(one)
            for example in one.examples:
                ui.label(
                    inert(example.decode("utf-8", "replace").replace("\r\n", "\n"), MAX_PAYLOAD, keep="\n\t")
                ).classes("bytes text")
            place = ui.element("div")
            with ui.element("div").classes("buttons"):
                ui.button("Draft a rule", on_click=lambda: _draft(one, place, is_lure=False)).props(
                    "flat no-caps"
                )
                if one.what == "request":
                    ui.button("Draft a lure", on_click=lambda: _draft(one, place, is_lure=True)).props(
                        "flat no-caps"
                    )
                ui.button("Close", on_click=dialog.close).props("flat no-caps color=grey-5")
        dialog.open()


def drafted(one: Novel, *, is_lure: bool) -> str:
    """The text of a draft, or why there is none."""
    from propolis.detection.novelty.draft import draft_lure, draft_rule  # noqa: PLC0415 - 80 MB, for those who draft

    try:
        return draft_lure(one) if is_lure else draft_rule(one)
    except PropolisError as error:
        return str(error)


def _draft(one: Novel, place: ui.element, *, is_lure: bool) -> None:
    place.clear()
    with place:
        ui.label(
            f"The same is written by: propolis novel draft {one.id} --{'lure' if is_lure else 'rule'}"
        ).classes("dim")
        ui.label(inert(drafted(one, is_lure=is_lure), MAX_PAYLOAD, keep="\n")).classes("bytes text").mark(
            "draft"
        )


def _row(one: Novel) -> Row:
    return {
        "id": one.id,
        "score": f"{one.score:.1f}",
        "surprise": f"{one.surprise:.1f}",
        "sources": count(one.sources),
        "recent": count(round(one.recent)),
        "sensors": count(len(one.sensors)),
        "first": rfc3339(one.first_seen)[:16].replace("T", " "),
        "what": one.what,
        "template": inert(one.template, MAX_CELL),
    }


def _heading(one: Novel) -> None:
    ui.label(inert(one.template, MAX_CELL)).classes("heading")
    facts = (
        one.id,
        f"score {one.score:.1f}",
        f"{one.surprise:.1f} bits",
        f"{count(one.sources)} sources, {count(round(one.recent))} new",
        f"{count(one.events)} events",
        f"{count(one.texts)} texts",
        f"known {one.known:.0%}",
        f"sensors {', '.join(one.sensors)}",
        f"ports {', '.join(map(str, one.ports))}",
    )
    ui.label(inert(" · ".join(facts), 400)).classes("dim")
