"""``propolis hunt``: a question in SQL, its answer as a table, a file or a picture."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Annotated, Literal, TypeAlias

import pyarrow as pa
import uvloop
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from propolis.cli.context import connected
from propolis.cli.settings import DEFAULT_CONFIG, ConfigPath, configured
from propolis.config import Config
from propolis.errors import QueryError, StreamError
from propolis.hunting import export as exporting
from propolis.hunting import hunt as asking
from propolis.hunting import plot as plotting
from propolis.hunting.gather import gather as gather_from

CELL_CHARACTERS = 200
"""A cell of the table shows no more; the other outputs show all."""

Output: TypeAlias = Literal["table", "csv", "json", "parquet"]

Gather: TypeAlias = Callable[[Config, int], tuple[asking.Unflushed, Mapping[str, pa.Table]]]
"""From the settings and the lake's committed sequence to what the lake has not yet, and further tables by name."""


def only_the_lake(_config: Config, _committed: int) -> tuple[asking.Unflushed, Mapping[str, pa.Table]]:
    """Nothing but what is flushed."""
    return {}, {}


def with_the_stream(config: Config, committed: int) -> tuple[asking.Unflushed, Mapping[str, pa.Table]]:
    """What the running stream holds beside the lake; nothing, and a word of it, when none runs."""

    async def look() -> tuple[asking.Unflushed, Mapping[str, pa.Table]]:
        async with connected(config) as stream:
            return await gather_from(stream, committed)

    try:
        return uvloop.run(look())
    except StreamError as error:
        Console(file=sys.stderr).print(
            f"only what is in the lake already: {error}", markup=False, highlight=False
        )
        return {}, {}


def hunt(
    query: str,
    /,
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    output: Output = "table",
    to: Path | None = None,
    plot: Annotated[bool, Parameter(negative=())] = False,
    limit: int = 1_000,
) -> None:
    """Ask the lake of all events, in SQL.

    Parameters
    ----------
    query
        one SELECT, WITH, FROM, DESCRIBE or SUMMARIZE; SHOW TABLES lists what can be asked
    config
        the settings file
    output
        how the answer is written
    to
        a file for the answer instead of standard output; Parquet needs one
    plot
        draw the answer: lines for a time and numbers, bars for a name and a number, a histogram for one number
    limit
        rows of the answer at most

    """
    settings, out = configured(config), sys.stdout.buffer
    try:
        run(query, settings, output=output, to=to, plot=plot, limit=limit, gather=with_the_stream, out=out)
    except BrokenPipeError:
        # `| head` has seen enough; what Python still holds for standard output goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(
    query: str,
    config: Config,
    *,
    output: Output,
    to: Path | None,
    plot: bool,
    limit: int,
    gather: Gather,
    out: IO[bytes],
) -> None:
    """Answer ``query`` and write the answer to ``to`` or ``out``; progress goes to standard error.

    Raises :class:`~propolis.errors.QueryError` and :class:`~propolis.errors.LakeError`; Ctrl-C stops the question.
    """
    if limit < 1:
        raise QueryError(f"--limit {limit}: ask for at least one row")
    if output == "parquet" and to is None and not plot:
        raise QueryError("--output parquet needs --to FILE")
    if output == "table" and to is not None:
        raise QueryError("--to needs --output csv, json or parquet")
    answer = _ask(query, config, limit, gather)
    console = Console(file=sys.stderr)
    if plot:
        out.write(plotting.plot(answer.table, width=console.width).encode() + b"\n")
    elif to is not None and output != "table":
        exporting.save(answer.table, to, output)
    elif output == "csv" or output == "json":  # noqa: PLR1714 - the type checker follows this form
        exporting.write(answer.table, out, output)
    else:
        out.write(_table(answer.table, console.width).encode())
    out.flush()
    rows = f"{answer.table.num_rows} row{'' if answer.table.num_rows == 1 else 's'}"
    console.print(
        f"[dim]{rows}[/dim]" if answer.is_whole else f"[yellow]only the first {rows}; see --limit[/yellow]"
    )


def _ask(query: str, config: Config, limit: int, gather: Gather) -> asking.Answer:
    root = config.state / config.lake.path
    columns = (SpinnerColumn(), TextColumn("hunting"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("hunting", total=None)

        def show(percent: float) -> None:
            if percent >= 0:
                progress.update(task, completed=percent, total=100.0)

        unflushed, extra = gather(config, asking.committed(root))
        return asking.hunt(
            query, root, unflushed, extra=extra, spill=config.state, limit=limit, on_progress=show
        )


def _table(table: pa.Table, width: int) -> str:
    grid = Table(header_style="bold")
    for field in table.schema:
        is_number = (
            pa.types.is_integer(field.type)
            or pa.types.is_floating(field.type)
            or pa.types.is_decimal(field.type)
        )
        grid.add_column(
            Text(exporting.text_of(field.name)), justify="right" if is_number else "left", overflow="fold"
        )
    for row in exporting.rows(table):
        grid.add_row(*(Text(_cell(exporting.text_of(value))) for value in row))
    console = Console(width=width, color_system="standard" if sys.stdout.isatty() else None)
    with console.capture() as captured:
        console.print(grid)
    return captured.get()


def _cell(text: str) -> str:
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
