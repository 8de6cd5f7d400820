"""PHP's operators."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import msgspec

from propolis.flaws.effects.php.machine import Php
from propolis.flaws.effects.php.values import MAX_TEXT, Array, Value, number_of, text_of

MAX_BITS = 64

Node = Callable[[Php], Value]


class Binary(msgspec.Struct, frozen=True):
    """How tightly it binds (a higher level is tighter), and the function that two functions become."""

    level: int
    make: Callable[[Node, Node], Node]


def truth(value: Value) -> bool:
    """``"0"``, ``""``, ``0``, ``null`` and the empty array are false."""
    return bool(value.items) if isinstance(value, Array) else value not in (None, False, "", "0", 0)


def _on(compute: Callable[[Value, Value], Value]) -> Callable[[Node, Node], Node]:
    return lambda left, right: lambda machine: compute(left(machine), right(machine))


def _reckoned(compute: Callable[[float, float], float]) -> Callable[[Node, Node], Node]:
    def on(left: Value, right: Value) -> Value:
        result = compute(number_of(left), number_of(right))
        # what outgrows 64 bits becomes a float
        return float(result) if isinstance(result, int) and result.bit_length() >= MAX_BITS else result

    return _on(on)


def _divided(left: float, right: float) -> float:
    is_whole = isinstance(left, int) and isinstance(right, int) and left % right == 0
    return int(left) // int(right) if is_whole else left / right


def _power(left: float, right: float) -> float:
    if abs(right) > MAX_BITS or abs(left) > 1e9:
        return float("inf")
    if isinstance(left, int) and isinstance(right, int) and right >= 0:
        return int(left**right)
    return 0.0 if left < 0 else float(float(left) ** right)


def _xor(left: Value, right: Value) -> Value:
    """Of two texts byte by byte, of the shorter's length: how PHP code is hidden."""
    if isinstance(left, str) and isinstance(right, str):
        return "".join(chr(ord(one) ^ ord(other)) for one, other in zip(left, right, strict=False))
    return int(number_of(left)) ^ int(number_of(right))


def _bits(on_text: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    def on(left: Value, right: Value) -> Value:
        if isinstance(left, str) and isinstance(right, str):
            return "".join(
                chr(on_text(ord(one), ord(other))) for one, other in zip(left, right, strict=False)
            )
        return on_text(int(number_of(left)), int(number_of(right)))

    return on


def _is_same(left: Value, right: Value) -> bool:
    return type(left) is type(right) and (left is right or (not isinstance(left, Array) and left == right))


def _is_equal(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, bool | None) or isinstance(right, bool | None):
        return truth(left) == truth(right)
    return number_of(left) == number_of(right)


def _and(left: Node, right: Node) -> Node:
    return lambda machine: truth(left(machine)) and truth(right(machine))


def _or(left: Node, right: Node) -> Node:
    return lambda machine: truth(left(machine)) or truth(right(machine))


def _coalesced(left: Node, right: Node) -> Node:
    return lambda machine: right(machine) if (value := left(machine)) is None else value


def _joined(left: Value, right: Value) -> Value:
    return (text_of(left) + text_of(right))[:MAX_TEXT]


BINARY: Final[MappingProxyType[str, Binary]] = MappingProxyType(
    {
        "??": Binary(2, _coalesced),
        "||": Binary(3, _or),
        "or": Binary(0, _or),
        "&&": Binary(4, _and),
        "and": Binary(0, _and),
        "|": Binary(5, _on(_bits(lambda one, other: one | other))),
        "^": Binary(6, _on(_xor)),
        "&": Binary(7, _on(_bits(lambda one, other: one & other))),
        "==": Binary(8, _on(_is_equal)),
        "!=": Binary(8, _on(lambda left, right: not _is_equal(left, right))),
        "<>": Binary(8, _on(lambda left, right: not _is_equal(left, right))),
        "===": Binary(8, _on(_is_same)),
        "!==": Binary(8, _on(lambda left, right: not _is_same(left, right))),
        "<": Binary(9, _on(lambda left, right: number_of(left) < number_of(right))),
        ">": Binary(9, _on(lambda left, right: number_of(left) > number_of(right))),
        "<=": Binary(9, _on(lambda left, right: number_of(left) <= number_of(right))),
        ">=": Binary(9, _on(lambda left, right: number_of(left) >= number_of(right))),
        ".": Binary(10, _on(_joined)),
        "<<": Binary(11, _reckoned(lambda left, right: int(left) << min(int(right) & 63, 63))),
        ">>": Binary(11, _reckoned(lambda left, right: int(left) >> min(int(right) & 63, 63))),
        "+": Binary(12, _reckoned(lambda left, right: left + right)),
        "-": Binary(12, _reckoned(lambda left, right: left - right)),
        "*": Binary(13, _reckoned(lambda left, right: left * right)),
        "/": Binary(13, _reckoned(_divided)),
        "%": Binary(13, _reckoned(lambda left, right: int(left) % int(right))),
        "**": Binary(14, _reckoned(_power)),
    }
)
"""Operators by how they are written; ``.`` binds as before PHP 8, where scanners still write for both."""
