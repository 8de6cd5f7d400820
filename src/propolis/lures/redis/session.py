"""What one connection knows: its data, its settings, and what it has said of itself."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, TypeVar

from propolis.lures.lure import Visit
from propolis.lures.redis.instance import Instance, instance
from propolis.lures.redis.keyspace import Fields, Keyspace, Members, Scores, Stored
from propolis.lures.redis.wire import Protocol, Value, integer

DATABASES = 16
MEMORY_BYTES = 1_048_576
"""How much a connection may write, in all, until it flushes; a word costs :data:`WORD_BYTES` more than its length."""
WORD_BYTES = 256
EFFORT_MAX = 50_000_000
"""How many bytes the commands of one connection may look through, patterns and sorting counted; then it ends."""
GLOB_BYTES = 256
"""A longer pattern matches nothing."""
CHANNELS_MAX = 1_000
CHANNEL_BYTES = 1_024
"""How many channels a connection may listen to, and how long their names may be."""

_SORTING = 40
"""What it costs to sort one member, in bytes looked through."""

_Kind = TypeVar("_Kind", bound=Stored)

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR value is not a valid float"
SYNTAX = "ERR syntax error"
NO_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."


class Refused(Exception):  # noqa: N818 - a command's answer, not a fault of ours
    """A command was answered with this error, its code included."""


class Session:
    """State of one conversation. Data belongs to the connection: no visitor sees another's."""

    __slots__ = (
        "calls",
        "changes",
        "channels",
        "client_id",
        "client_name",
        "database",
        "effort",
        "errors",
        "instance",
        "is_authenticated",
        "is_dirty",
        "is_executing",
        "is_monitoring",
        "is_muted",
        "is_over",
        "is_skipping",
        "keyspaces",
        "master",
        "opened",
        "protocol",
        "query_bytes",
        "queue",
        "run",
        "saved",
        "scripts",
        "settings",
        "visit",
        "written",
    )

    def __init__(self, visit: Visit, run: "Handler") -> None:
        self.visit = visit
        self.instance: Instance = instance(visit.persona, visit.seed, visit.machine)
        self.protocol: Protocol = 2
        self.opened = visit.clock.now()
        self.client_id = self.instance.next_client(self.opened)
        self.client_name = b""
        self.is_authenticated = True
        self.database = 0
        self.keyspaces: dict[int, Keyspace] = {}
        self.settings: dict[str, str] = {}
        self.scripts: dict[bytes, bytes] = {}
        self.master: tuple[bytes, int] | None = None
        self.channels: dict[bytes, bytes] = {}
        self.queue: list[list[bytes]] | None = None
        self.is_dirty = False
        self.is_executing = False
        self.is_over = False
        self.is_muted = False
        self.is_skipping = False
        self.is_monitoring = False
        self.saved = 0
        self.written = 0
        self.effort = 0
        self.changes = 0
        self.query_bytes = 0
        self.calls: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.run: Handler = run

    @property
    def keys(self) -> Keyspace:
        """The selected database."""
        if self.database not in self.keyspaces:
            self.keyspaces[self.database] = Keyspace(self.visit.clock)
        return self.keyspaces[self.database]

    def charge(self, cost: int) -> None:
        """Account for a write of ``cost`` bytes before it is done. Raises :class:`Refused` if there is no room."""
        if self.written + cost > MEMORY_BYTES:
            raise Refused(NO_MEMORY)
        self.written += cost

    def exert(self, effort: int) -> None:
        """Account for work before it is done. Ends the connection and raises :class:`Refused` if it was too much."""
        self.effort += effort
        if self.effort > EFFORT_MAX:
            self.is_over = True
            raise Refused(NO_MEMORY)

    def setting(self, name: str) -> str:
        """A setting as it stands on this connection."""
        own = self.settings.get(canonical(name)) if self.settings else None
        return self.instance.table.persona.config[name].value if own is None else own

    def find(self, key: bytes, kind: type[_Kind]) -> _Kind | None:
        """The value of ``key`` if it is of that kind, ``None`` if there is none. Raises :class:`Refused` otherwise."""
        value = self.keys.get(key)
        if value is None or type(value) is kind:
            return value
        raise Refused(WRONG_TYPE)

    def members(self, key: bytes) -> Members:
        """The set at ``key``, a new one if there is none."""
        return self.find(key, Members) or Members()

    def scores(self, key: bytes) -> Scores:
        """The sorted set at ``key``, a new one if there is none."""
        return self.find(key, Scores) or Scores()

    def ranked(self, key: bytes) -> list[tuple[bytes, float]]:
        """The sorted set at ``key`` in order."""
        scores = self.scores(key)
        self.exert(_SORTING * len(scores))
        return scores.ranked()

    def fields(self, key: bytes) -> Fields:
        """The hash at ``key``, a new one if there is none."""
        return self.find(key, Fields) or Fields()


