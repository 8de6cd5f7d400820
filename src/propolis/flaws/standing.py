"""What a process says of its lures, or of its rules, in its heartbeat, and how others read it."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

FIGURE = "flaws"
"""Its name among a heartbeat's figures."""
RULES = "rules"
"""The same for what a detector says of its rules."""
MAX_REFUSED = 16
"""Refusals a heartbeat repeats; the latest."""
MAX_HITS = 200
"""Lures whose hits a heartbeat repeats; the most hit."""
MAX_WHY = 300
"""Characters of a refusal that a heartbeat repeats."""


class Played(msgspec.Struct, frozen=True):
    """What one port pretends to be: its web server, and the products that answer."""

    port: int
    server: str
    products: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """``live`` lures, of which ``pushed`` came over the stream, up to its message ``sequence``.

    ``refused`` says why by id; ``hits`` counts by id the requests that were recognised since the process began. A
    sensor also says what it plays, and when (UTC nanoseconds) it next plays something else.
    """

    live: int = 0
    pushed: int = 0
    sequence: int = 0
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    hits: dict[str, int] = msgspec.field(default_factory=dict)
    cast: tuple[Played, ...] = ()
    rotates: int = 0

    def figure(self, name: str = FIGURE) -> dict[str, Any]:
        """Itself as a heartbeat's figure."""
        return {name: msgspec.to_builtins(self)}


class Refusals:
    """The latest refusals, :data:`MAX_REFUSED` at most, by id."""

    def __init__(self) -> None:
        self._why: OrderedDict[str, str] = OrderedDict()

    def refuse(self, name: str, why: str) -> None:
        """This id was refused now."""
        self.lift(name)
        self._why[name] = why[:MAX_WHY]
        if len(self._why) > MAX_REFUSED:
            self._why.popitem(last=False)

    def lift(self, name: str) -> None:
        """A version of this id is live after all."""
        self._why.pop(name, None)

    def as_dict(self) -> dict[str, str]:
        """Why, by id, the latest last."""
        return dict(self._why)


def standing_of(figures: Mapping[str, Any], name: str = FIGURE) -> Standing | None:
    """What a heartbeat's figures say of lures; None if they say nothing, or nothing that can be understood."""
    try:
        return msgspec.convert(figures.get(name), Standing)
    except (msgspec.ValidationError, RecursionError):
        return None


def most_hit(hits: Mapping[str, int]) -> dict[str, int]:
    """The :data:`MAX_HITS` with the most hits, the first in front. O(n log n)."""
    most = sorted(hits.items(), key=lambda hit: (-hit[1], hit[0]))
    return dict(most[:MAX_HITS])
