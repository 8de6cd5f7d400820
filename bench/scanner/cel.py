"""The part of the Common Expression Language that afrog's rules are written in.

Texts and bytes are both bytewise text (:mod:`bench.scanner.text`). Operators, loosest first: ``||``, ``&&``,
comparisons and ``in``, ``+ -``, ``* / %``, prefixes ``! -``, then fields, indices and calls with or without a receiver.
Literals may be prefixed with ``b`` (bytes) and ``r`` (no escapes).
"""

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from bench.scanner.text import bytewise

MAX_DEPTH: Final = 48
Function: TypeAlias = Callable[..., Any]


class CelError(ValueError):
    """Text that is no expression, or an expression without a value."""


class Constant(msgspec.Struct, frozen=True):
    """A literal."""

    value: Any


class Variable(msgspec.Struct, frozen=True):
    """A name."""

    name: str


class Field(msgspec.Struct, frozen=True):
    """``of.name`` or ``of[index]``."""

    of: "Node"
    index: "Node"


class Call(msgspec.Struct, frozen=True):
    """A function; a receiver is its first argument."""

    name: str
    arguments: "tuple[Node, ...]"


class Operation(msgspec.Struct, frozen=True):
    """An operator with one or two operands."""

    symbol: str
    operands: "tuple[Node, ...]"


Node: TypeAlias = Constant | Variable | Field | Call | Operation

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>(?:[bB][rR]?|[rR][bB]?)?(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<symbol>\|\||&&|==|!=|<=|>=|[-<>+*/%!().,\[\]?:]))""",
    re.DOTALL,
)
_LEVELS: Final = (
    ("||",),
    ("&&",),
    ("==", "!=", "<=", ">=", "<", ">", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@functools.lru_cache(maxsize=4_096)
def parse(text: str) -> Node:
    """Text to a tree. Raises :class:`CelError`."""
    tokens: list[tuple[str, str]] = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise CelError(f"unexpected {text[position : position + 20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    parser = _Parser(tokens)
    node = parser.level(0, 0)
    if parser.position != len(tokens):
        raise CelError("more than one expression")
    return node


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self) -> str:
        """The next token, if it is a symbol or a word; empty for literals and at the end."""
        if self.position >= len(self.tokens):
            return ""
        kind, text = self.tokens[self.position]
        return text if kind in {"symbol", "name"} else ""

    def take(self, wanted: str) -> None:
        """Go past a symbol."""
        if self.peek() != wanted:
            raise CelError(f"missing {wanted}")
        self.position += 1

    def level(self, number: int, depth: int) -> Node:
        """An expression of operators at least as tight as a level's."""
        if depth > MAX_DEPTH:
            raise CelError("too deep")
        if number == len(_LEVELS):
            return self.prefix(depth)
        left = self.level(number + 1, depth)
        while (symbol := self.peek()) in _LEVELS[number]:
            self.position += 1
            left = Operation(symbol, (left, self.level(number + 1, depth)))
        return left

    def prefix(self, depth: int) -> Node:
        """``!`` and ``-``."""
        if depth > MAX_DEPTH:
            raise CelError("too deep")
        if (symbol := self.peek()) in {"!", "-"}:
            self.position += 1
            return Operation(symbol, (self.prefix(depth + 1),))
        node = self.primary(depth)
        while (symbol := self.peek()) in {".", "["}:
            self.position += 1
            if symbol == "[":
                node = Field(node, self.level(0, depth + 1))
                self.take("]")
                continue
            name = self.peek()
            self.position += 1
            node = (
                Call(name, (node, *self.arguments(depth)))
                if self.peek() == "("
                else Field(node, Constant(name))
            )
        return node

    def primary(self, depth: int) -> Node:
        """A literal, a name, a call or a parenthesis."""
        if self.position >= len(self.tokens):
            raise CelError("ends too soon")
        kind, text = self.tokens[self.position]
        self.position += 1
        match kind:
            case "text":
                return Constant(_literal(text))
            case "number":
                return Constant(float(text) if "." in text else int(text))
            case "name" if text in {"true", "false"}:
                return Constant(text == "true")
            case "name":
                return Call(text, self.arguments(depth)) if self.peek() == "(" else Variable(text)
        if text != "(":
            raise CelError(f"unexpected {text}")
        inner = self.level(0, depth + 1)
        self.take(")")
        return inner

    def arguments(self, depth: int) -> tuple[Node, ...]:
        """What stands between parentheses."""
        self.take("(")
        found: list[Node] = []
        while self.peek() != ")":
            if found:
                self.take(",")
            found.append(self.level(0, depth + 1))
        self.take(")")
        return tuple(found)


def _literal(text: str) -> str:
    prefix = text[: min(text.find(quote) % len(text) for quote in "\"'" if quote in text)].lower()
    inside = text[len(prefix) + 1 : -1]
    if "r" in prefix:
        return bytewise(inside)
    plain = re.sub(
        r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)",
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else _ESCAPES.get(match[1], match[1]),
        inside,
        flags=re.DOTALL,
    )
    return plain if "b" in prefix and plain.isascii() is False and inside.isascii() else bytewise(plain)


_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "in": lambda item, whole: item in whole,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else a / b,
    "%": operator.mod,
}


def evaluate(node: Node, values: Mapping[str, Any], functions: Mapping[str, Function]) -> Any:
    """The value of a tree. Raises :class:`CelError`."""
    try:
        return _value(node, values, functions)
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, re.error) as error:
        raise CelError(f"{type(error).__name__}: {error}") from error


def _value(node: Node, values: Mapping[str, Any], functions: Mapping[str, Function]) -> Any:
    match node:
        case Constant(value=value):
            return value
        case Variable(name=name):
            return values[name]
        case Field(of=of, index=index):
            return _value(of, values, functions)[_value(index, values, functions)]
        case Call(name=name, arguments=arguments):
            return functions[name](*(_value(part, values, functions) for part in arguments))
        case Operation(symbol="||", operands=(left, right)):
            return _value(left, values, functions) or _value(right, values, functions)
        case Operation(symbol="&&", operands=(left, right)):
            return _value(left, values, functions) and _value(right, values, functions)
        case Operation(symbol="!", operands=(only,)):
            return not _value(only, values, functions)
        case Operation(symbol="-", operands=(only,)):
            return -_value(only, values, functions)
        case Operation(symbol=symbol, operands=(left, right)):
            return _BINARY[symbol](_value(left, values, functions), _value(right, values, functions))
    raise CelError("no expression")


def may_hold(node: Node, impossible: Callable[[str], bool]) -> bool:
    """Whether a condition can hold if every call that is ``impossible`` by name is false."""
    match node:
        case Operation(symbol="||", operands=(left, right)):
            return may_hold(left, impossible) or may_hold(right, impossible)
        case Operation(symbol="&&", operands=(left, right)):
            return may_hold(left, impossible) and may_hold(right, impossible)
        case Call(name=name):
            return not impossible(name)
    return True
