"""Writes the reference pages in docs/reference/ from the code that they describe; nothing of them is kept elsewhere.

``make docs`` runs it; ``tests/tree/test_reference.py`` fails while a page is not what this module would write.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    LiteralType,
    Metadata,
    StrType,
    StructType,
    VarTupleType,
)

from propolis import notes
from propolis.config import Config
from propolis.events import KINDS, flow, key
from propolis.events.interaction import SCHEMA, VERSION
from propolis.flaws.file import Flaw

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = "<!-- made from the code by `make docs`; change the code -->"
NOT_IN_THE_FILE = frozenset({"path"})


def settings() -> str:
    """Every setting with its type, default and meaning, table by table as in the file."""
    lines = [
        "# Settings",
        "",
        MADE,
        "",
        "One TOML file: `propolis.toml` in the folder where `propolis` starts, or the one `--config` names. Every",
        "setting has a default, an unknown one is refused, and `propolis check` validates the file.",
    ]
    for field in _fields(Config):
        if field.encode_name not in NOT_IN_THE_FILE:
            lines += _table(f"{field.encode_name}", field)
    return "\n".join(lines) + "\n"


def events() -> str:
    """Every event with its fields, and every column of the interaction schema."""
    lines = [
        "# Events",
        "",
        MADE,
        "",
        "What a decoy can report: facts in the past tense, without judgement. On the stream they are rows of one",
        f"Arrow schema, `interaction` version {VERSION}, on `events.interaction.<lane>`; a column that an event does",
        "not have is null.",
    ]
    for kind in KINDS:
        lines += ["", f"## {kind.__name__}", "", _line(kind.__doc__)]
        if kind.__struct_fields__:
            lines += ["", "Fields: " + ", ".join(f"`{name}`" for name in kind.__struct_fields__) + "."]
    lines += [
        "",
        "## Columns",
        "",
        "| column | Arrow type | null | events that have it |",
        "|---|---|---|---|",
    ]
    for column in SCHEMA:
        having = [kind.__name__ for kind in KINDS if column.name in kind.__struct_fields__]
        null = "yes" if column.nullable else "no"
        lines.append(f"| `{column.name}` | {column.type} | {null} | {', '.join(having) or 'every event'} |")
    for module, name, codes in (
        (flow, "flow", {"outcome": flow.OUTCOMES, "evidence_class": flow.CLASSES}),
        (key, "key", {"kind": key.KEY_KINDS, "evidence_class": flow.CLASSES}),
    ):
        lines += ["", f"# The class `{name}`, version {module.VERSION}", "", _prose(module.__doc__), ""]
        lines += ["| column | Arrow type | codes |", "|---|---|---|"]
        for column in module.SCHEMA:
            listed = ", ".join(f"{place} {code}" for place, code in enumerate(codes.get(column.name, ())))
            lines.append(f"| `{column.name}` | {column.type} | {listed} |")
    return "\n".join(lines) + "\n"


def notes_page() -> str:
    """Every note with its level, fields and meaning."""
    lines = [
        "# Notes",
        "",
        MADE,
        "",
        "What Propolis says of itself: each is one line on standard error (JSON with `host.log_json`) and one counter.",
        "",
        "| note | level | fields | meaning |",
        "|---|---|---|---|",
    ]
    for kind in note_classes():
        fields = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
        lines.append(f"| `{kind.__name__}` | {kind.level} | {fields} | {_line(kind.__doc__)} |")
    return "\n".join(lines) + "\n"


def note_classes() -> list[type[notes.Note]]:
    """Every note class, in the order of the module."""
    return [
        value
        for value in vars(notes).values()
        if isinstance(value, type) and issubclass(value, notes.Note) and value is not notes.Note
    ]


def lure_schema() -> str:
    """The JSON Schema of a lure file, for editors and for whoever writes one by machine."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "made from the code by `make docs`; change the code",
        "title": "Propolis lure file",
        **msgspec.json.schema(Flaw),
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


