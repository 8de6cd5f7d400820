"""The expression language of nuclei templates: ``contains(body, "x") && status_code == 200``, and ``{{md5(num)}}``.

Its grammar is govaluate's with nuclei's names, which may hold hyphens (``interactsh-url``). Here text becomes a tree;
what a tree is worth is :mod:`propolis.flaws.scanners.functions`' affair, and what an answer must be so that it holds
:mod:`propolis.flaws.scanners.formula`'s.
"""

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

Value: TypeAlias = bytes | int | float | bool

MAX_EXPRESSION_CHARACTERS = 65_536
MAX_DEPTH = 48
MAX_CLOSINGS = 24
"""How many ``}}`` are tried as the end of one ``{{``: expressions hold texts that hold braces."""


class DslError(ValueError):
    """Text that is no expression; says what was expected where."""


class Literal(msgspec.Struct, frozen=True, tag=True):
    """A text, a number or a truth."""

    value: bytes | int | float | bool


class Name(msgspec.Struct, frozen=True, tag=True):
    """A variable, or a part of the response."""

    name: str


class Call(msgspec.Struct, frozen=True, tag=True):
    """A helper function; its name is in lower case and without underscores, as nuclei takes both."""

    function: str
    arguments: tuple["Expr", ...]


class Operation(msgspec.Struct, frozen=True, tag=True):
    """``operator`` between (or, with one operand, before) operands; ``?:`` has three."""

    operator: str
    operands: tuple["Expr", ...]


class Join(msgspec.Struct, frozen=True, tag=True):
    """Text with expressions in it, one after another."""

    parts: tuple["Expr", ...]


class Braced(msgspec.Struct, frozen=True, tag=True):
    """An expression in braces, and how they were written: they stay if nobody knows what is in them."""

    inner: "Expr"
    text: str


Expr: TypeAlias = Literal | Name | Call | Operation | Join | Braced


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<number>0x[0-9a-fA-F]+|\d+(?:\.\d+)?)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<braces>\{\{|\}\})"
    r"|(?P<name>[A-Za-z_$][A-Za-z0-9_.]*(?:-[A-Za-z_][A-Za-z0-9_.]*)*)"
    r"|(?P<operator>\|\||&&|==|!=|<=|>=|=~|!~|\*\*|\?\?|[-+*/%<>(),!?:])"
    r")",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
"""In a text a backslash only ever says that what follows is meant as it is: ``'\\d'`` is the letter."""
_SECTION = re.compile(r"§([\w-]+)§")
_LEVELS: Final = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "<=", ">=", "<", ">", "=~", "!~", "in"),
    ("+", "-"),
    ("*", "/", "%"),
    ("**",),
)
_TRUTHS: Final = {"true": True, "false": False}


def parse(text: str) -> Expr:
    """The tree of an expression. Raises :class:`DslError`."""
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise DslError(f"is longer than {MAX_EXPRESSION_CHARACTERS} characters")
    parser = _Parser(text)
    found = parser.whole(0)
    if parser.token.kind != "end":
        raise DslError(f"expected the end, found {parser.token.text!r} at {parser.token.at}")
    return found


def parse_text(text: str, depth: int = 0) -> Expr:
    """The tree of a text with ``{{ expressions }}``; braces around anything else are text, as nuclei leaves them.

    An expression of nothing but literals (``{{7*7}}``) is left alone too: it is somebody's payload. Never raises.
    """
    parts: list[Expr] = []
    at = 0
    if "§" in text:  # the older way to write braces
        text = _SECTION.sub(r"{{\1}}", text)
    while (start := text.find("{{", at)) >= 0:
        inner, end = _expression_at(text, start, depth)
        if inner is None:
            parts.append(Literal(text[at:end].encode()))
        else:
            parts += (Literal(text[at:start].encode()), Braced(inner, text[start:end]))
        at = end
    parts.append(Literal(text[at:].encode()))
    return join(parts)


def join(parts: list[Expr]) -> Expr:
    """One text of several, neighbouring literals as one; a single part stands for itself."""
    flat: list[Expr] = []
    for part in parts:
        for piece in part.parts if isinstance(part, Join) else (part,):
            last = flat[-1] if flat else None
            if isinstance(piece, Literal) and isinstance(piece.value, bytes):
                if not piece.value:
                    continue
                if isinstance(last, Literal) and isinstance(last.value, bytes):
                    flat[-1] = Literal(last.value + piece.value)
                    continue
            flat.append(piece)
    if not flat:
        return Literal(b"")
    return flat[0] if len(flat) == 1 else Join(tuple(flat))


