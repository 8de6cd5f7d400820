"""Marks: texts that stand for what is unknown while requests are read and answers are put together.

A mark is made of letters and digits, so no coding changes it and no pattern mistakes it for syntax; it is sought in
what came out, and what it stood for is put in its place.
"""

import re
from collections.abc import Callable, Iterable

from propolis.flaws.scanners import dsl, functions
from propolis.flaws.scanners.dsl import Call, Expr, Join, Literal, Operation


class Marks:
    """Terms and their marks; the same term always has the same one."""

    def __init__(self, look: Callable[[Expr], str], is_number: Callable[[Expr], bool]) -> None:
        """``look`` gives a pattern of what a term may be, ``is_number`` whether it is a figure."""
        self._look = look
        self._is_number = is_number
        self._texts: dict[Expr, bytes] = {}
        self._sought: re.Pattern[bytes] | None = None
        self.terms: dict[bytes, Expr] = {}

    def of(self, term: Expr) -> bytes:
        """The mark of a term, or the text that it is known to be."""
        if term not in self._texts:
            index = len(self._texts)
            self.set(term, b"9173%03d846" % index if self._is_number(term) else b"zq%03dqz" % index)
        return self._texts[term]

    def set(self, term: Expr, mark: bytes) -> None:
        """Choose the mark of a term."""
        self._texts[term] = mark
        self.terms[mark] = term
        self._sought = None

    def fix(self, term: Expr, text: bytes) -> None:
        """From now on a term is this text."""
        self._texts[term] = text

    def look(self, mark: bytes) -> str:
        """A pattern of what a mark stands for."""
        return self._look(self.terms[mark])

    def split(self, value: bytes) -> list[bytes]:
        """Text and marks in turn: the odd ones are marks."""
        if self._sought is None:
            longest = sorted(self.terms, key=lambda mark: (-len(mark), mark))
            self._sought = re.compile(b"(" + b"|".join(map(re.escape, longest or [b"(?!)"])) + b")")
        return self._sought.split(value)

    def has(self, value: bytes) -> bool:
        """Whether there is a mark in a text."""
        return len(self.split(value)) > 1

    def text(self, expr: Expr) -> bytes:
        """A resolved text with marks in the place of its terms."""
        match expr:
            case Literal(value):
                return functions.text(value)
            case Join(parts):
                return b"".join(self.text(part) for part in parts)
            case _:
                return self.of(expr)

    def tree(self, expr: Expr, unknowns: Iterable[str]) -> Expr:
        """A matcher's tree with marks for all that depends on nothing but ``unknowns``; response parts stay names."""
        known = frozenset(unknowns)
        names = list(dsl.names(expr))
        if names and all(name in known for name in names) and not _compares_versions(expr):
            return Literal(self.text(expr))
        match expr:
            case Call("compareversions", (first, *rest)):
                return Call("compareversions", (first, *(self.tree(one, known) for one in rest)))
            case Call(function, arguments):
                return Call(function, tuple(self.tree(one, known) for one in arguments))
            case Operation(operator, operands):
                return Operation(operator, tuple(self.tree(one, known) for one in operands))
            case Join(parts):
                return dsl.join([self.tree(part, known) for part in parts])
            case _:
                return expr


def _compares_versions(expr: Expr) -> bool:
    """A version that is compared must be a real one, not a mark."""
    return "compareversions" in dsl.calls(expr)


def names_of(text: str) -> frozenset[str]:
    """Every name that a text with expressions asks for."""
    return frozenset(dsl.names(dsl.parse_text(text)))
