"""The parts every section of the page is made of. Text goes in as text: nothing here takes markup from outside."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from nicegui import ui

from propolis.console.units import NOTHING

Row: TypeAlias = dict[str, Any]

MARK = '<svg class="mark" viewBox="0 0 24 24"><path d="M12 1.6 21 6.8v10.4l-9 5.2-9-5.2V6.8z"/></svg>'


@contextlib.contextmanager
def card(title: str, classes: str = "") -> Iterator[ui.label]:
    """A section under a title; what it gives is the note at the right of the title."""
    with ui.element("section").classes(f"card {classes}"):
        with ui.element("div").classes("head"):
            ui.label(title).classes("title")
            note = ui.label().classes("note")
        yield note


def figure(label: str) -> ui.label:
    """A small number over its name; the number's label."""
    with ui.element("div").classes("figure"):
        value = ui.label(NOTHING).classes("value")
        ui.label(label).classes("label")
    return value


class Table:
    """A table that changes only when its rows do, with a word in its place while it has none."""

    def __init__(self, columns: Sequence[tuple[str, str, str]], empty: str, *, classes: str = "") -> None:
        """``columns``: field, heading, and classes of its cells. Rows carry a unique ``id``."""
        self._table = (
            ui.table(
                columns=[
                    {"name": name, "label": heading, "field": name, "align": "left", "classes": css}
                    for name, heading, css in columns
                ],
                rows=[],
                row_key="id",
            )
            .props("flat dense")
            .classes(f"table {classes}")
        )
        self._empty = ui.label(empty).classes("empty")
        self._table.set_visibility(False)

    @property
    def element(self) -> ui.table:
        """The table itself, for slots and events."""
        return self._table

    def show(self, rows: list[Row]) -> None:
        """These rows and no others; their values are text and numbers."""
        if rows == self._table.rows:
            return
        self._table.rows = rows
        self._table.set_visibility(bool(rows))
        self._empty.set_visibility(not rows)