PAGES = {
    "settings.md": settings,
    "events.md": events,
    "notes.md": notes_page,
    "lure.schema.json": lure_schema,
}


def _fields(kind: type) -> tuple[Any, ...]:
    info = msgspec.inspect.type_info(kind)
    return info.fields if isinstance(info, StructType) else ()


def _bare(kind: Any) -> Any:
    return kind.type if isinstance(kind, Metadata) else kind


def _meaning(kind: Any) -> str:
    return str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, Metadata) else ""


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`").replace("|", "\\|")


def _prose(text: str | None) -> str:
    """A docstring's paragraphs, without the roles that only Python's readers know."""
    return re.sub(r":\w+:`[~.]*([^`]*)`", r"`\1`", (text or "").strip().replace("``", "`"))


def _table(name: str, field: Any) -> Iterator[str]:
    """One table of the file, its rows, then the tables in it."""
    kind = _bare(field.type)
    if isinstance(kind, DictType):
        yield from ("", f"## `[{name}.NAME]`", "", f"{_meaning(field.type)}.".capitalize(), "")
        yield from _rows(kind.value_type)
        yield from ("", "Without any such table:", "", "```toml")
        for key, value in field.default_factory().items():
            yield f"[{name}.{key}]"
            yield f"ports = {_toml(value.ports)}"
            if value.tls_ports:
                yield f"tls_ports = {_toml(value.tls_ports)}"
        yield "```"
        return
    yield from ("", f"## `[{name}]`", "", _line(kind.cls.__doc__), "")
    yield from _rows(kind)
    for inner in kind.fields:
        bare = _bare(inner.type)
        if isinstance(bare, StructType):
            yield from _table(f"{name}.{inner.encode_name}", inner)
        if isinstance(bare, VarTupleType) and isinstance(_bare(bare.item_type), StructType):
            yield from _list(f"{name}.{inner.encode_name}", _bare(bare.item_type), inner.default)


def _list(name: str, item: StructType, default: Any) -> Iterator[str]:
    """A list of tables, and what it holds without the file."""
    yield from ("", f"### `[[{name}]]`", "", _line(item.cls.__doc__), "")
    yield from _rows(item)
    if not isinstance(default, tuple) or not default:
        return
    yield from ("", "Without any such table:", "", "```toml", f"{name.rpartition('.')[2]} = [")
    for entry in default:
        yield f"  {_toml(msgspec.to_builtins(entry))},"
    yield from ("]", "```")


def _rows(kind: Any) -> Iterator[str]:
    kind = _bare(kind)
    yield "| setting | type | default | meaning |"
    yield "|---|---|---|---|"
    for field in kind.fields:
        bare = _bare(field.type)
        if isinstance(bare, StructType):
            continue
        if field.required:
            default = "required"
        elif isinstance(bare, VarTupleType) and isinstance(_bare(bare.item_type), StructType):
            default = "see below" if field.default else "`[]`"
        else:
            default = f"`{_toml(field.default)}`"
        yield f"| `{field.encode_name}` | {_type(bare)} | {default} | {_line(_meaning(field.type))} |"


def _type(kind: Any) -> str:
    """A type in an operator's words."""
    kind = _bare(kind)
    match kind:
        case BoolType():
            return "true or false"
        case LiteralType():
            return "one of " + ", ".join(f"`{_toml(value)}`" for value in kind.values)
        case IntType():
            return "whole number" + _range(kind)
        case FloatType():
            return "number" + _range(kind)
        case StrType():
            return "text"
        case VarTupleType():
            item = _bare(kind.item_type)
            return "list of tables" if isinstance(item, StructType) else f"list of {_type(item)}"
        case _:
            raise TypeError(f"no words for {kind}; add them here")


def _range(kind: Any) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    if kind.ge is not None:
        return f" of at least {kind.ge}"
    return f" above {kind.gt}" if kind.gt is not None else ""


def _toml(value: Any) -> str:
    """A value as TOML on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return f"{value:_}" if abs(value) >= 10_000 else str(value)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
