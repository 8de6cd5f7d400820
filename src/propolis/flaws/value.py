"""What an expression works with: text as bytes, whole and broken numbers, truth; and how one becomes another.

Nothing here raises for any value: what has no meaning is ``None``, and whoever asked yields empty text.
"""

import re
from typing import TypeAlias

Value: TypeAlias = bytes | int | float | bool

MAX_OUTPUT_BYTES = 1_048_576
"""Of one text, whatever made it."""
MAX_DIGITS = 300
"""Of a number that is read or written."""
MAX_BITS = 1_024
"""Of a number that is computed."""
MAX_REPEAT = 65_536

_NUMBER = re.compile(rb"\s*([+-]?\d{1,%d})(\.\d{1,30})?\s*" % MAX_DIGITS)


def text(value: Value) -> bytes:
    """A value as it is printed: ``true`` and ``false``, and no ``.0`` behind a whole number."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode()


def number(value: Value) -> int | float | None:
    """A value to count with; ``None`` for text that is no number."""
    if not isinstance(value, bytes):
        return value
    found = _NUMBER.fullmatch(value)
    if found is None:
        return None
    return bounded(float(found[0]) if found[2] else int(found[1]))


def whole(value: Value, default: int = 0) -> int:
    """A value as a whole number; the digits text begins with, ``default`` if there are none."""
    if isinstance(value, bytes):
        found = _NUMBER.match(value)
        return int(found[1]) if found else default
    return int(value)


def truth(value: Value) -> bool:
    """Empty text and zero are false."""
    return bool(value)


def bounded(value: float) -> int | float | None:
    """A computed number, ``None`` if it has grown past :data:`MAX_BITS` or out of what a float can say."""
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_BITS else None
    return value if abs(value) < 1e300 else None  # also refuses infinity and what is not a number


def same(left: Value, right: Value) -> bool:
    """Equality: numbers by their value if either side is one, text by its bytes."""
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left == right
    one, other = number(left), number(right)
    return one == other if one is not None and other is not None else text(left) == text(right)


def is_less(left: Value, right: Value) -> bool:
    """Order: numbers by their value if both sides are, otherwise text by its bytes."""
    one, other = number(left), number(right)
    return one < other if one is not None and other is not None else text(left) < text(right)
