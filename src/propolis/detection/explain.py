"""A rule in words, as a tree; with an event, which parts of it hold."""

from typing import Any, TypeAlias, assert_never

import msgspec

from propolis.detection.behaviours import BEHAVIOURS
from propolis.detection.fields import Fields, printable
from propolis.detection.rules import Every, Node, Not, Rule, Some, Test, Threshold, holds
from propolis.detection.rules.examples import behaviour_steps, event

MAX_VALUES = 12
"""Values of one test that are named; how many more there are is said."""

_Fields: TypeAlias = Fields | None

_WORDS = {
    "equals": "is",
    "contains": "contains",
    "startswith": "begins with",
    "endswith": "ends with",
    "re": "has a match of",
    "is": "has a line that reads as",
}


class Part(msgspec.Struct, frozen=True):
    """A condition in words, what it is made of, and whether it holds (None: there was no event to ask)."""

    text: str
    holds: bool | None = None
    parts: tuple["Part", ...] = ()


def explain(rule: Rule, example: Any = None) -> Part:
    """What a rule looks for. ``example`` is an event as rule files write them; None asks nothing.

    Raises ``ValueError`` that says what an example must look like. O(nodes).
    """
    if isinstance(rule.logic, Threshold):
        return _threshold(rule.logic, example)
    if example is None:
        return _part(rule.logic, None, f"an event of kind {' or '.join(rule.kinds)} where")
    kind, values = event(example)
    if kind not in rule.kinds:
        return Part(f"an event of kind {' or '.join(rule.kinds)}, and this is {kind}", holds=False)
    return _part(rule.logic, Fields(kind, values), f"an event of kind {kind} where")


def _threshold(logic: Threshold, example: Any) -> Part:
    text = f"{logic.behaviour} of one source reaches {logic.at_least} within a window"
    if example is None:
        return Part(text)
    behaviour = next(known for known in BEHAVIOURS if known.name == logic.behaviour)
    reached = max(behaviour.plain(behaviour_steps(example)), default=0)
    return Part(f"{text}, and these events reach {reached}", holds=reached >= logic.at_least)


def _part(node: Node, fields: _Fields, prefix: str = "") -> Part:
    is_held = None if fields is None else holds(node, fields)
    match node:
        case Test():
            inner = Part(_words(node), is_held)
            return Part(prefix, is_held, (inner,)) if prefix else inner
        case Every(nodes):
            return Part(_join(prefix, "all of"), is_held, tuple(_part(one, fields) for one in nodes))
        case Some(nodes):
            return Part(_join(prefix, "one of"), is_held, tuple(_part(one, fields) for one in nodes))
        case Not(inner_node):
            return Part(_join(prefix, "not"), is_held, (_part(inner_node, fields),))
        case _:
            assert_never(node)


def _words(test: Test) -> str:
    if test.how == "exists":
        return f"{test.field} is {'there' if test.values == (b'true',) else 'not there'}"
    shown = [f"'{printable(value)}'" for value in test.values[:MAX_VALUES]]
    if len(test.values) > MAX_VALUES:
        shown.append(f"{len(test.values) - MAX_VALUES} more")
    joined = (" and " if test.every else " or ").join(shown)
    return f"{test.field} {_WORDS.get(test.how, test.how)} {joined}"


def _join(prefix: str, word: str) -> str:
    return f"{prefix} {word}" if prefix else word
