"""A picture of an answer in the terminal; which one follows from the types of its columns."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import plotext
import pyarrow as pa

from propolis.errors import QueryError
from propolis.hunting.export import text_of
from propolis.hunting.question import printable

BARS = 40
LINES = 4
POINTS = 2_000
BINS = 20
LABEL_CHARACTERS = 30
_LARGEST = 1e300
_TICKS = 5
_FRAME_ROWS = 4  # title, two edges, ticks
_MARKERS = ("hd", "x", "o", "+")

Floats = npt.NDArray[np.float64]


def plot(table: pa.Table, *, width: int = 80, height: int = 20) -> str:
    """Time and numbers: lines. Anything else and a number: bars. One number: a histogram.

    ``width`` and ``height`` in characters. Returns lines of plain text.
    Raises :class:`~propolis.errors.QueryError` when no column holds a number, or no row.
    """
    names = table.schema.names
    kinds = table.schema.types
    numbers = [place for place, kind in enumerate(kinds) if _is_number(kind)]
    times = [
        place
        for place, kind in enumerate(kinds)
        if pa.types.is_temporal(kind) and not pa.types.is_duration(kind)
    ]
    others = [place for place in range(len(kinds)) if place not in numbers]
    if not numbers or not table.num_rows:
        raise QueryError("nothing to plot; ask for a time and numbers, a name and a number, or one number")
    if times:
        return _lines(table, times[0], numbers[:LINES], width, height)
    if not others and len(numbers) > 1:
        others = numbers[:1]
        numbers = numbers[1:]
    if others:
        return _bars(table, others[0], numbers[0], width)
    return _histogram(names[numbers[0]], _floats(table.column(numbers[0])), width, height)


def _lines(table: pa.Table, time: int, numbers: Sequence[int], width: int, height: int) -> str:
    times = _floats(table.column(time).cast(pa.timestamp("us"), safe=False).cast(pa.int64()))
    step = max(1, math.ceil(len(times) / POINTS))
    order = np.argsort(times, kind="stable")[::step]
    series = [_floats(table.column(place))[order] for place in numbers]
    x, left, right = _unit(times[order])
    _, low, high = _unit(np.concatenate(series))
    title = ", ".join(table.schema.names[place] for place in numbers)
    figure = _figure(width, height, title if step == 1 else f"{title} (every {step}th row)")
    for place, values, marker in zip(numbers, series, _MARKERS, strict=False):
        known = np.isfinite(values) & np.isfinite(x)
        if known.any():
            line = figure.signal(
                x[known].tolist(), ((values[known] - low) / (high - low)).tolist(), marker=marker
            )
            line.lines(active=True)
            line.label(_label(table.schema.names[place]))
            figure.draw(line)
    figure.ruler("y").ticks(*_ticks(low, high))
    marks = np.linspace(0, 1, _TICKS)
    figure.ruler("x").ticks(marks.tolist(), _moments(left + marks * (right - left)))
    return _text(figure)


def _bars(table: pa.Table, label: int, number: int, width: int) -> str:
    values = _floats(table.column(number))[:BARS]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise QueryError("nothing to plot; the numbers are all null")
    labels = [_label(text_of(table.column(label)[place].as_py())) for place in known]
    # from the top down, from zero, and labels alike are different rows
    largest = max(float(np.abs(values[known]).max()), np.finfo(float).tiny)
    lengths = (values[known] / largest)[::-1].tolist()
    rows = list(range(1, len(lengths) + 1))
    # a row a bar and one between
    figure = _figure(width, 2 * len(rows) + 1 + _FRAME_ROWS, table.schema.names[number])
    figure.draw(figure.bar(rows, lengths, orientation="horizontal", width=0.1))
    figure.ruler("y").lim(0.5, len(rows) + 0.5)
    figure.ruler("y").ticks(rows, labels[::-1])
    marks = np.linspace(min(0.0, *lengths), max(0.0, *lengths), _TICKS)
    figure.ruler("x").ticks(marks.tolist(), [_figures(mark * largest) for mark in marks])
    return _text(figure)


def _histogram(name: str, values: Floats, width: int, height: int) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        raise QueryError("nothing to plot; the numbers are all null")
    unit, low, high = _unit(known)
    counts, edges = np.histogram(unit, bins=BINS, range=(0, 1))
    figure = _figure(width, height, f"{name}: how many of {len(known)}")
    middles = (edges[:-1] + edges[1:]) / 2
    most = int(counts.max())
    figure.draw(figure.bar(middles.tolist(), (counts / most).tolist(), width=1))
    figure.ruler("y").ticks([0, 0.5, 1], ["0", _figures(most / 2), _figures(most)])
    figure.ruler("x").ticks(*_ticks(low, high))
    return _text(figure)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _floats(column: pa.ChunkedArray) -> Floats:
    """A column as floats, NaN for null, within what a difference of two cannot overflow."""
    values: Floats = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    values[np.isinf(values)] = np.nan
    return np.clip(values, -_LARGEST, _LARGEST)


def _unit(values: Floats) -> tuple[Floats, float, float]:
    """Values moved into 0 to 1, and what 0 and 1 stand for. The plotter's own scaling can end the process."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - max(1.0, abs(low) / 2), high + max(1.0, abs(high) / 2)
    return (values - low) / (high - low), low, high


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    marks = np.linspace(0, 1, _TICKS)
    return marks.tolist(), [_figures(low + mark * (high - low)) for mark in marks]


def _figures(number: float) -> str:
    return f"{number:,.0f}" if 1_000 <= abs(number) < 1e12 else f"{number:.4g}"


def _moments(microseconds: Floats) -> list[str]:
    span = float(microseconds[-1] - microseconds[0]) / 1_000_000
    unit: Literal["D", "m", "s"] = "D" if span > 10 * 86_400 else "m" if span > 600 else "s"
    moments: npt.NDArray[np.datetime64] = microseconds.astype("datetime64[us]")
    return [text.replace("T", " ") for text in np.datetime_as_string(moments, unit=unit).tolist()]


def _label(text: str) -> str:
    text = printable(text).strip() or "(none)"  # the plotter fails on a label without ink
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…"


def _figure(width: int, height: int, title: str) -> Any:
    plotext.terminal.limit(width=False, height=False)  # the size is ours to choose
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(max(width, 20), max(height, 8))
    figure.title(printable(title)[:width])
    return figure


def _text(figure: Any) -> str:
    return str(plotext.uncolorize(str(figure.build())))
