"""The expression language of scanner templates: operators, values and helper calls, without Python's ``eval``.

Grammar, loosest first: ``?``, ``:`` and ``??`` (``a : b`` is ``a`` unless that is nothing, ``a ? b`` is nothing unless
``a`` holds), ``||``, ``&&``, comparisons (``== != < > <= >= =~ !~ in``), ``| ^ &``, ``<< >>``,
``+ -``, ``* / %``, ``**``, prefixes ``! - ~``, calls, names, literals. Backslash in a literal takes the next character
as it is. Numbers are floats; ``+`` joins if either side is text. A name that is unknown is an error, unless ``&&`` or
``||`` had no need of it.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from bench.scanner.text import PatternError, Value, is_found, shown

Helper: TypeAlias = Callable[..., Value]
MAX_DEPTH: Final = 64
MAX_EXPRESSION_CHARACTERS: Final = 65_536


class ExpressionSyntaxError(ValueError):
    """Text that is not an expression."""


class EvaluationError(ValueError):
    """An expression that has no value here; ``missing`` names the variable, if that is why."""

    def __init__(self, why: str, missing: str = "") -> None:
        self.missing = missing
        super().__init__(why)


class Literal(msgspec.Struct, frozen=True):
    """A number, text or truth value."""

    value: str | float | bool


class Name(msgspec.Struct, frozen=True):
    """A variable."""

    name: str


class Call(msgspec.Struct, frozen=True):
    """A helper with its arguments."""

    name: str
    arguments: "tuple[Node, ...]"


class Prefix(msgspec.Struct, frozen=True):
    """``!x``, ``-x``, ``~x``."""

    operator: str
    operand: "Node"


class Infix(msgspec.Struct, frozen=True):
    """``a op b``."""

    operator: str
    left: "Node"
    right: "Node"


class Several(msgspec.Struct, frozen=True):
    """``(a, b)``, the right side of ``in``."""

    items: "tuple[Node, ...]"


Node: TypeAlias = Literal | Name | Call | Prefix | Infix | Several

_LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("?", ":", "??"),
    ("||",),
    ("&&",),
    ("==", "!=", ">=", "<=", ">", "<", "=~", "!~", "in"),
    ("|", "^", "&"),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
    ("**",),
)
_SYMBOLS: Final = tuple(
    sorted({symbol for level in _LEVELS for symbol in level if symbol != "in"} | set("!~?:(),"), key=len)
)[::-1]


class Token(msgspec.Struct, frozen=True):
    """A piece of the text: ``kind`` is number, text, name or symbol."""

    kind: str
    text: str


@functools.lru_cache(maxsize=16_384)
def parse(text: str) -> Node:
    """Text to a tree. Raises :class:`ExpressionSyntaxError`."""
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise ExpressionSyntaxError("too long")
    tokens = _tokens(text)
    if not tokens:
        raise ExpressionSyntaxError("empty")
    node, position = _whole(tokens, 0, 0)
    if position != len(tokens):
        raise ExpressionSyntaxError(f"unexpected {tokens[position].text!r}")
    return node


def names(node: Node) -> frozenset[str]:
    """Every variable in a tree."""
    match node:
        case Literal():
            return frozenset()
        case Name(name=name):
            return frozenset((name,))
        case Call(arguments=parts) | Several(items=parts):
            return frozenset[str]().union(*(names(part) for part in parts))
        case Prefix(operand=operand):
            return names(operand)
        case Infix(left=left, right=right):
            return names(left) | names(right)


def calls(node: Node) -> frozenset[str]:
    """Every helper in a tree."""
    match node:
        case Literal() | Name():
            return frozenset()
        case Call(name=name, arguments=parts):
            return frozenset((name,)).union(*(calls(part) for part in parts))
        case Several(items=parts):
            return frozenset[str]().union(*(calls(part) for part in parts))
        case Prefix(operand=operand):
            return calls(operand)
        case Infix(left=left, right=right):
            return calls(left) | calls(right)


def _tokens(text: str) -> tuple[Token, ...]:
    found: list[Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character.isspace():
            position += 1
        elif character in "'\"":
            literal, position = _quoted(text, position)
            found.append(Token("text", literal))
        elif character == "[":
            end = text.find("]", position)
            if end < 0:
                raise ExpressionSyntaxError("unclosed [")
            found.append(Token("name", text[position + 1 : end]))
            position = end + 1
        elif character.isdigit() or (character == "." and text[position + 1 : position + 2].isdigit()):
            end = position + 1
            while end < len(text) and (text[end].isalnum() or text[end] == "."):
                end += 1
            found.append(Token("number", text[position:end]))
            position = end
        elif character.isalpha() or character == "_":
            end = position + 1
            while end < len(text) and (text[end].isalnum() or text[end] in "_."):
                end += 1
            word = text[position:end]
            found.append(Token("symbol" if word.lower() == "in" else "name", word))
            position = end
        else:
            symbol = next((known for known in _SYMBOLS if text.startswith(known, position)), None)
            if symbol is None:
                raise ExpressionSyntaxError(f"unexpected {character!r}")
            found.append(Token("symbol", symbol))
            position += len(symbol)
    return tuple(found)


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    pieces: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            pieces.append(text[position + 1])
            position += 2
        elif character == quote:
            return "".join(pieces), position + 1
        else:
            pieces.append(character)
            position += 1
    raise ExpressionSyntaxError("unclosed text")


def _is(tokens: tuple[Token, ...], position: int, *symbols: str) -> bool:
    return (
        position < len(tokens)
        and tokens[position].kind == "symbol"
        and tokens[position].text.lower() in symbols
    )


def _whole(tokens: tuple[Token, ...], position: int, depth: int) -> tuple[Node, int]:
    if depth > MAX_DEPTH:
        raise ExpressionSyntaxError("too deep")
    return _infix(tokens, position, 0, depth)


def _infix(tokens: tuple[Token, ...], position: int, level: int, depth: int) -> tuple[Node, int]:
    if level == len(_LEVELS):
        return _prefix(tokens, position, depth)
    left, position = _infix(tokens, position, level + 1, depth)
    while _is(tokens, position, *_LEVELS[level]):
        symbol = tokens[position].text.lower()
        right, position = _infix(tokens, position + 1, level + 1, depth)
        left = Infix(symbol, left, right)
    return left, position


def _prefix(tokens: tuple[Token, ...], position: int, depth: int) -> tuple[Node, int]:
    if depth > MAX_DEPTH:
        raise ExpressionSyntaxError("too deep")
    if _is(tokens, position, "!", "-", "~"):
        operand, after = _prefix(tokens, position + 1, depth + 1)
        return Prefix(tokens[position].text, operand), after
    if position >= len(tokens):
        raise ExpressionSyntaxError("ends too soon")
    token = tokens[position]
    match token.kind:
        case "text":
            return Literal(token.text), position + 1
        case "number":
            return Literal(_number(token.text)), position + 1
        case "name":
            return _named(tokens, position, depth)
    if token.text != "(":
        raise ExpressionSyntaxError(f"unexpected {token.text!r}")
    items, position = _items(tokens, position, depth)
    return (items[0] if len(items) == 1 else Several(items)), position


def _named(tokens: tuple[Token, ...], position: int, depth: int) -> tuple[Node, int]:
    name = tokens[position].text
    if _is(tokens, position + 1, "("):
        arguments, after = _items(tokens, position + 1, depth)
        return Call(name, arguments), after
    if name.lower() in {"true", "false"}:
        return Literal(name.lower() == "true"), position + 1
    return Name(name), position + 1


def _items(tokens: tuple[Token, ...], position: int, depth: int) -> tuple[tuple[Node, ...], int]:
    """What stands between parentheses, of which the first is at ``position``."""
    items: list[Node] = []
    position += 1
    if _is(tokens, position, ")"):
        return (), position + 1
    while True:
        item, position = _whole(tokens, position, depth + 1)
        items.append(item)
        if _is(tokens, position, ")"):
            return tuple(items), position + 1
        if not _is(tokens, position, ","):
            raise ExpressionSyntaxError("missing )")
        position += 1


def _number(text: str) -> float:
    try:
        return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except ValueError as error:
        raise ExpressionSyntaxError(f"{text!r} is not a number") from error


def evaluate(node: Node, values: Mapping[str, Value], helpers: Mapping[str, Helper]) -> Value:
    """The value of a tree. Raises :class:`EvaluationError`."""
    match node:
        case Literal(value=literal):
            return literal
        case Name(name=name):
            if name not in values:
                raise EvaluationError(f"no parameter {name!r}", missing=name)
            value = values[name]
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        case Call(name=name, arguments=arguments):
            if name not in helpers:
                raise EvaluationError(f"no helper {name!r}")
            return _called(helpers[name], name, [evaluate(part, values, helpers) for part in arguments])
        case Several(items=items):
            return [evaluate(part, values, helpers) for part in items]
        case Prefix(operator=symbol, operand=operand):
            return _prefixed(symbol, evaluate(operand, values, helpers))
        case Infix(operator=symbol, left=left, right=right):
            return _joined(symbol, evaluate(left, values, helpers), right, values, helpers)


def _called(helper: Helper, name: str, arguments: list[Value]) -> Value:
    try:
        return helper(*arguments)
    except EvaluationError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, PatternError) as error:
        raise EvaluationError(f"{name}: {error}") from error


def _prefixed(symbol: str, value: Value) -> Value:
    match symbol:
        case "!":
            return not _truth(value)
        case "-":
            return -_numeric(value)
        case _:
            return float(~int(_numeric(value)))


def _joined(
    symbol: str, left: Value, right: Node, values: Mapping[str, Value], helpers: Mapping[str, Helper]
) -> Value:
    match symbol:
        case "||":
            return _truth(left) or _truth(evaluate(right, values, helpers))
        case "&&":
            return _truth(left) and _truth(evaluate(right, values, helpers))
        case "?":
            return evaluate(right, values, helpers) if _truth(left) else None
        case ":" | "??":
            return left if left is not None else evaluate(right, values, helpers)
    return _applied(symbol, left, evaluate(right, values, helpers))


_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": lambda a, b: float(int(a) % int(b)),
    "/": operator.truediv,
    "**": operator.pow,
    "|": lambda a, b: float(int(a) | int(b)),
    "^": lambda a, b: float(int(a) ^ int(b)),
    "&": lambda a, b: float(int(a) & int(b)),
    "<<": lambda a, b: float(int(a) << min(int(b), 1_024)),
    ">>": lambda a, b: float(int(a) >> int(b)),
}


def _applied(symbol: str, left: Value, right: Value) -> Value:
    match symbol:
        case "==":
            return type(left) is type(right) and left == right
        case "!=":
            return not (type(left) is type(right) and left == right)
        case "=~" | "!~":
            try:
                return is_found(shown(right), shown(left)) == (symbol == "=~")
            except PatternError as error:
                raise EvaluationError(str(error)) from error
        case "in":
            return left in right if isinstance(right, list) else left == right
        case "+" if isinstance(left, str) or isinstance(right, str):
            return shown(left) + shown(right)
    if symbol in _ORDER:
        if isinstance(left, str) and isinstance(right, str):
            return _ORDER[symbol](left, right)
        return _ORDER[symbol](_numeric(left), _numeric(right))
    try:
        return _ARITHMETIC[symbol](_numeric(left), _numeric(right))
    except (ArithmeticError, ValueError) as error:
        raise EvaluationError(str(error)) from error


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError(f"{shown(value)[:40]!r} is neither true nor false")
    return value


def _numeric(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError(f"{shown(value)[:40]!r} is not a number")
    return float(value)
