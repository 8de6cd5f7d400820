"""The state of one lane's detection: arrays, and the few bytes they come to when stored.

Stored form: 4 bytes magic, 4 bytes length of the header, the header as JSON, 16 bytes BLAKE2b of everything else, then
every column in turn, sources in order of silence, transposed byte by byte and compressed with Zstandard. Version 1
lacks what was told of flaws, and is read.
"""

import hashlib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from propolis.detection import sources, trail
from propolis.detection.behaviours import BEHAVIOURS
from propolis.detection.reported import words
from propolis.detection.told import MAX_ANSWERED, MAX_TOLD, Told
from propolis.errors import CodecError

if TYPE_CHECKING:
    from propolis.detection.engine import Engine

VERSION = 2
MAGIC = b"PPDS"

MAX_SOURCES = 1 << 24
"""No state names more sources than this."""

MAX_BYTES = 1 << 31
"""No state is larger than this when decompressed."""

_FAR = 1 << 62
_DIGEST = 16
_MILLISECOND = 1_000_000


class Layout(msgspec.Struct, frozen=True):
    """What a state's arrays mean: the rules behind its bits, the length of a window, and room for how many sources."""

    rules: tuple[str, ...]
    window_seconds: int
    max_sources: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    rules: tuple[str, ...]
    window_seconds: int
    count: Annotated[int, Meta(ge=0, le=MAX_SOURCES)]
    newest: Annotated[int, Meta(ge=-_FAR, le=_FAR)]
    evicted: Annotated[int, Meta(ge=0, le=_FAR)]
    size: Annotated[int, Meta(ge=0, le=MAX_BYTES)]
    columns: tuple[str, ...]
    claims: Annotated[int, Meta(ge=0, le=MAX_TOLD)] = 0
    answered: Annotated[int, Meta(ge=0, le=MAX_ANSWERED)] = 0


class State:
    """Everything :class:`~propolis.detection.engine.Engine` knows between two batches. Stepped in place."""

    __slots__ = ("columns", "firsts", "layout", "newest", "reported", "sources", "told")

    def __init__(self, layout: Layout, key: tuple[int, int]) -> None:
        capacity = layout.max_sources
        self.layout = layout
        self.sources = sources.table(capacity, key)
        self.reported = np.zeros((capacity, words(len(layout.rules))), np.uint64)
        self.columns = tuple(behaviour.columns(capacity) for behaviour in BEHAVIOURS)
        self.firsts = tuple(trail.firsts(capacity) for _ in BEHAVIOURS)
        self.told = Told()
        self.newest = 0

    @property
    def count(self) -> int:
        """How many sources are tracked."""
        return int(self.sources.ends[sources.SIZE])

    @property
    def evicted(self) -> int:
        """How many sources had to be forgotten for want of room, ever."""
        return int(self.sources.ends[sources.EVICTED])

    def adopt(self, layout: Layout) -> None:
        """Go on under other rules: what was reported by those that stay is known still. O(sources)."""
        order = sources.in_order(self.sources)
        reported = np.zeros((layout.max_sources, words(len(layout.rules))), np.uint64)
        reported[order] = _translate(self.reported[order], self.layout.rules, layout.rules)
        self.layout, self.reported = layout, reported

    def expire(self, newest: int) -> None:
        """Forget the sources whose window is over for good, given the newest window of a batch.

        The newest of the batch before must agree, so that one host with a wrong clock does not empty the table.
        """
        if newest != self.newest:
            before = min(newest, self.newest) - 1
            sources.forget(self.sources, before)
            self.told.expire(before)
            self.newest = newest

    def to_bytes(self) -> bytes:
        """The state as bytes: about 20 for an IPv4 source that opened one connection. O(sources)."""
        order = sources.in_order(self.sources)
        parts = [
            _shuffle(self.sources.address[order]),
            _shuffle(self.sources.window[order] - self.newest),
            _shuffle(self.reported[order]),
        ]
        for behaviour, columns, firsts in zip(BEHAVIOURS, self.columns, self.firsts, strict=True):
            parts += [_shuffle(column[order]) for column in columns.values()]
            parts += _pack(firsts, order[behaviour.held(columns)[order] > 0])
        parts += map(_shuffle, self.told.columns(self.newest))
        raw = b"".join(parts)
        body = pa.compress(raw, codec="zstd", asbytes=True)
        header = msgspec.json.encode(
            _Header(
                version=VERSION,
                rules=self.layout.rules,
                window_seconds=self.layout.window_seconds,
                count=len(order),
                newest=self.newest,
                evicted=self.evicted,
                size=len(raw),
                columns=_column_names(),
                claims=len(self.told.claims),
                answered=len(self.told.answered),
            )
        )
        return b"".join((MAGIC, len(header).to_bytes(4, "little"), header, _digest(header, body), body))

    @classmethod
    def from_bytes(cls, data: bytes, engine: "Engine") -> "State":
        """What :meth:`to_bytes` wrote, for this engine's rules; of more sources than there is room for, the latest.

        Raises :class:`~propolis.errors.CodecError` for anything else, and for windows of another length.
        """
        header, body = _open(data)
        if header.window_seconds != engine.layout.window_seconds:
            raise _error(
                "window_seconds", f"is {header.window_seconds}, here it is {engine.layout.window_seconds}"
            )
        if header.columns != _column_names():
            raise _error("columns", "are those of other behaviours")
        try:
            reader = _Reader(pa.decompress(body, decompressed_size=header.size, codec="zstd", asbytes=True))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _error("columns", f"cannot be decompressed ({error})") from error
        state = engine.fresh()
        state.newest = header.newest
        state.sources.ends[sources.EVICTED] = header.evicted
        _read(state, reader, header)
        return state


