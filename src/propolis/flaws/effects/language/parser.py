"""Expressions of template engines and expression languages, evaluated while they are read."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from propolis.flaws.effects.language.methods import FUNCTIONS, METHODS, SAYS, called, item_of
from propolis.flaws.effects.language.operators import LEVELS, power
from propolis.flaws.effects.language.values import (
    MAX_ITEMS,
    Engine,
    NoSenseError,
    Opaque,
    Thing,
    bounded,
    number_of,
)

MAX_CHARS = 4_096
MAX_STEPS = 2_000
MAX_DEPTH = 24

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][0-9a-fA-F]{1,64}|\d{1,200}(?:\.\d{1,40})?)[LlFfDd]?(?![A-Za-z0-9_])
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>[$@\#]?[A-Za-z_]\w*)
    | (?P<operator>\*\*|//|==|!=|<=|>=|&&|\|\||<<|>>|\?\.|\?:|::|[-+*/%~^<>=!?:.,|()\[\]{};@\#&$])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_WORDS: Final[dict[str, Thing]] = {
    "true": 1, "false": 0, "True": 1, "False": 0, "null": None, "None": None, "nil": None, "none": None
}  # fmt: skip


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str


_END = _Token("end", "")


def evaluate(source: str, engine: Engine, variables: dict[str, Thing]) -> Thing:
    """The value of an expression, or of the last of several; assignments go into ``variables``.

    Raises :class:`NoSenseError`, and nothing else.
    """
    parser = _Parser(source[:MAX_CHARS], engine, variables)
    try:
        return parser.program()
    except (ArithmeticError, ValueError, IndexError, TypeError) as error:
        raise NoSenseError from error


class _Parser:
    """Evaluates while it reads; every step is counted."""

    def __init__(self, source: str, engine: Engine, variables: dict[str, Thing]) -> None:
        self._tokens = _scan(source)
        self._engine = engine
        self._variables = variables
        self._steps = MAX_STEPS
        self._depth = 0
        self._token = next(self._tokens, _END)
        self._next_token = next(self._tokens, _END)

    def program(self) -> Thing:
        """Expressions apart by ``,`` or ``;``: the last counts."""
        value = self._whole()
        while self._take(";", ","):
            if self._token.kind == "end":
                break
            value = self._whole()
        if self._token.kind != "end":
            raise NoSenseError
        return value

    def _whole(self) -> Thing:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        if self._token.kind == "name" and self._next_token.text == "=":
            name = self._next().text.lstrip("#$@")
            self._next()
            value = self._whole()
            if len(self._variables) < MAX_ITEMS:
                self._variables[name] = value
        else:
            value = self._choice(self._binary(0))
        self._depth -= 1
        return value

    def _choice(self, condition: Thing) -> Thing:
        if self._take("?:"):
            other = self._whole()
            return condition or other
        if not self._take("?"):
            return condition
        then = self._whole()
        if not self._take(":"):
            raise NoSenseError
        other = self._whole()
        return then if condition else other

    def _binary(self, level: int) -> Thing:
        if level == len(LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while self._token.kind in {"operator", "name"} and (compute := LEVELS[level].get(self._token.text)):
            self._next()
            value = bounded(compute(value, self._binary(level + 1), self._engine))
        return value

    def _unary(self) -> Thing:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        if self._take("-"):
            value: Thing = -number_of(self._unary())
        elif self._take("+"):
            value = self._unary()
        elif self._take("!", "not"):
            value = int(not self._unary())
        else:
            value = self._postfix(self._operand())
            if self._take("**"):
                exponent = number_of(self._unary())
                value = bounded(power(number_of(value), exponent))
        self._depth -= 1
        return value

    def _postfix(self, value: Thing) -> Thing:
        """Members, calls, indices and filters."""
        while True:
            if (
                self._take(".", "?.", "::", "@")
                or self._take("|")
                or (self._take("?") if self._is_builtin() else False)
            ):
                value = self._member(value, self._name())
            elif self._take("["):
                value = item_of(value, self._whole())
                self._expect("]")
            elif self._token.text == "(" and isinstance(value, Opaque):
                value = called(value.name, self._arguments())
            else:
                return value

    def _is_builtin(self) -> bool:
        """FreeMarker's ``text?upper_case``."""
        return self._token.text == "?" and self._next_token.text in METHODS

    def _member(self, value: Thing, name: str) -> Thing:
        arguments = self._arguments() if self._token.text == "(" else []
        if isinstance(value, Opaque):
            return called(name, arguments) if name in FUNCTIONS or name in SAYS else Opaque(name)
        method = METHODS.get(name)
        if method is None:
            return Opaque(name)
        return bounded(method(value, arguments))

    def _operand(self) -> Thing:
        token = self._next()
        match token.kind:
            case "number":
                if token.text[:2].lower() == "0x":
                    return int(token.text, 16)
                return float(token.text) if "." in token.text else int(token.text)
            case "text":
                return _unquoted(token.text)
            case "name":
                return self._named(token.text)
        if token.text == "(":
            value = self._whole()
            while self._take(","):
                value = self._whole()
            self._expect(")")
            return value
        if token.text in {"[", "{"}:
            return self._items("]" if token.text == "[" else "}")
        raise NoSenseError

    def _named(self, name: str) -> Thing:
        if name in _WORDS:
            return _WORDS[name]
        if name == "new":
            return self._operand()
        bare = name.lstrip("#$@")
        if bare in self._variables:
            return self._variables[bare]
        if self._token.text == "(":
            return called(bare, self._arguments())
        if bare in SAYS and self._token.kind in {"text", "number"}:
            return self._whole()
        return Opaque(bare)

    def _items(self, end: str) -> Thing:
        items: list[Thing] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._whole())
            if len(items) > MAX_ITEMS:
                raise NoSenseError
        return items

    def _arguments(self) -> list[Thing]:
        self._expect("(")
        items = self._items(")")
        return items if isinstance(items, list) else []

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise NoSenseError
        return token.text

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NoSenseError

    def _take(self, *texts: str) -> bool:
        if self._token.text not in texts or self._token.kind == "text":
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        self._steps -= 1
        if self._steps < 0:
            raise NoSenseError
        token = self._token
        self._token, self._next_token = self._next_token, next(self._tokens, _END)
        return token


def _scan(source: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(source, at):
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind])
        at = found.end()
    if source[at:].strip():
        yield _Token("strange", source[at : at + 1])


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "ux" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape.isdigit() and escape.isascii():
        return chr(int(escape, 8) & 0xFF)
    return _ESCAPED.get(escape, escape)
