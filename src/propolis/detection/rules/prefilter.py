"""Which rules could match a text: one Hyperscan database per kind of event, one scan per distinct text.

Every test of a rule becomes expressions (atoms) of the database, and the rule a formula over them. What cannot be
expressed is left out in the direction of *more* candidates: ``not``, which field it was, case, bounds of repeats, and
what Hyperscan's prefilter mode loosens (zero-width assertions, back references). So a rule that holds is always a
candidate; a candidate is not always a rule that holds. O(bytes) a scan (Wang et al., Hyperscan, NSDI 2019).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import hyperscan
import msgspec

from propolis.detection.fields import HEADER
from propolis.detection.rules.rule import LANGUAGES, Every, Node, Not, Some, Test

_LITERAL = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
_REGEX = _LITERAL | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_PREFILTER


class All(msgspec.Struct, frozen=True):
    """All of these must be in the text."""

    parts: tuple["Formula", ...]


class OneOf(msgspec.Struct, frozen=True):
    """One of these must be in the text."""

    parts: tuple["Formula", ...]


Formula: TypeAlias = int | All | OneOf
"""An atom by number, or several."""

_ANYTHING = All(())

_REPEAT = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(\d+),\d+\}", re.DOTALL)
"""A bounded repeat; escapes and character classes, where braces mean something else, are stepped over."""


class Prefilter:
    """The rules of one kind of event, by number. ``prefilter(text)`` gives the numbers of those that could match."""

    def __init__(self, rules: Mapping[int, Node]) -> None:
        self._atoms: dict[tuple[bytes, int], int] = {}
        self._formulas = {number: self._formula(node) for number, node in rules.items()}
        self._always = [number for number, formula in self._formulas.items() if formula == _ANYTHING]
        self._rules = [
            [number for number, formula in self._formulas.items() if atom in _atoms(formula)]
            for atom in self._atoms.values()
        ]
        self._database = _compiled(tuple(self._atoms.items())) if self._atoms else None
        self._candidates = lru_cache(maxsize=4_096)(self._touched)

    def __call__(self, text: bytes) -> tuple[int, ...]:
        """Numbers of the rules that could match, ascending."""
        seen: list[int] = []
        if self._database is not None:
            self._database.scan(text, match_event_handler=_collect, context=seen)
        return self._candidates(frozenset(seen))

    def _touched(self, seen: frozenset[int]) -> tuple[int, ...]:
        touched = {number for atom in seen for number in self._rules[atom]}
        possible = {number for number in touched if _possible(self._formulas[number], seen)}
        return tuple(sorted(possible.union(self._always)))

    def _formula(self, node: Node) -> Formula:
        match node:
            case Test(field, "exists", (b"true",)) if field.startswith(HEADER):
                return self._atom(field.removeprefix(HEADER).encode("latin-1", "replace"), is_regex=False)
            case Test(_, "exists") | Not():
                return _ANYTHING
            case Test(_, "is", values, every):
                needs = [LANGUAGES[value].needs for value in values]
                return _join([self._atom(pattern, is_regex=True) for pattern in needs], every=every)
            case Test(_, how, values, every):
                return _join([self._atom(value, is_regex=how == "re") for value in values], every=every)
            case Every(nodes):
                return _join([self._formula(inner) for inner in nodes], every=True)
            case Some(nodes):
                return _join([self._formula(inner) for inner in nodes], every=False)

    def _atom(self, value: bytes, *, is_regex: bool) -> Formula:
        if not value or (is_regex and re.search(value, b"")):
            return _ANYTHING
        key = (
            (loosen(value), _REGEX) if is_regex else (b"".join(b"\\x%02x" % byte for byte in value), _LITERAL)
        )
        return self._atoms.setdefault(key, len(self._atoms))


@lru_cache(maxsize=4_096)
def refusal(source: bytes) -> str:
    """Why Hyperscan does not take this regular expression, even loosened; empty if it does."""
    try:
        _compile((((loosen(source), _REGEX), 0),))
    except hyperscan.HyperscanError as error:
        return "" if re.search(source, b"") else str(error)
    return ""


def loosen(source: bytes) -> bytes:
    """The regular expression with every ``{n,m}`` open-ended: it matches no less, and compiles 30 times as fast."""
    return _REPEAT.sub(lambda found: b"{%s,}" % found[1] if found[1] else found[0], source)


def _compile(atoms: tuple[tuple[tuple[bytes, int], int], ...]) -> hyperscan.Database:
    """A database of these expressions with flags, to their numbers."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[source for (source, _), _ in atoms],
        flags=[flags for (_, flags), _ in atoms],
        ids=[number for _, number in atoms],
        elements=len(atoms),
    )
    return database


_compiled = lru_cache(maxsize=8)(_compile)  # the same rules are compiled once a process: it takes a second


def _join(formulas: list[Formula], *, every: bool) -> Formula:
    """A formula of formulas, without those that say nothing."""
    if not every:
        return _ANYTHING if _ANYTHING in formulas else OneOf(tuple(formulas))
    telling = tuple(formula for formula in formulas if formula != _ANYTHING)
    return telling[0] if len(telling) == 1 else All(telling)


def _atoms(formula: Formula) -> set[int]:
    return (
        {formula} if isinstance(formula, int) else {atom for part in formula.parts for atom in _atoms(part)}
    )


def _possible(formula: Formula, seen: frozenset[int]) -> bool:
    match formula:
        case All(parts):
            return all(_possible(part, seen) for part in parts)
        case OneOf(parts):
            return any(_possible(part, seen) for part in parts)
        case _:
            return formula in seen


def _collect(atom: int, _start: int, _end: int, _flags: int, seen: Any) -> None:
    seen.append(atom)