def canonical(name: str) -> str:
    """The present name of a setting that had another in older versions."""
    return name.replace("slave", "replica").replace("ziplist", "listpack")


Handler: TypeAlias = Callable[[Session, list[bytes]], Value]
"""A command: all of its words in, an answer out. Raises :class:`Refused` for an error."""


def number_of(word: bytes, complaint: str = NOT_AN_INTEGER) -> int:
    """A word that must be a signed 64-bit integer."""
    value = integer(word)
    if value is None:
        raise Refused(complaint)
    return value


def float_of(word: bytes, complaint: str = NOT_A_FLOAT) -> float:
    """A word that must be a double, ``inf`` included."""
    if not _FLOAT.fullmatch(word):
        raise Refused(complaint)
    return float(word)


_FLOAT = re.compile(
    rb"(?i)[+-]?(?:\d{1,64}(?:\.\d{0,64})?(?:e[+-]?\d{1,4})?|\.\d{1,64}(?:e[+-]?\d{1,4})?|inf(?:inity)?)"
)


def whole_range(start: int, stop: int, length: int) -> tuple[int, int]:
    """``start`` and ``stop`` (inclusive, negative from the end) as a half-open range of ``length`` items."""
    start = max(start + length, 0) if start < 0 else start
    stop = stop + length if stop < 0 else stop
    return start, max(min(stop + 1, length), start)


@lru_cache(maxsize=256)
def glob(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern as ``KEYS`` and ``CONFIG GET`` know it, matched in O(pattern · text): stars do not backtrack."""
    if len(pattern) > GLOB_BYTES:
        return _NOTHING
    # the parts between stars may each match as early as they can, but for the last, which must reach the end
    parts = (
        _STARS.sub(b"*", pattern).split(b"*")
        if b"\\" not in pattern and b"[" not in pattern
        else _parts(pattern)
    )
    first, *rest = [_part(part) for part in parts]
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = b"".join([b"(?>.*?" + part + b")" for part in rest[:-1] if part])
    return re.compile(first + middle + b".*" + rest[-1], re.DOTALL)


_NOTHING = re.compile(rb"(?!)")
_STARS = re.compile(rb"\*+")
_TOKEN = re.compile(rb"\\.|\[\^?(?:\\.|[^\]\\])*\]?|.", re.DOTALL)


def _parts(pattern: bytes) -> list[bytes]:
    parts = [b""]
    for token in _TOKEN.findall(pattern):
        if token == b"*":
            parts.append(b"")
        else:
            parts[-1] += token
    return parts


def _part(part: bytes) -> bytes:
    return b"".join([_token(token) for token in _TOKEN.findall(part)])


def _token(token: bytes) -> bytes:
    if token == b"?":
        return b"."
    if token[:1] == b"\\" and len(token) == 2:
        return re.escape(token[1:])
    if token[:1] != b"[":
        return re.escape(token)
    inner = token[1:].removesuffix(b"]")
    is_negated, inner = inner.startswith(b"^"), inner.removeprefix(b"^")
    ranges = [
        b"%b-%b" % tuple(map(re.escape, sorted((one[:1], one[2:]))))
        if len(one) == 3
        else re.escape(one.removeprefix(b"\\") or one)
        for one in re.findall(rb"[^\\]-[^\\]|\\.|.", inner, re.DOTALL)
    ]
    if not ranges:
        return b"." if is_negated else b"(?!)"
    return b"[%b%b]" % (b"^" if is_negated else b"", b"".join(ranges))
