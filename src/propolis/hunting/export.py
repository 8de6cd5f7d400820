"""An answer on paper: CSV and JSON lines for people and scripts, Parquet for engines."""

import csv
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from propolis.errors import QueryError
from propolis.hunting.question import printable

Format: TypeAlias = Literal["csv", "json", "parquet"]

_FILE_MODE = 0o640
_BATCH_ROWS = 1_000


def save(table: pa.Table, path: Path, form: Format) -> None:
    """Write the answer to a file, replaced as a whole, readable by owner and group only: it holds captured data.

    Raises :class:`~propolis.errors.QueryError` when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, _FILE_MODE), "wb") as file:
            if form == "parquet":
                pq.write_table(table, file, compression="zstd")
            else:
                write(table, file, form)
        temporary.replace(path)
    except pa.ArrowException as error:
        temporary.unlink(missing_ok=True)
        raise QueryError(f"{path}: {error}; cast the column, or choose another --output") from error
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise QueryError(f"{path}: {error.strerror}; name another file with --to") from error


def write(table: pa.Table, file: IO[bytes], form: Literal["csv", "json"]) -> None:
    """The answer as UTF-8 text.

    CSV (RFC 4180): a header, then cells as :func:`text_of` makes them, safe to show.
    JSON (RFC 8259): one object a line, bytes in base64 (RFC 4648), numbers of 128 bits as numbers; what does not show
    is escaped, so that it is safe to show, too.
    """
    if form == "json":
        names = table.schema.names
        for row in rows(table):
            file.write(_json_line(dict(zip(names, map(_json, row), strict=True))) + b"\n")
        return
    writer = csv.writer(_Lines(file))
    writer.writerow(map(printable, table.schema.names))
    for row in rows(table):
        writer.writerow(map(text_of, row))


def rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Row by row, as Python values; dates and times as text, which has room for all of them.

    Raises :class:`~propolis.errors.QueryError` naming the column that has no Python value.
    """
    for batch in table.to_batches(_BATCH_ROWS):
        yield from zip(*map(_values, batch.columns, batch.schema.names), strict=True)


def _values(column: pa.Array, name: str) -> list[Any]:
    try:
        if pa.types.is_temporal(column.type) and not pa.types.is_interval(column.type):
            column = column.cast(pa.string())
        values: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise QueryError(f"column {printable(name)}: {error}; cast it to VARCHAR") from error
    return values


def text_of(value: Any) -> str:
    """A value as text that cannot steer a terminal; bytes as ASCII with hexadecimal escapes; null is empty."""
    match value:
        case None:
            return ""
        case bytes():
            return repr(value)[2:-1]
        case str():
            return printable(value)
        case bool():
            return "true" if value else "false"
        case _:
            return printable(str(value))


def _json_line(row: dict[str, Any]) -> bytes:
    text = msgspec.json.encode(row).decode()
    if not text.isprintable():
        # outside its strings JSON is printable, so these are characters of strings
        text = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
    return text.encode()


def _json(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


class _Lines:
    """What :mod:`csv` writes text to, over a binary file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode(errors="backslashreplace"))
