"""What one source was told and what it did: the memory that makes a lure's later answers agree with its earlier ones.

A source has values (issued by us, or extracted from its requests) and steps taken, both by flaw, and files it uploaded.
Everything has a limit; the source that was idle longest is forgotten first.
"""

from collections import OrderedDict
from collections.abc import KeysView, Mapping

from propolis.clock import SECOND

MAX_SOURCES = 10_000
MAX_SESSION_BYTES = 1_048_576
"""What one source may make us remember: names, values, paths and uploads together."""
MAX_BYTES = 268_435_456
"""What all sources may."""
MAX_FLAWS = 512
"""Flaws that one source may have a memory in."""
MAX_VALUES = 32
"""Values per flaw."""
MAX_UPLOADS = 64
IDLE = 3_600 * SECOND
"""A source that was silent for so long (ns) is forgotten."""

_NOTHING: Mapping[str, bytes] = {}
_UNTAKEN: dict[str, int] = {}


class _Room:
    """How many bytes some sessions hold together."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


class Session:
    """The memory of one source. ``size`` is what it holds, in bytes; ``room`` what it holds together with others."""

    __slots__ = ("_room", "_serial", "_steps", "_uploads", "_values", "size")

    def __init__(self, room: _Room | None = None) -> None:
        self._room = room or _Room()
        self._values: dict[str, dict[str, bytes]] = {}
        self._steps: dict[str, dict[str, int]] = {}
        self._uploads: dict[bytes, bytes] = {}
        self._serial = 0
        self.size = 0

    def known(self, flaw: str) -> Mapping[str, bytes]:
        """The values of a flaw, by name."""
        return self._values.get(flaw, _NOTHING)

    def remember(self, flaw: str, name: str, value: bytes) -> bool:
        """Keep a value, in the place of an older one of this name; ``False`` if a limit forbids it."""
        values = self._values.get(flaw, {})
        old = values.get(name)
        grown = len(value) - len(old) if old is not None else len(name) + len(value)
        if (old is None and len(values) >= MAX_VALUES) or not self._has_room(flaw, self._values, grown):
            return False
        self._values.setdefault(flaw, {})[name] = value
        self._grow(grown)
        return True

    def taken(self, flaw: str) -> KeysView[str]:
        """The steps of a flaw that this source has taken."""
        return self._steps.get(flaw, _UNTAKEN).keys()

    def remembers(self, flaws: frozenset[str]) -> bool:
        """Whether there is a memory of any of these flaws."""
        if not self._steps and not self._values:
            return False
        return not (self._steps.keys().isdisjoint(flaws) and self._values.keys().isdisjoint(flaws))

    def last_taken(self, flaw: str, step: str) -> int:
        """When a step was last taken, as a count that grows with every step of this source; 0 for never."""
        steps = self._steps.get(flaw)
        return steps.get(step, 0) if steps else 0

    def take(self, flaw: str, step: str) -> bool:
        """Note that the source has taken a step; ``False`` if a limit forbids it."""
        grown = 0 if step in self._steps.get(flaw, {}) else len(step)
        if not self._has_room(flaw, self._steps, grown):
            return False
        self._serial += 1
        self._steps.setdefault(flaw, {})[step] = self._serial
        self._grow(grown)
        return True

    def upload(self, path: bytes, content: bytes) -> bool:
        """Keep what was uploaded to a path; ``False`` if a limit forbids it."""
        old = self._uploads.get(path)
        grown = len(content) - len(old) if old is not None else len(path) + len(content)
        if self.size + grown > MAX_SESSION_BYTES or (old is None and len(self._uploads) >= MAX_UPLOADS):
            return False
        self._uploads[path] = content
        self._grow(grown)
        return True

    def uploaded(self, path: bytes) -> bytes | None:
        """What this source uploaded to a path."""
        return self._uploads.get(path)

    @property
    def uploads(self) -> Mapping[bytes, bytes]:
        """Everything this source uploaded, by path, oldest first."""
        return self._uploads

    def leave(self) -> None:
        """From now on, count only for itself: it was forgotten, but somebody may still be answering from it."""
        self._room.used -= self.size
        self._room = _Room()

    def _grow(self, grown: int) -> None:
        self.size += grown
        self._room.used += grown

    def _has_room(self, flaw: str, memory: Mapping[str, object], grown: int) -> bool:
        is_new = flaw not in memory
        return self.size + grown <= MAX_SESSION_BYTES and not (is_new and len(memory) >= MAX_FLAWS)


class Sessions:
    """The sessions of all sources. ``forgotten`` counts those that had to make room for others."""

    def __init__(self, max_sources: int = MAX_SOURCES, max_bytes: int = MAX_BYTES, idle: int = IDLE) -> None:
        self._max_sources = max_sources
        self._max_bytes = max_bytes
        self._idle = idle
        self._sessions: OrderedDict[bytes, tuple[int, Session]] = OrderedDict()
        self._room = _Room()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, source: bytes, now: int) -> Session:
        """The session of a source (its address, or whatever tells sources apart) at this time (ns). O(1) amortised."""
        self._expire(now)
        known = self._sessions.pop(source, None)
        session = known[1] if known else Session(self._room)
        while self._sessions and (
            len(self._sessions) >= self._max_sources or self._room.used > self._max_bytes
        ):
            self._forget_oldest()
            self.forgotten += 1
        self._sessions[source] = (now, session)
        return session

    def peek(self, source: bytes, now: int) -> Session:
        """The session of a source at this time (ns), untouched; a blank that is not kept if there is none."""
        known = self._sessions.get(source)
        return known[1] if known is not None and known[0] > now - self._idle else _BLANK

    def _expire(self, now: int) -> None:
        while self._sessions and next(iter(self._sessions.values()))[0] <= now - self._idle:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, (_, session) = self._sessions.popitem(last=False)
        session.leave()


_BLANK = Session()
"""The memory of a source that has none; whoever adds to a memory asks for one of its own."""
