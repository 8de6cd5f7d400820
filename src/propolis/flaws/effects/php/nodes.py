"""Parts of a PHP program as functions of the machine that it is at work on."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from propolis.flaws.effects.php.functions import FUNCTIONS
from propolis.flaws.effects.php.machine import Php, Stop
from propolis.flaws.effects.php.operators import truth
from propolis.flaws.effects.php.values import Array, Value, text_of

Node: TypeAlias = Callable[[Php], Value]

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u\{[0-9a-fA-F]{1,6}\}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "e": "\x1b"}
_INTERPOLATED = re.compile(r"\{?\$(\w+)(?:\[(?:'(\w+)'|\"(\w+)\"|(\w+))\])?\}?", re.ASCII)


class Return(Exception):  # noqa: N818 - a way out, not a fault
    """``return`` was reached."""

    def __init__(self, value: Value) -> None:
        self.value = value
        super().__init__()


def constant(value: Value) -> Node:
    """Always the same value."""
    return lambda _: value


def read(name: str) -> Node:
    """A variable."""
    return lambda machine: machine.read(name)


def assigned(name: str, node: Node) -> Node:
    """``$name = value``."""

    def assign(machine: Php) -> Value:
        value = node(machine)
        machine.write(name, value)
        return value

    return assign


def indexed(node: Node, index: Node) -> Node:
    """``whole[index]``; what is not there is null."""

    def item(machine: Php) -> Value:
        whole, place = node(machine), index(machine)
        if isinstance(whole, Array):
            return whole.get(place)
        if isinstance(whole, str) and isinstance(place, int):
            return whole[place] if -len(whole) <= place < len(whole) else ""
        return None

    return item


def called(function: Node, arguments: list[Node]) -> Node:
    """A call of whatever function the first part names."""

    def call(machine: Php) -> Value:
        machine.step()
        name = text_of(function(machine)).lower().lstrip("\\")
        known = FUNCTIONS.get(name)
        values = [argument(machine) for argument in arguments]
        if known is None:
            raise Stop  # a call to an undefined function is fatal
        return known(machine, values)

    return call


def halted(arguments: list[Node]) -> Node:
    """``die`` and ``exit``."""

    def halt(machine: Php) -> Value:
        if arguments:
            value = arguments[0](machine)
            if isinstance(value, str):
                machine.say(value)
        raise Stop

    return halt


def negated(inner: Node) -> Node:
    """``!``."""
    return lambda machine: not truth(inner(machine))


def inverted(inner: Node) -> Node:
    """Every byte's complement: how PHP code is hidden."""
    return lambda machine: "".join(chr(~ord(char) & 0xFF) for char in text_of(inner(machine)))


def returned(inner: Node) -> Node:
    """``return``."""

    def leave(machine: Php) -> Value:
        raise Return(inner(machine))

    return leave


def made_array(keys: list[Node | None], values: list[Node]) -> Node:
    """``[key => value, value]``."""

    def make(machine: Php) -> Value:
        array = Array()
        for key, value in zip(keys, values, strict=True):
            array.add(None if key is None else key(machine), value(machine))
        return array

    return make


def cast(kind: str, inner: Node) -> Node:
    """``(int)`` and its kin."""
    match kind:
        case "string":
            return lambda machine: text_of(inner(machine))
        case "bool":
            return lambda machine: truth(inner(machine))
        case "int" | "integer":
            return lambda machine: FUNCTIONS["intval"](machine, [inner(machine)])
        case _:
            return inner


def number(digits: str) -> Value:
    """A literal: decimal, octal or hexadecimal."""
    if digits[:2].lower() == "0x":
        return int(digits, 16)
    if "." in digits:
        return float(digits)
    is_octal = len(digits) > 1 and digits[0] == "0" and set(digits) <= set("01234567")
    return int(digits, 8) if is_octal else int(digits)


def interpolated(text: str) -> Node:
    """A text in double quotes: escapes, ``$x``, ``{$x}`` and ``$x[key]``."""
    parts: list[str | Node] = []
    at = 0
    for found in _INTERPOLATED.finditer(text):
        if text[: found.start()].endswith("\\"):
            continue
        parts.append(_unescaped(text[at : found.start()]))
        key = found[2] or found[3] or found[4]
        parts.append(indexed(read(found[1]), constant(key)) if key else read(found[1]))
        at = found.end()
    parts.append(_unescaped(text[at:]))

    def join(machine: Php) -> Value:
        return "".join(part if isinstance(part, str) else text_of(part(machine)) for part in parts)

    return join


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text) if "\\" in text else text


def _escape(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] == "x" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape[0] == "u" and len(escape) > 1:
        return chr(min(int(escape[2:-1], 16), 0x10FFFF)).encode("utf-8", "replace").decode("latin-1")
    if escape[0] in "01234567":
        return chr(int(escape, 8) & 0xFF)
    return _ESCAPED.get(escape, escape if escape in '\\$"' else found[0])
