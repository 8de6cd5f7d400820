"""The Common Expression Language as afrog's rules use it: text becomes a tree of :mod:`.dsl`.

Operators bind as in CEL (https://github.com/google/cel-spec/blob/master/doc/langdef.md): ``||``, ``&&``, comparisons
and ``in``, ``+ -``, ``* / %``, prefixes, then members, indices and calls. A receiver is a call's first argument, a
member of a name a longer name (``response.body``), an index an operation ``[]``. Functions are named as written.
"""

import re
from typing import Final

from propolis.flaws.scanners.dsl import Call, Expr, Literal, Name, Operation

MAX_CHARACTERS = 65_536
MAX_DEPTH = 48


class CelError(ValueError):
    """Text that is no expression; says what was found where."""


_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>[bB]?[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
    r"""|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<mark>\|\||&&|==|!=|<=|>=|[-+*/%<>!().,\[\]]))""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3})|(.))", re.DOTALL)
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LEVELS: Final = (
    ("||",),
    ("&&",),
    ("==", "!=", "<=", ">=", "<", ">", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_TRUTHS: Final = {"true": True, "false": False}


def parse(text: str) -> Expr:
    """The tree of an expression. Raises :class:`CelError`."""
    if len(text) > MAX_CHARACTERS:
        raise CelError(f"is longer than {MAX_CHARACTERS} characters")
    parser = _Parser(text.strip())
    found = parser.binary(0, 0)
    parser.expect("end")
    return found


class _Parser:
    """Precedence climbing; every production consumes or raises, so it ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._kind, self._word = "end", ""
        self._scan()

    def expect(self, kind: str) -> None:
        """Raises :class:`CelError` for another kind of token, or another mark."""
        if kind not in {self._kind, self._word}:
            raise CelError(f"expected {kind}, found {self._word or 'the end'!r} before {self._at}")

    def binary(self, level: int, depth: int) -> Expr:
        """Operators of a level and those that bind closer."""
        if depth > MAX_DEPTH:
            raise CelError(f"is nested deeper than {MAX_DEPTH}")
        if level == len(_LEVELS):
            return self._prefixed(depth)
        found = self.binary(level + 1, depth)
        while self._kind in {"mark", "name"} and self._word in _LEVELS[level]:
            operator = self._word
            self._scan()
            found = Operation(operator, (found, self.binary(level + 1, depth)))
        return found

    def _scan(self) -> None:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at :].strip()
            self._kind, self._word = ("strange", rest[:20]) if rest else ("end", "")
            return
        self._at = found.end()
        self._kind = str(found.lastgroup)
        self._word = found[self._kind]

    def _take(self, mark: str) -> bool:
        if self._kind != "mark" or self._word != mark:
            return False
        self._scan()
        return True

    def _prefixed(self, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise CelError(f"is nested deeper than {MAX_DEPTH}")
        for operator in ("!", "-"):
            if self._take(operator):
                return Operation(operator, (self._prefixed(depth + 1),))
        found = self._operand(depth)
        while True:
            if self._take("."):
                found = self._member(found, depth)
            elif self._take("["):
                index = self.binary(0, depth + 1)
                self._close("]")
                found = Operation("[]", (found, index))
            else:
                return found

    def _member(self, of: Expr, depth: int) -> Expr:
        self.expect("name")
        name = self._word
        self._scan()
        if self._take("("):
            return Call(name, (of, *self._arguments(depth)))
        if isinstance(of, Name):
            return Name(f"{of.name}.{name}")
        return Operation("[]", (of, Literal(name.encode())))

    def _operand(self, depth: int) -> Expr:
        kind, word = self._kind, self._word
        self._scan()
        match kind:
            case "number":
                return Literal(float(word) if "." in word else int(word[:18]))
            case "text":
                return Literal(_unescaped(word))
            case "name" if word in _TRUTHS:
                return Literal(_TRUTHS[word])
            case "name":
                return Call(word, self._arguments(depth)) if self._take("(") else Name(word)
            case "mark" if word == "(":
                found = self.binary(0, depth + 1)
                self._close(")")
                return found
            case _:
                raise CelError(f"expected a value, found {word or 'the end'!r} before {self._at}")

    def _arguments(self, depth: int) -> tuple[Expr, ...]:
        found: list[Expr] = []
        while not self._take(")"):
            if found:
                self._close(",")
            found.append(self.binary(0, depth + 1))
        return tuple(found)

    def _close(self, mark: str) -> None:
        if not self._take(mark):
            raise CelError(f"expected {mark}, found {self._word or 'the end'!r} before {self._at}")


def _unescaped(token: str) -> bytes:
    r"""The bytes of a literal; ``r`` keeps its backslashes, ``b`` makes a byte of ``\xff``."""
    start = min(token.find(mark) for mark in "\"'" if mark in token)
    prefix, inner = token[:start].lower(), token[start + 1 : -1]
    if "r" in prefix:
        return inner.encode()
    coding = "latin-1" if "b" in prefix else "utf-8"
    out, at = b"", 0
    for found in _ESCAPE.finditer(inner):
        out += inner[at : found.start()].encode()
        at = found.end()
        digits, base = (found[1] or found[2], 16) if found[1] or found[2] else (found[3], 8)
        if digits:
            out += chr(int(digits, base)).encode(coding, "replace")
        else:
            out += _LETTERS.get(found[4], found[4]).encode()
    return out + inner[at:].encode()
