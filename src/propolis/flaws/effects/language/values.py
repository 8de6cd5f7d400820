"""Values of template engines and expression languages, and how they are printed."""

import re
from typing import Literal, TypeAlias

import msgspec

MAX_TEXT = 65_536
MAX_ITEMS = 1_000
MAX_BITS = 4_096

Engine: TypeAlias = Literal["python", "php", "java", "ruby"]
"""Whose arithmetic it is: ``'7' * 7`` is 7777777, 49, 49 and 7777777; ``7 / 2`` is 3.5, 3.5, 3 and 3."""


class Opaque(msgspec.Struct, frozen=True):
    """Something that is no plain value, by the name it was reached with."""

    name: str


Thing: TypeAlias = "int | float | str | list[Thing] | Opaque | None"


class NoSenseError(Exception):
    """Not an expression that has a value here."""


def shown(value: Thing, engine: Engine) -> str:
    """A value as the engine prints it."""
    match value:
        case None:
            return "None" if engine == "python" else ""
        case str():
            return value
        case float() if value.is_integer() and engine != "python":
            return str(int(value)) if engine == "php" else str(value)
        case list():
            return "[" + ", ".join(shown(item, engine) for item in value[:MAX_ITEMS])[:MAX_TEXT] + "]"
        case Opaque():
            return value.name
        case _:
            return str(value)


def number_of(value: Thing) -> int | float:
    """A number, or a text of digits as one. Raises :class:`NoSenseError`."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,200}\s*", value, re.ASCII):
        return int(value)
    raise NoSenseError


def bounded(value: Thing) -> Thing:
    """A value cut to its bounds. Raises :class:`NoSenseError` for a number that cannot be cut."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise NoSenseError
    return value[:MAX_ITEMS] if isinstance(value, list) else value
