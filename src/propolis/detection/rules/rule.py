"""A rule as a value, and the readable evaluator that says whether an event satisfies it.

The evaluator is the reference: :mod:`propolis.detection.match` is a faster way to the same answer.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, assert_never

import msgspec

from propolis.detection import sql
from propolis.detection.fields import Fields
from propolis.findings import Grade, Severity

REGEX_BYTES = 8_192
"""How much of a field a regular expression is tried on; literals are sought in all of it."""

How: TypeAlias = Literal["equals", "contains", "startswith", "endswith", "re", "exists", "is"]
"""Comparisons of Sigma. All but ``re`` ignore ASCII case; ``exists`` asks whether the field is not empty.

``is`` is ours: it reads each line of the field as a language of :data:`LANGUAGES`.
"""

LINES = 512
"""How many lines of a field are read as a language."""


class Test(msgspec.Struct, frozen=True):
    """One field against values, any of which will do (all of them, if ``every``).

    Literals are in lower case. ``patterns`` stands beside ``values`` when ``how`` is ``re``.
    """

    __test__ = False  # a noun of this package, not a test of pytest's

    field: str
    how: How
    values: tuple[bytes, ...]
    every: bool = False
    patterns: tuple[re.Pattern[bytes], ...] = ()


class Every(msgspec.Struct, frozen=True):
    """All of these."""

    nodes: tuple["Node", ...]


class Some(msgspec.Struct, frozen=True):
    """At least one of these."""

    nodes: tuple["Node", ...]


class Not(msgspec.Struct, frozen=True):
    """Not this."""

    node: "Node"


Node: TypeAlias = Test | Every | Some | Not


class Threshold(msgspec.Struct, frozen=True):
    """A behaviour, by name, whose count reaches a number within a window."""

    behaviour: str
    at_least: int


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in events of ``kinds``, and what it means when it is there.

    ``id`` is a slug and names the rule in findings; ``technique`` is ATT&CK's; ``path`` is the file it came from.
    ``weakness`` is the class of attack that the rule knows, whatever the product; such a rule yields to one that
    names the flaw (:mod:`propolis.detection.precedence`).
    """

    id: str
    title: str
    severity: Severity
    grade: Grade
    confidence: int
    technique: str
    cve: tuple[str, ...]
    kinds: tuple[str, ...]
    logic: Node | Threshold
    path: str
    weakness: str = ""


class RuleSet(msgspec.Struct, frozen=True):
    """Rules in the order of their ids, so that the same files always make the same set."""

    rules: tuple[Rule, ...]


def holds(node: Node, fields: Mapping[str, bytes] | Fields) -> bool:
    """Whether an event with these fields satisfies the node."""
    match node:
        case Test():
            return _passes(node, fields[node.field])
        case Every():
            return all(holds(inner, fields) for inner in node.nodes)
        case Some():
            return any(holds(inner, fields) for inner in node.nodes)
        case Not():
            return not holds(node.node, fields)
        case _:
            assert_never(node)


def _passes(test: Test, value: bytes) -> bool:
    if test.how == "re":
        value = value[:REGEX_BYTES]
        found = [pattern.search(value) is not None for pattern in test.patterns]
    else:
        value = value.lower()
        compare = COMPARISONS[test.how]
        found = [compare(value, sought) for sought in test.values]
    return all(found) if test.every else any(found)


def _speaks(value: bytes, language: "Language") -> bool:
    return any(language.speaks(line) for line in value.split(b"\n", LINES)[:LINES] if line)


COMPARISONS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    "equals": lambda value, sought: value == sought,
    "contains": lambda value, sought: sought in value,
    "startswith": lambda value, sought: value.startswith(sought),
    "endswith": lambda value, sought: value.endswith(sought),
    "exists": lambda value, sought: bool(value) == (sought == b"true"),
    "is": lambda value, sought: _speaks(value, LANGUAGES[sought]),
}
"""Field in lower case and literal, for every way to compare them but ``re``."""


class Language(msgspec.Struct, frozen=True):
    """What ``|is`` can recognise: a predicate on one input, and a pattern that no such input is without."""

    speaks: Callable[[bytes], bool]
    needs: bytes


LANGUAGES: Mapping[bytes, Language] = {b"sql-injection": Language(sql.is_injection, sql.NEEDS)}
"""Languages by the name that a rule gives them; each has a module of its own."""
