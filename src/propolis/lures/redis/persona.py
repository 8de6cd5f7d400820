"""What a recorded Redis server is: its command table, its settings, its INFO, and answers to what nobody plays."""

from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from propolis.lures import persona
from propolis.lures.redis.wire import Error, Many, NullArray, Status, Value, Verbatim

Tree: TypeAlias = Any
"""A value as JSON: text for bulk strings (a character a byte), ``{"+": text}`` for a status, ``{"-": text}`` for an
error, ``{"~": [..]}`` and ``{"%": [..]}`` for sets and pairs, ``{"=": text}`` for verbatim text, ``{"*": null}`` for a
null array, and numbers, lists, true, false and null for themselves."""


class Command(msgspec.Struct, frozen=True):
    """A command as ``COMMAND`` and ``COMMAND DOCS`` describe it.

    ``answers`` is what it and its subcommands said, by full name (``xinfo|stream``), when they were tried with as few
    words as they take on an empty server.
    """

    entry: Tree
    docs: Tree
    answers: dict[str, Tree] = {}


class Setting(msgspec.Struct, frozen=True):
    """A setting's value, and how ``CONFIG SET`` complains of nonsense; empty if it takes any text.

    ``least`` and ``most`` bound a number, unless both are 0.
    """

    value: str
    complaint: str = ""
    least: int = 0
    most: int = 0


class Persona(msgspec.Struct, frozen=True):
    """One product. ``info`` and ``replica`` (``INFO`` while it follows a master) are sections of lines, in order.

    ``client`` is the line of ``CLIENT INFO``; ``folders`` are those that ``CONFIG SET dir`` finds.
    """

    name: str
    version: str
    commands: dict[str, Command]
    config: dict[str, Setting]
    info: dict[str, tuple[tuple[str, str], ...]]
    replica: tuple[tuple[str, str], ...]
    client: tuple[tuple[str, str], ...]
    default_sections: tuple[str, ...]
    folders: tuple[str, ...]


class Shape(msgspec.Struct, frozen=True):
    """A command: how many words it takes (negative: at least), its flags and categories."""

    name: str
    arity: int
    flags: frozenset[str]
    categories: frozenset[str]


class Table:
    """A persona made ready for use: shapes by lower-case full name (``client|list``), containers, recorded answers."""

    __slots__ = ("answers", "containers", "persona", "shapes")

    def __init__(self, found: Persona) -> None:
        self.persona = found
        self.shapes: dict[bytes, Shape] = {}
        self.answers: dict[bytes, Value] = {}
        self.containers: set[bytes] = set()
        for name, command in found.commands.items():
            entry = value_of(command.entry)
            inner = subcommands(entry)
            if inner:
                self.containers.add(name.encode("latin-1"))
            for each in (entry, *inner):
                shape = shape_of(each)
                self.shapes[shape.name.encode("latin-1")] = shape
            for full, answer in command.answers.items():
                self.answers[full.encode("latin-1")] = value_of(answer)


def value_of(tree: Tree) -> Value:
    """A tree to the value it stands for."""
    if isinstance(tree, str):
        return tree.encode("latin-1")
    if isinstance(tree, list):
        return [value_of(item) for item in tree]
    if not isinstance(tree, dict):
        plain: Value = tree
        return plain
    [(kind, content)] = tree.items()
    match kind:
        case "+":
            return Status(content)
        case "-":
            return Error(content)
        case "=":
            return Verbatim(content.encode("latin-1"))
        case "*":
            return NullArray()
        case _:
            return Many(kind, [value_of(item) for item in content])


def tree_of(value: Value) -> Tree:
    """A value to its tree; what :func:`value_of` undoes."""
    match value:
        case bytes():
            return value.decode("latin-1")
        case list():
            return [tree_of(item) for item in value]
        case Status(text):
            return {"+": text}
        case Error(text):
            return {"-": text}
        case Verbatim(text):
            return {"=": text.decode("latin-1")}
        case NullArray():
            return {"*": None}
        case Many(kind, items):
            return {kind: [tree_of(item) for item in items]}
        case _:
            return value


@lru_cache(maxsize=16)
def table(name: str) -> Table:
    """The persona ``name``, read and made ready once a process."""
    return Table(persona.load("redis", name, Persona))


def subcommands(entry: Value) -> list[Value]:
    """The entries of a container's subcommands, the last field of its ``COMMAND`` entry; none if it is no container."""
    match entry:
        case [*_, list(inner)]:
            return inner
    return []  # an empty set


def name_of(entry: Value) -> bytes:
    """The full name in a ``COMMAND`` entry."""
    return shape_of(entry).name.encode("latin-1")


def shape_of(entry: Value) -> Shape:
    """What a ``COMMAND`` entry says of its command. Raises ``ValueError`` if it is none."""
    match entry:
        case [bytes(name), int(arity), Many(_, flags), _, _, _, Many(_, categories), *_]:
            return Shape(name.decode("latin-1"), arity, _texts(flags), _texts(categories))
    raise ValueError(f"not a COMMAND entry: {entry!r}")


def _texts(items: list[Value]) -> frozenset[str]:
    return frozenset(item.text for item in items if isinstance(item, Status))
