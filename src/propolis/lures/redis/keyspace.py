"""One connection's data: keys, values of the five simple types, and when they expire.

Nothing here is bounded: the session charges every write before it is done.
"""

from typing import TypeAlias

from propolis.clock import MILLISECOND, Clock


class Members(dict[bytes, None]):
    """A set, in the order of insertion."""

    __slots__ = ()


class Scores(dict[bytes, float]):
    """A sorted set: members and their scores."""

    __slots__ = ()

    def ranked(self) -> list[tuple[bytes, float]]:
        """Members by score, then by name. O(n log n)."""
        return sorted(self.items(), key=lambda pair: (pair[1], pair[0]))


class Fields(dict[bytes, bytes]):
    """A hash."""

    __slots__ = ()


Stored: TypeAlias = bytes | list[bytes] | Members | Scores | Fields

NAMES: dict[type[Stored], str] = {
    bytes: "string",
    list: "list",
    Members: "set",
    Scores: "zset",
    Fields: "hash",
}
"""The types as ``TYPE`` says them."""


class Keyspace:
    """One database. Keys whose time has come are gone before anybody looks."""

    __slots__ = ("_clock", "_expiries", "_values")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[bytes, Stored] = {}
        self._expiries: dict[bytes, int] = {}

    def now(self) -> int:
        """UTC milliseconds, the unit of expiry."""
        return self._clock.now() // MILLISECOND

    def get(self, key: bytes) -> Stored | None:
        """The value, or ``None``."""
        until = self._expiries.get(key)
        if until is not None and until <= self.now():
            self.remove(key)
        return self._values.get(key)

    def put(self, key: bytes, value: Stored, *, keep_expiry: bool = True) -> None:
        """Store a value; an empty list, set or hash removes its key."""
        if not keep_expiry:
            self._expiries.pop(key, None)
        if value or isinstance(value, bytes):
            self._values[key] = value
        else:
            self.remove(key)

    def remove(self, key: bytes) -> bool:
        """Remove a key; whether it was there."""
        self._expiries.pop(key, None)
        return self._values.pop(key, None) is not None

    def keys(self) -> list[bytes]:
        """All keys that live, in the order they were set."""
        return [key for key in list(self._values) if self.get(key) is not None]

    def expiry(self, key: bytes) -> int | None:
        """When the key expires, UTC milliseconds; ``None`` if it stays."""
        return self._expiries.get(key)

    def expire(self, key: bytes, until: int | None) -> None:
        """Let a key expire at ``until`` UTC milliseconds, at once if that is past, or never if ``None``."""
        if until is None:
            self._expiries.pop(key, None)
        else:
            self._expiries[key] = until
            self.get(key)

    def expiring(self) -> list[int]:
        """The times at which keys expire."""
        return list(self._expiries.values())
