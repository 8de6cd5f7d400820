"""The head of the page: mean time to defence, the attack clock beside it, and hits a second."""

from typing import Any

from nicegui import ui

from propolis.console.board import Board
from propolis.console.card import card, figure
from propolis.console.units import NOTHING, count, duration, short
from propolis.measure import ATTACKED_SECONDS, PUBLISHED_SECONDS, SCANNED_SECONDS, Report, Spread

HONEY, CALM, DIM, FAINT, LINE = "#f0b429", "#4cc38a", "#93a0ae", "#3a4653", "#27303b"
SPARK_POINTS = 120

_ATTACKERS = (
    ("Protection, as published", PUBLISHED_SECONDS),
    ("Attackers strike", ATTACKED_SECONDS),
    ("Attackers find a decoy", SCANNED_SECONDS),
)
"""Bars of the attack clock from below, with their seconds."""

# values are milliseconds, so that the bars begin at one of them; echarts calls this for every tick
_TICK = "(v) => v < 1e3 ? `${v} ms` : v < 1e6 ? `${v / 1e3} s` : `${Math.round(v / 6e4)} min`"
_SHORTEST_MS, _LONGEST_MS = 1.0, 3_600_000.0


class Hero:
    """Three cards; :meth:`refresh` brings them up to date."""

    def __init__(self, board: Board) -> None:
        self._board = board
        with ui.element("div").classes("grid hero"):
            with card("Mean time to defence") as self._note:
                self._defence()
            with card("The attack clock") as note:
                note.set_text("first packet → dropped, read back; logarithmic")
                self._clock = ui.echart(_attack_clock(None)).classes("chart")
            with card("Hits") as self._hits_note:
                self._hits()

    def _defence(self) -> None:
        with ui.element("div").classes("big"):
            self._mean = ui.label(NOTHING).classes("value").mark("mean")
            self._unit = ui.label().classes("unit")
        self._explained = ui.label().classes("dim")
        with ui.element("div").classes("figures"):
            self._p50, self._p95, self._p99, self._max = (
                figure(name) for name in ("p50", "p95", "p99", "max")
            )
        with ui.element("div").classes("figures split"):
            self._detect, self._decide, self._enforce = (figure(n) for n in ("detect", "decide", "enforce"))
            self._never = figure("never defended")

    def _hits(self) -> None:
        with ui.element("div").classes("big plain"):
            self._rate = ui.label("0").classes("value")
            ui.label("connections/s").classes("unit dim")
        self._spark = ui.echart(_spark([])).classes("spark")
        with ui.element("div").classes("figures split"):
            self._events = figure("events/s")
            self._connections = figure("connections")
            self._lifted = figure("lifted by hand")

    def refresh(self) -> None:
        """Show what the board says now."""
        report, hits = self._board.report(), self._board.hits
        total, pretended = _headline(report)
        self._show_defence(report, total, pretended=pretended)
        options = _attack_clock(total)
        if options != self._clock.options:
            self._clock.options.update(options)
            self._clock.update()
        self._rate.set_text(f"{hits.connections_per_second:,.0f}")
        self._events.set_text(f"{hits.events_per_second:,.0f}")
        self._connections.set_text(count(hits.connections))
        self._lifted.set_text(f"{report.revoked} ({report.false_block_rate:.2%})")
        self._hits_note.set_text(f"last {SPARK_POINTS // 60} minutes")
        points = list(hits.history)[-SPARK_POINTS:]
        if points != self._spark.options["series"][0]["data"]:
            self._spark.options["series"][0]["data"] = points
            self._spark.update()

    def _show_defence(self, report: Report, total: Spread, *, pretended: bool) -> None:
        number, unit = duration(total.mean) if total.n else (NOTHING, "")
        self._mean.set_text(number)
        self._unit.set_text(unit)
        self._explained.set_text(_explained(report, total, pretended=pretended))
        self._note.set_text(f"± {short(report.clock_error_ms)} clocks" if total.n else "")
        spreads = (
            (self._p50, total.p50),
            (self._p95, total.p95),
            (self._p99, total.p99),
            (self._max, total.max),
        )
        for label, value in spreads:
            label.set_text(short(value) if total.n else NOTHING)
        stages = report.stages
        named = (
            (self._detect, stages["detect"]),
            (self._decide, stages["decide"]),
            (self._enforce, stages["enforce"]),
        )
        for label, spread in named:
            label.set_text(short(spread.mean) if spread.n else NOTHING)
        self._never.set_text(count(report.never_defended))
        self._never.classes(
            add="bad" if report.never_defended else "", remove="" if report.never_defended else "bad"
        )


def _headline(report: Report) -> tuple[Spread, bool]:
    """The spread of real defences; while there are none, the largest rehearsed one (and True)."""
    total = report.stages["total"]
    if total.n or not report.paths:
        return total, False
    return max((path.total for path in report.paths), key=lambda spread: spread.n), True


def _explained(report: Report, total: Spread, *, pretended: bool) -> str:
    if not total.n:
        return "No defence yet. 'propolis drill' attacks this installation and measures it."
    if pretended:
        return f"over {count(total.n)} dry runs: carried out by nobody, so no defence"
    return f"over {count(total.n)} defences, {count(report.blocks)} blocks"


def _attack_clock(total: Spread | None) -> dict[str, Any]:
    """Bars on a logarithmic scale, ours on top."""
    bars = [(name, seconds * 1_000.0, FAINT, DIM) for name, seconds in _ATTACKERS]
    if total is not None and total.n:
        bars.append(("Propolis, p99", total.p99, HONEY, HONEY))
        bars.append(("Propolis, median", total.p50, HONEY, HONEY))
    return {
        "animation": False,
        "grid": {"left": 168, "right": 74, "top": 4, "bottom": 24},
        "xAxis": {
            "type": "log",
            "min": _SHORTEST_MS,
            "max": _LONGEST_MS,
            "axisLabel": {"color": DIM, ":formatter": _TICK},
            "splitLine": {"lineStyle": {"color": LINE}},
        },
        "yAxis": {
            "type": "category",
            "data": [name for name, *_ in bars],
            "axisLabel": {"color": DIM, "fontSize": 13},
            "axisLine": {"show": False},
            "axisTick": {"show": False},
        },
        "series": [
            {
                "type": "bar",
                "barWidth": 15,
                "silent": True,
                "data": [_bar(milliseconds, bar, text) for _, milliseconds, bar, text in bars],
            }
        ],
    }


def _bar(milliseconds: float, color: str, text: str) -> dict[str, Any]:
    label = {
        "show": True,
        "position": "right",
        "color": text,
        "fontWeight": 600,
        "formatter": short(milliseconds),
    }
    return {
        "value": max(milliseconds, _SHORTEST_MS),
        "itemStyle": {"color": color, "borderRadius": [0, 4, 4, 0]},
        "label": label,
    }


def _spark(points: list[float]) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 0, "right": 0, "top": 6, "bottom": 2},
        "xAxis": {"type": "category", "show": False, "boundaryGap": False},
        "yAxis": {"type": "value", "show": False, "min": 0},
        "series": [
            {
                "type": "line",
                "data": points,
                "showSymbol": False,
                "silent": True,
                "lineStyle": {"color": HONEY, "width": 2},
                "areaStyle": {"color": HONEY, "opacity": 0.14},
            }
        ],
    }
