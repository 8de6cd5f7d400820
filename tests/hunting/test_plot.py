import contextlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.errors import QueryError
from propolis.hunting.plot import BARS, LABEL_CHARACTERS, plot


def test_a_name_and_a_number_are_bars_from_the_top_down() -> None:
    picture = plot(pa.table({"lure": ["ssh", "http", "redis"], "rows": [30, 10, 1]}), width=60)
    lines = picture.splitlines()
    assert [line.split("┤")[0].strip() for line in lines if "┤" in line] == ["ssh", "http", "redis"]
    lengths = {
        name: next(line for line in lines if line.strip().startswith(name)).count("█")
        for name in ("ssh", "http")
    }
    assert lengths["ssh"] > 2 * lengths["http"] > 0
    assert "30" in lines[-1] or "30" in lines[-2]


def test_a_time_and_numbers_are_lines() -> None:
    hours = [datetime(2026, 11, 24) + timedelta(hours=hour) for hour in range(24)]  # noqa: DTZ001 - DuckDB's plain TIMESTAMP
    picture = plot(pa.table({"hour": hours, "rows": range(24), "sources": [3] * 24}))
    assert "2026-11-24 00:00" in picture
    assert "rows" in picture
    assert "sources" in picture


def test_a_date_is_a_time() -> None:
    picture = plot(pa.table({"date": [date(2026, 11, 1), date(2026, 11, 30)], "rows": [1, 2]}))
    assert "2026-11-01" in picture


def test_one_number_is_a_histogram() -> None:
    picture = plot(pa.table({"bytes_in": [1, 2, 2, 3, 100]}))
    assert "bytes_in: how many of 5" in picture
    assert "█" in picture


def test_two_numbers_are_bars_of_the_second() -> None:
    picture = plot(pa.table({"target_port": [22, 80], "rows": [5, 9]}))
    assert "22┤" in picture


def test_bars_have_a_limit_and_labels_too() -> None:
    picture = plot(pa.table({"who": [f"{n}\x1b[2J" + "x" * 99 for n in range(500)], "rows": range(500)}))
    assert sum("xxx" in line for line in picture.splitlines()) == BARS
    assert "\x1b" not in picture
    assert max(len(line) for line in picture.splitlines()) <= 80 + LABEL_CHARACTERS


@pytest.mark.parametrize(
    "table",
    [
        pa.table({}),
        pa.table({"name": ["a"]}),
        pa.table({"name": pa.array([], pa.string()), "n": pa.array([], pa.int64())}),
        pa.table({"name": ["a"], "n": pa.nulls(1, pa.int64())}),
        pa.table({"n": pa.array([float("nan")])}),
    ],
)
def test_what_has_no_picture_is_said(table: pa.Table) -> None:
    with pytest.raises(QueryError, match="nothing to plot"):
        plot(table)


def test_many_points_are_thinned_and_that_is_said() -> None:
    times = pa.array(range(10_000), pa.timestamp("s"))
    assert "every 5th row" in plot(pa.table({"t": times, "n": range(10_000)}))


numbers = st.one_of(st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1).map(float))


@settings(max_examples=25, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=30), st.sampled_from(["bars", "histogram", "lines"]))
def test_no_number_breaks_the_plotter(values: Sequence[float | None], kind: str) -> None:
    column = pa.array(values, pa.float64())
    tables = {
        "bars": pa.table({"name": [str(value) for value in values], "n": column}),
        "histogram": pa.table({"n": column}),
        "lines": pa.table({"t": pa.array(range(len(values)), pa.timestamp("us")), "n": column}),
    }
    with contextlib.suppress(QueryError):
        assert plot(tables[kind])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.text(max_size=40), min_size=1, max_size=10), st.text(max_size=20))
def test_no_captured_text_breaks_the_plotter_or_steers_the_terminal(
    names: Sequence[str | None], title: str
) -> None:
    clean = [None if name is None else name.encode(errors="replace").decode() for name in names]
    table = pa.table(
        {
            "who": pa.array(clean, pa.string()),
            title.encode(errors="replace").decode(): range(1, len(names) + 1),
        }
    )
    picture = plot(table)
    assert picture.replace("\n", "").isprintable()


def test_decimals_and_wide_integers_are_numbers() -> None:
    assert plot(pa.table({"name": ["a", "b"], "n": pa.array([Decimal(1), None], pa.decimal128(38, 0))}))
    assert plot(pa.table({"name": ["a", "b"], "n": pa.array([2**64 - 1, 0], pa.uint64())}))
