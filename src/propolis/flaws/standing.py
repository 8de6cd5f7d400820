"""What a process says of its lures in its heartbeat, and how others read it."""

from collections.abc import Mapping
from typing import Any

import msgspec

FIGURE = "flaws"
"""Its name among a heartbeat's figures."""
MAX_REFUSED = 16
"""Refusals a heartbeat repeats; the latest."""
MAX_HITS = 200
"""Lures whose hits a heartbeat repeats; the most hit."""


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

    def figure(self) -> dict[str, Any]:
        """Itself as a heartbeat's figure."""
        return {FIGURE: msgspec.to_builtins(self)}


def standing_of(figures: Mapping[str, Any]) -> Standing | None:
    """What a heartbeat's figures say of lures; None if they say nothing, or nothing that can be understood."""
    try:
        return msgspec.convert(figures.get(FIGURE), Standing)
    except (msgspec.ValidationError, RecursionError):
        return None


def most_hit(hits: Mapping[str, int]) -> dict[str, int]:
    """The :data:`MAX_HITS` with the most hits, the first in front. O(n log n)."""
    most = sorted(hits.items(), key=lambda hit: (-hit[1], hit[0]))
    return dict(most[:MAX_HITS])
