"""The ``condition`` of a rule: ``selection and not (filter or 1 of other_*)``.

The grammar is Sigma's (Sigma Rules Specification 2.0, Condition), without pipes:
``or`` binds weakest, then ``and``, then ``not``; ``1 of x*``, ``all of x*``, ``1 of them`` name several selections.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from propolis.detection.rules.rule import Every, Node, Not, Some

DEPTH = 32
"""How deep parentheses and ``not`` may nest."""

_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9_*]+)")


def parse(text: str, selections: Mapping[str, Node]) -> Node:
    """The condition over named selections as one node. Raises ``ValueError`` that says what is wrong."""
    tokens, end = [], 0
    while match := _TOKEN.match(text, end):
        tokens.append(match[1])
        end = match.end()
    if text[end:].strip():
        raise ValueError(f"does not understand {text[end:].strip()!r}")
    parser = _Parser(tokens, selections)
    node = parser.some(0)
    if parser.tokens:
        raise ValueError(f"has {parser.tokens[-1]!r} where 'and', 'or' or the end belongs")
    unused = set(selections) - parser.used
    if unused:
        raise ValueError(f"never uses the selection {min(unused)!r}")
    return node


class _Parser:
    def __init__(self, tokens: list[str], selections: Mapping[str, Node]) -> None:
        self.tokens = tokens[::-1]
        self.used: set[str] = set()
        self._selections = selections

    def some(self, depth: int) -> Node:
        nodes = [self._every(depth)]
        while self._take("or"):
            nodes.append(self._every(depth))
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def _every(self, depth: int) -> Node:
        nodes = [self._one(depth)]
        while self._take("and"):
            nodes.append(self._one(depth))
        return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))

    def _one(self, depth: int) -> Node:
        if depth > DEPTH:
            raise ValueError(f"nests deeper than {DEPTH}")
        if self._take("not"):
            return Not(self._one(depth + 1))
        if self._take("("):
            node = self.some(depth + 1)
            if not self._take(")"):
                raise ValueError("misses a ')'")
            return node
        name = self.tokens.pop() if self.tokens else ""
        if name in {"1", "all"} and self._take("of"):
            nodes = self._named(self.tokens.pop() if self.tokens else "")
            return Some(nodes) if name == "1" else Every(nodes)
        return self._named(name)[0]

    def _named(self, pattern: str) -> tuple[Node, ...]:
        pattern = "*" if pattern == "them" else pattern
        names = [name for name in self._selections if fnmatchcase(name, pattern)]
        if not names:
            raise ValueError(f"names no selection with {pattern!r}" if pattern else "ends too early")
        self.used.update(names)
        return tuple(self._selections[name] for name in names)

    def _take(self, token: str) -> bool:
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False
