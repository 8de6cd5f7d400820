"""PHP's values, and how they become texts and numbers."""

import re
from typing import TypeAlias

MAX_TEXT = 65_536
MAX_ITEMS = 1_000

Value: TypeAlias = "str | int | float | bool | Array | None"
"""A character of a text is a byte (Latin-1)."""


class Array:
    """An ordered map, as all of PHP's arrays are; at most :data:`MAX_ITEMS`."""

    def __init__(self) -> None:
        self.items: dict[str, Value] = {}
        self._next = 0

    def add(self, key: Value, value: Value) -> None:
        """Set a key, or append if there is none."""
        if key is None:
            key = self._next
        if isinstance(key, int):
            self._next = max(self._next, key + 1)
        if len(self.items) < MAX_ITEMS:
            self.items[text_of(key)] = value

    def get(self, key: Value) -> Value:
        """A key's value."""
        return self.items.get(text_of(key))


def text_of(value: Value) -> str:
    """A value as ``echo`` prints it."""
    match value:
        case None | False:
            return ""
        case True:
            return "1"
        case Array():
            return "Array"
        case float():
            mantissa, e, exponent = f"{value:.14G}".partition("E")
            return f"{mantissa}{'' if '.' in mantissa else '.0'}E{exponent}" if e else mantissa
        case _:
            return str(value)


def bytes_of(value: Value) -> bytes:
    """A value as bytes: a character is one."""
    return text_of(value).encode("latin-1", "replace")


def number_of(value: Value) -> int | float:
    """A value as a number: the digits a text begins with."""
    match value:
        case bool() | int() | float():
            return value
        case str():
            found = re.match(r"\s*([+-]?\d{1,18})(\.\d{1,18})?", value, re.ASCII)
            if found is None:
                return 0
            return float(found[0]) if found[2] else int(found[1])
        case Array():
            return int(bool(value.items))
        case _:
            return 0
