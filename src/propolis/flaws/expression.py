"""Expressions and templates: what an answer computes from a request, by a parser and evaluator of our own.

``'a' + md5(query.id)``, ``x if c else y``; in a template between ``{{`` and ``}}``. Text is bytes. Whatever an attacker
sends, an evaluation takes at most :data:`MAX_STEPS` steps, no value is longer than
:data:`~propolis.flaws.value.MAX_OUTPUT_BYTES`, and what has no meaning is empty text: nothing raises but
:class:`ExpressionError`, for the author, when an expression is compiled.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from propolis.flaws.functions import FUNCTIONS, Function, Site
from propolis.flaws.pattern import compile_pattern
from propolis.flaws.scene import BudgetSpentError, Scope
from propolis.flaws.value import MAX_OUTPUT_BYTES, Value, bounded, is_less, number, same, text, truth

MAX_NODES = 300
"""Of one expression: it is evaluated by recursion."""
MAX_DEPTH = 32
MAX_ARGUMENTS = 8
_REMEMBERED = 65_536

Node: TypeAlias = Callable[[Scope], Value]


class ExpressionError(ValueError):
    """An expression that cannot be compiled: where in the text, and the cure."""

    def __init__(self, text: str, at: int, cure: str) -> None:
        self.text = text
        self.at = at
        self.cure = cure
        super().__init__(f"{cure} (at character {at + 1} of {text[:200]!r})")


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    # beyond its first dot a name is a field's, and may hold hyphens: header.x-y
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*)*)"
    r"|(?P<operator>==|!=|<=|>=|\}\}|[-+*/%<>(),])"
    r")",
    re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_WORDS: Final = frozenset({"and", "or", "not", "if", "else"})
_CONSTANTS: Final[Mapping[str, Value]] = {"true": True, "false": False}


class Expression(msgspec.Struct, frozen=True):
    """A compiled expression. ``names`` are the variables and fields that it reads."""

    source: str
    names: frozenset[str]
    node: Node

    def value(self, scope: Scope) -> Value:
        """What it comes to; empty text if that has no meaning or costs too much."""
        try:
            return self.node(scope)
        except BudgetSpentError:
            return b""


class Template(msgspec.Struct, frozen=True):
    """Text with expressions in it."""

    parts: tuple[bytes | Expression, ...]
    names: frozenset[str]

    @property
    def constant(self) -> bytes | None:
        """The text, if there is no expression in it."""
        match self.parts:
            case ():
                return b""
            case (bytes(whole),):
                return whole[:MAX_OUTPUT_BYTES]
        return None

    def render(self, scope: Scope) -> bytes:
        """The text, cut at :data:`~propolis.flaws.value.MAX_OUTPUT_BYTES`."""
        out = bytearray()
        for part in self.parts:
            out += part if isinstance(part, bytes) else text(part.value(scope))
            if len(out) > MAX_OUTPUT_BYTES:
                break
        return bytes(out[:MAX_OUTPUT_BYTES])


@lru_cache(maxsize=_REMEMBERED)
def expression(source: str) -> Expression:
    """Compile one expression. Raises :class:`ExpressionError`."""
    parser = _Parser(source, 0)
    node = parser.whole()
    if parser.token.kind != "end":
        raise parser.fault("expected the end")
    return Expression(source, frozenset(parser.names), node)


@lru_cache(maxsize=_REMEMBERED)
def template(source: str) -> Template:
    """Compile text with ``{{ expressions }}``. Raises :class:`ExpressionError`.

    A literal ``{{`` is written ``{{ '{{' }}``.
    """
    parts: list[bytes | Expression] = []
    names: set[str] = set()
    at = 0
    while (start := source.find("{{", at)) >= 0:
        parts.append(source[at:start].encode("utf-8", "surrogateescape"))
        parser = _Parser(source, start + 2)
        node = parser.whole()
        if parser.token.text != "}}" or parser.token.kind != "operator":
            raise parser.fault("expected }}; a literal {{ is written {{ '{{' }}")
        at = parser.token.at + 2
        parts.append(Expression(source[start + 2 : at - 2].strip(), frozenset(parser.names), node))
        names |= parser.names
    parts.append(source[at:].encode("utf-8", "surrogateescape"))
    return Template(tuple(part for part in parts if part != b""), frozenset(names))


class _Parser:
    """Precedence climbing over tokens; every production consumes or faults, so it ends."""

    def __init__(self, source: str, at: int) -> None:
        self._source = source
        self._tokens = self._scan(at)
        self._nodes = 0
        self._depth = 0
        self.names: set[str] = set()
        self.token = next(self._tokens)

    def fault(self, cure: str) -> ExpressionError:
        return ExpressionError(self._source, self.token.at, f"{cure}, found {self.token.text or 'the end'!r}")

    def whole(self) -> Node:
        """``x if c else y``, and all that binds closer."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.fault(f"is nested deeper than {MAX_DEPTH}")
        node = self._binary(0)
        if self._take("name", "if"):
            condition = self._binary(0)
            if not self._take("name", "else"):
                raise self.fault("expected else")
            node = self._counted(_choice(condition, node, self.whole()))
        self._depth -= 1
        return node

    def _scan(self, at: int) -> Iterator[_Token]:
        while found := _TOKEN.match(self._source, at):
            kind = str(found.lastgroup)
            yield _Token(kind, found[kind], found.start(kind))
            at = found.end()
        rest = self._source[at:].lstrip()
        yield _Token("strange" if rest else "end", rest[:10], len(self._source) - len(rest))

    def _take(self, kind: str, wanted: str) -> bool:
        if (self.token.kind, self.token.text) != (kind, wanted):
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        token = self.token
        self.token = next(self._tokens, _Token("end", "", len(self._source)))
        return token

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._negation(level) if level == _NOT_LEVEL else self._binary(level + 1)
        while (make := _LEVELS[level].get(self.token.text)) and self.token.kind in {"operator", "name"}:
            self._next()
            node = self._counted(make(node, self._binary(level + 1)))
        return node

    def _negation(self, level: int) -> Node:
        count = 0
        while self._take("name", "not"):
            count += 1
        node = self._binary(level + 1)
        if not count:
            return node
        is_wanted = count % 2 == 0
        return self._counted(lambda scope: truth(node(scope)) == is_wanted)

    def _unary(self) -> Node:
        is_negative = False
        while self._take("operator", "-"):
            is_negative = not is_negative
        node = self._operand()
        return self._counted(_arithmetic(operator.sub)(_constant(0), node)) if is_negative else node

    def _operand(self) -> Node:
        token = self.token
        if token.kind == "number":
            digits = self._next().text
            return self._counted(_constant(number(digits.encode()) or 0))
        if token.kind == "text":
            return self._counted(_constant(_literal(self._next().text)))
        if self._take("operator", "("):
            node = self.whole()
            if not self._take("operator", ")"):
                raise self.fault("expected )")
            return node
        if token.kind == "name" and token.text not in _WORDS:
            self._next()
            if self._take("operator", "("):
                return self._call(token)
            if token.text in _CONSTANTS:
                return self._counted(_constant(_CONSTANTS[token.text]))
            self.names.add(token.text)
            return self._counted(_read(token.text))
        raise self.fault("expected a value")

    def _call(self, name: _Token) -> Node:
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise ExpressionError(self._source, name.at, f"there is no function {name.text!r}")
        texts: list[_Token] = []
        arguments: list[Node] = []
        while not self._take("operator", ")"):
            if arguments and not self._take("operator", ","):
                raise self.fault("expected , or )")
            texts.append(self.token)
            arguments.append(self.whole())
        if not function.least <= len(arguments) <= min(function.most, MAX_ARGUMENTS):
            cure = f"{name.text} takes {function.least} to {function.most} arguments, not {len(arguments)}"
            raise ExpressionError(self._source, name.at, cure)
        if function.is_pattern_first:
            self._check_pattern(texts[0])
        site = Site(f"{self._source[max(0, name.at - 64) : name.at + 64]}:{name.at}".encode())
        return self._counted(_called(function, site, tuple(arguments)))

    def _check_pattern(self, token: _Token) -> None:
        """A pattern is the author's, never an attacker's: it stands in the expression as a literal."""
        if token.kind != "text":
            raise ExpressionError(self._source, token.at, "the pattern must be a literal text")
        try:
            compile_pattern(_literal(token.text))
        except ValueError as error:
            raise ExpressionError(self._source, token.at, str(error)) from error

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self.fault(f"has more than {MAX_NODES} parts")
        return node


def _literal(quoted: str) -> bytes:
    """A quoted text's bytes. A backslash before anything that is no escape stays, for the sake of patterns."""
    out = bytearray()
    at = 1
    for found in _ESCAPE.finditer(quoted, 1, len(quoted) - 1):
        out += quoted[at : found.start()].encode("utf-8", "surrogateescape")
        at = found.end()
        escape = found[1]
        if len(escape) == 3:
            out.append(int(escape[1:], 16))
        elif escape in "'\"\\":
            out += escape.encode()
        else:
            out += _ESCAPES.get(escape, found[0]).encode()
    return bytes(out + quoted[at:-1].encode("utf-8", "surrogateescape"))


def _constant(value: Value) -> Node:
    return lambda _: value


def _read(name: str) -> Node:
    return lambda scope: scope.read(name)


def _choice(condition: Node, then: Node, otherwise: Node) -> Node:
    return lambda scope: (then if truth(condition(scope)) else otherwise)(scope)


def _called(function: Function, site: Site, arguments: tuple[Node, ...]) -> Node:
    call = function.call

    def node(scope: Scope) -> Value:
        values = [argument(scope) for argument in arguments]
        scope.spend(sum(len(value) for value in values if isinstance(value, bytes)))
        result = call(scope, site, values)
        return result[:MAX_OUTPUT_BYTES] if isinstance(result, bytes) else result

    return node


def _either(left: Node, right: Node) -> Node:
    return lambda scope: value if truth(value := left(scope)) else right(scope)


def _both(left: Node, right: Node) -> Node:
    return lambda scope: right(scope) if truth(value := left(scope)) else value


def _compared(holds: Callable[[Value, Value], bool]) -> Callable[[Node, Node], Node]:
    return lambda left, right: lambda scope: holds(left(scope), right(scope))


def _sum(left: Node, right: Node) -> Node:
    """Text joins if either side is text, numbers add up."""

    def node(scope: Scope) -> Value:
        one, other = left(scope), right(scope)
        if isinstance(one, bytes) or isinstance(other, bytes):
            joined = text(one) + text(other)
            scope.spend(len(joined))
            return joined[:MAX_OUTPUT_BYTES]
        total = bounded(one + other)
        return b"" if total is None else total

    return node


def _arithmetic(compute: Callable[[float, float], float]) -> Callable[[Node, Node], Node]:
    def make(left: Node, right: Node) -> Node:
        def node(scope: Scope) -> Value:
            one, other = number(left(scope)), number(right(scope))
            if one is None or other is None:
                return b""
            try:
                result = bounded(compute(one, other))
            except (ArithmeticError, ValueError):
                return b""
            return b"" if result is None else result

        return node

    return make


def _divide(left: float, right: float) -> float:
    """A whole number stays one if it divides."""
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


_LEVELS: Final[tuple[Mapping[str, Callable[[Node, Node], Node]], ...]] = (
    {"or": _either},
    {"and": _both},
    {},  # not
    {
        "==": _compared(same),
        "!=": _compared(lambda left, right: not same(left, right)),
        "<": _compared(is_less),
        ">": _compared(lambda left, right: is_less(right, left)),
        "<=": _compared(lambda left, right: not is_less(right, left)),
        ">=": _compared(lambda left, right: not is_less(left, right)),
    },
    {"+": _sum, "-": _arithmetic(operator.sub)},
    {"*": _arithmetic(operator.mul), "/": _arithmetic(_divide), "%": _arithmetic(operator.mod)},
)
_NOT_LEVEL: Final = 2
