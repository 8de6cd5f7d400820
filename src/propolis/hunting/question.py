"""What may be asked: one statement that only reads, from the tables it is given.

A list of what is allowed, checked on DuckDB's own syntax tree, stands before DuckDB's sandbox, because one thing the
sandbox lets through would be fatal: a query may carry a ``COPY … TO`` or ``INSERT`` in a common table expression, and a
file that may be read may be written. Table functions that take raw pointers or SQL text are not on the list either.
"""

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from propolis.errors import QueryError

QUESTION_CHARACTERS = 65_536
MESSAGE_CHARACTERS = 500

_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "range",
        "repeat",
        "unnest",
    }
)
_CURE = "ask with one SELECT, WITH, FROM, DESCRIBE or SUMMARIZE"
_PLACE = re.compile(r"LINE (\d+): (.*)\n( *)\^")
_EXPLAIN = "EXPLAIN "


def check(sql: str) -> None:
    """Refuse whatever is not one reading statement.

    Raises :class:`~propolis.errors.QueryError` with line, column and cure.
    """
    if len(sql) > QUESTION_CHARACTERS:
        raise QueryError(f"the question has {len(sql)} characters; the limit is {QUESTION_CHARACTERS}")
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            f"character {error.start + 1} of the question is half of a surrogate pair"
        ) from error
    try:
        with duckdb.connect(":memory:", config={"threads": 1, "enable_external_access": False}) as parser:
            statements = parser.extract_statements(sql)
            row = parser.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        tree: dict[str, Any] = msgspec.json.decode(row[0] if row else "{}")
    except duckdb.Error as error:
        raise QueryError(explain(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise QueryError("the question is nested too deeply; split it") from error
    if len(statements) != 1:
        start = sql.find(statements[1].query, len(statements[0].query)) if statements else 0
        raise QueryError(f"{_place(sql, len(sql[:start].encode()))}: {len(statements)} statements; {_CURE}")
    if tree.get("error"):
        raise QueryError(f"{_place(sql, 0)}: this is not a question; {_CURE}")
    for node in _walk(tree.get("statements", [])):
        _check_node(sql, node)


def _check_node(sql: str, node: dict[str, Any]) -> None:
    kind = node.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _NODES:
        raise QueryError(
            f"{_place(sql, 0)}: {kind.removesuffix('_NODE').removesuffix('_QUERY')} changes things; {_CURE}"
        )
    if kind == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "")
        if name.casefold() not in _TABLE_FUNCTIONS:
            where = _place(sql, node.get("query_location", 0))
            raise QueryError(
                f"{where}: {printable(name)}() is not available; ask the tables that DESCRIBE and SHOW TABLES name"
            )


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _place(sql: str, offset: int) -> str:
    """An offset in bytes, as people count: lines and columns from 1."""
    before = sql.encode()[:offset].decode(errors="ignore")
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def explain(error: duckdb.Error) -> str:
    """DuckDB's message as one line, with the place first where it has one; of a question or of ``EXPLAIN`` of it.

    Messages quote data that attackers chose, so what could steer a terminal is escaped.
    """
    text = str(error)
    place = _PLACE.search(text)
    message = printable(
        "; ".join(line for line in text[: place.start() if place else None].splitlines() if line.strip())
    )
    message = message[:MESSAGE_CHARACTERS]
    if not place:
        return message
    line, source, indent = place.groups()
    if source.startswith("..."):
        return f"line {line}: {message}"
    column = len(indent) - len(f"LINE {line}: ") + 1
    return (
        f"line {line}, column {column - len(_EXPLAIN) if source.startswith(_EXPLAIN) else column}: {message}"
    )


def printable(text: str) -> str:
    """Text with everything that does not show (controls, bidirectional overrides, …) as a Python escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
