"""Which of many literals are in a text, in any case: one scan for all of them (Wang et al., Hyperscan, NSDI 2019)."""

from collections.abc import Iterable, Mapping
from typing import Any

import hyperscan

from propolis.memory import give_back

MAX_ADDED = 512
"""Literals that are compiled apart from the others before all are compiled anew."""

_FLAGS = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH


class Literals:
    """A set of literals by number. ``older`` is a set to start from: its numbers stay, those no longer wanted too.

    ``databases`` hold the ``first`` so many numbers, and those after them.

    Compiling holds the interpreter's lock (about 10 us a literal), so a few new ones get a database of their own, and
    only many make it worth to compile all. Not for several threads at once, nor are sets made from one another.
    """

    __slots__ = ("databases", "first", "numbers")

    def __init__(self, wanted: Iterable[bytes], older: "Literals | None" = None) -> None:
        literals = dict.fromkeys(literal.lower() for literal in wanted)
        if older is not None:
            numbers = dict(older.numbers)
            for literal in literals:
                numbers.setdefault(literal, len(numbers))
            stale = len(numbers) - len(literals)
            if len(numbers) - older.first <= MAX_ADDED and stale <= len(literals):
                self._open(numbers, older)
                return
        self._open({literal: number for number, literal in enumerate(literals)}, None)

    def _open(self, numbers: dict[bytes, int], older: "Literals | None") -> None:
        self.numbers: Mapping[bytes, int] = numbers
        self.first: int = older.first if older else len(numbers)
        first = older.databases[:1] if older else _compiled(numbers)
        added = {literal: number for literal, number in numbers.items() if number >= self.first}
        self.databases: tuple[hyperscan.Database, ...] = (*first, *_compiled(added))

    def scan(self, text: bytes) -> list[int]:
        """The numbers of the literals in a text, each once, in no order. O(bytes)."""
        seen: list[int] = []
        for database in self.databases:
            database.scan(text, match_event_handler=_collect, context=seen)
        return seen


def _compiled(numbers: Mapping[bytes, int]) -> tuple[hyperscan.Database, ...]:
    """A database, or none for no literals."""
    if not numbers:
        return ()
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[b"".join(b"\\x%02x" % byte for byte in literal) for literal in numbers],
        flags=[_FLAGS] * len(numbers),
        ids=list(numbers.values()),
        elements=len(numbers),
    )
    give_back()  # compiling a thousand literals needs 20 MB
    return (database,)


def _collect(literal: int, _start: int, _end: int, _flags: int, seen: Any) -> None:
    seen.append(literal)