def names(expr: Expr) -> Iterator[str]:
    """Every name in a tree, as often as it stands there."""
    match expr:
        case Name(name):
            yield name
        case Braced(inner):
            yield from names(inner)
        case Call(arguments=several) | Operation(operands=several) | Join(parts=several):
            for one in several:
                yield from names(one)
        case _:
            return


def calls(expr: Expr) -> Iterator[str]:
    """Every function that a tree calls."""
    match expr:
        case Braced(inner):
            yield from calls(inner)
        case Call(function, several):
            yield function
            for one in several:
                yield from calls(one)
        case Operation(operands=several) | Join(parts=several):
            for one in several:
                yield from calls(one)
        case _:
            return


def _expression_at(text: str, start: int, depth: int) -> tuple[Expr | None, int]:
    """The expression in the braces that open at ``start`` and where they end; None and where text goes on."""
    end = start + 2
    for _ in range(MAX_CLOSINGS if depth < MAX_DEPTH else 0):
        end = text.find("}}", end)
        if end < 0:
            break
        try:
            found = parse(text[start + 2 : end])
        except (DslError, RecursionError):
            end += 1
            continue
        if any(True for _ in names(found)) or any(True for _ in calls(found)):
            return found, end + 2
        return None, end + 2
    return None, start + 2


class _Parser:
    """Precedence climbing; every production consumes or raises, so it ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.token = self._scan()

    def whole(self, depth: int) -> Expr:
        """``c ? a : b``, and all that binds closer."""
        if depth > MAX_DEPTH:
            raise DslError(f"is nested deeper than {MAX_DEPTH}")
        found = self._binary(0, depth)
        if not self._take("?"):
            return found
        then = self.whole(depth + 1)
        if not self._take(":"):
            raise DslError(f"expected : at {self.token.at}")
        return Operation("?:", (found, then, self.whole(depth + 1)))

    def _scan(self) -> _Token:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at :].strip()
            return _Token("strange" if rest else "end", rest[:20], self._at)
        self._at = found.end()
        kind = str(found.lastgroup)
        return _Token(kind, found[kind], found.start(kind))

    def _take(self, wanted: str) -> bool:
        if self.token.text != wanted or self.token.kind == "text":
            return False
        self.token = self._scan()
        return True

    def _binary(self, level: int, depth: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary(depth)
        found = self._binary(level + 1, depth)
        while self.token.kind in {"operator", "name"} and self.token.text in _LEVELS[level]:
            operator = self.token.text
            self.token = self._scan()
            found = Operation(operator, (found, self._binary(level + 1, depth)))
        return found

    def _unary(self, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise DslError(f"is nested deeper than {MAX_DEPTH}")
        for operator in ("!", "-"):
            if self._take(operator):
                return Operation(operator, (self._unary(depth + 1),))
        return self._operand(depth)

    def _operand(self, depth: int) -> Expr:
        token = self.token
        self.token = self._scan()
        if token.kind == "number":
            return Literal(_number(token.text))
        if token.kind == "text":
            return parse_text(_ESCAPE.sub(r"\1", token.text[1:-1]), depth + 1)
        if token.kind == "name":
            return self._named(token.text, depth)
        if token.text == "{{":
            found = self.whole(depth + 1)
            if not self._take("}}"):
                raise DslError(f"expected }}}} at {self.token.at}")
            return found
        if token.text == "(":
            found = self.whole(depth + 1)
            if not self._take(")"):
                raise DslError(f"expected ) at {self.token.at}")
            return found
        raise DslError(f"expected a value, found {token.text or 'the end'!r} at {token.at}")

    def _named(self, name: str, depth: int) -> Expr:
        if not self._take("("):
            return Literal(_TRUTHS[name]) if name in _TRUTHS else Name(name)
        arguments: list[Expr] = []
        while not self._take(")"):
            if arguments and not self._take(","):
                raise DslError(f"expected , or ) at {self.token.at}")
            arguments.append(self.whole(depth + 1))
        return Call(name.lower().replace("_", ""), tuple(arguments))


def _number(digits: str) -> int | float:
    if digits.startswith("0x"):
        return int(digits, 16)
    return float(digits) if "." in digits else int(digits[:300])