class _Reader:
    """Columns one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, kind: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """The next column."""
        width = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(kind).itemsize
        end = self._at + shape[0] * width
        if end > len(self._raw):
            raise _error("columns", "end too early")
        flat = np.frombuffer(self._raw, np.uint8)[self._at : end].reshape(width, shape[0]).T
        self._at = end
        column: NDArray[Any] = flat.copy().view(kind).reshape(shape)
        return column

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._raw):
            raise _error("columns", "hold more than they should")


def _read(state: State, reader: _Reader, header: _Header) -> None:
    count = header.count
    skip = max(0, count - state.layout.max_sources)
    slots = np.arange(count - skip)
    address = reader.take(np.uint64, (count, 2))[skip:]
    window = reader.take(np.int64, (count,))[skip:] + header.newest
    if not sources.fill(state.sources, address, window):
        raise _error("addresses", "hold one source twice")
    stored = reader.take(np.uint64, (count, words(len(header.rules))))[skip:]
    state.reported[slots] = _translate(stored, header.rules, state.layout.rules)
    for behaviour, columns, firsts in zip(BEHAVIOURS, state.columns, state.firsts, strict=True):
        whole = {
            name: reader.take(column.dtype, (count, *column.shape[1:])) for name, column in columns.items()
        }
        for name, column in columns.items():
            column[slots] = whole[name][skip:]
        held = behaviour.held(whole)
        if held.max(initial=0) > behaviour.most:
            raise _error(behaviour.name, f"counts more than {behaviour.most}")
        living = np.flatnonzero(held > 0)
        kept = living >= skip
        targets: tuple[NDArray[Any], ...] = firsts
        for target, values in zip(targets, _unpack(reader, len(living)), strict=True):
            target[living[kept] - skip] = values[kept]
    claims = [reader.take(kind, (header.claims,)) for kind in (np.uint64, np.int64)]
    given = [reader.take(np.uint64, (header.answered, 2)) for _ in range(2)]
    places = [reader.take(np.int64, (header.answered,)) for _ in range(3)]
    state.told = Told.of([*claims, *given, *places], header.newest)
    reader.end()


def _column_names() -> tuple[str, ...]:
    return tuple(
        f"{behaviour.name}.{name}:{column.dtype}{list(column.shape[1:])}"
        for behaviour in BEHAVIOURS
        for name, column in behaviour.columns(1).items()
    )


def _pack(firsts: trail.Firsts, slots: NDArray[np.int32]) -> list[bytes]:
    """The columns of these slots as small differences: an event's id holds its time, one source follows another."""
    time, opened, sequence = firsts.time[slots], firsts.opened[slots], firsts.sequence[slots]
    identity = firsts.id[slots].copy()
    identity[:, 0] ^= _time_word(time)
    gaps = np.diff(time, prepend=np.int64(0)), time - opened, np.diff(sequence, prepend=np.int64(0))
    return [_shuffle(column) for column in (identity, *gaps, firsts.row[slots])]


def _unpack(reader: _Reader, count: int) -> tuple[NDArray[Any], ...]:
    identity = reader.take(np.uint64, (count, 2))
    time = np.cumsum(reader.take(np.int64, (count,)))
    opened = time - reader.take(np.int64, (count,))
    sequence = np.cumsum(reader.take(np.int64, (count,)))
    identity[:, 0] ^= _time_word(time)
    return identity, time, opened, sequence, reader.take(np.uint32, (count,))


def _time_word(time: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The first word of an event id that is all time: 48 bits of milliseconds, most significant byte first."""
    return ((time // _MILLISECOND).astype(np.uint64) << np.uint64(16)).byteswap()


def _translate(stored: NDArray[np.uint64], old: tuple[str, ...], new: tuple[str, ...]) -> NDArray[np.uint64]:
    """The same bits where the rules' numbers have changed; a rule that is gone takes its bit along."""
    if old == new:
        return stored
    reported = np.zeros((len(stored), words(len(new))), np.uint64)
    numbers = {name: number for number, name in enumerate(new)}
    for number, name in enumerate(old):
        if name in numbers:
            bit = stored[:, number // 64] >> np.uint64(number % 64) & np.uint64(1)
            reported[:, numbers[name] // 64] |= bit << np.uint64(numbers[name] % 64)
    return reported


def _shuffle(column: NDArray[Any]) -> bytes:
    count = len(column)
    return np.ascontiguousarray(column).view(np.uint8).reshape(count, -1 if count else 1).T.tobytes()


def _open(data: bytes) -> tuple[_Header, bytes]:
    end = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] != MAGIC or len(data) < end + _DIGEST:
        raise _error(f"{len(data)} bytes", "do not begin as a state does")
    header, digest, body = data[8:end], data[end : end + _DIGEST], data[end + _DIGEST :]
    if digest != _digest(header, body):
        raise _error(f"{len(data)} bytes", "are damaged")
    try:
        opened = msgspec.json.decode(header, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _error("header", str(error)) from error
    if opened.version > VERSION:
        raise _error("version", f"is {opened.version}, newer than {VERSION}: update this host")
    return opened, body


def _digest(header: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(header + body, digest_size=_DIGEST).digest()


def _error(where: str, why: str) -> CodecError:
    return CodecError("detection state", where, why)
