"""The state of one family's counters on one lane: arrays, and the bytes they come to when stored.

Stored form: 4 bytes magic, 4 bytes length of the header, the header as JSON, 16 bytes BLAKE2b of everything else, then
every column in turn, transposed byte by byte and compressed with Zstandard. The key of the hash is stored too: bits in
the sketches are places of hashes. Whoever can read the state of a lane can read all its events anyhow.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from propolis.detection.behaviours.keyed import table
from propolis.detection.behaviours.keyed.catalogue import Family
from propolis.detection.behaviours.keyed.judge import standings
from propolis.errors import CodecError

VERSION = 1
MAGIC = b"PPCS"

MAX_KEYS = 1 << 24
"""No state names more keys than this."""
MAX_BYTES = 1 << 33
"""No state is larger than this when decompressed."""

_DIGEST = 16
_WORD = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Layout(msgspec.Struct, frozen=True):
    """What a state's arrays mean: the rules behind its bits, the length of a window, and room for how many keys."""

    rules: tuple[str, ...]
    window_seconds: int
    max_keys: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    family: str
    rules: tuple[str, ...]
    window_seconds: int
    key: tuple[_WORD, _WORD]
    count: Annotated[int, Meta(ge=0, le=MAX_KEYS)]
    hand: _WORD
    evicted: _WORD
    size: Annotated[int, Meta(ge=0, le=MAX_BYTES)]
    columns: tuple[str, ...]


class State:
    """Everything an engine of counters knows between two batches. Stepped in place."""

    __slots__ = ("columns", "family", "keys", "layout", "standings")

    def __init__(self, family: Family, layout: Layout, key: tuple[int, int]) -> None:
        self.family = family
        self.layout = layout
        self.keys = table.table(layout.max_keys, key)
        self.standings = standings(layout.max_keys, len(family.counters))
        self.columns = tuple(counter.columns(layout.max_keys) for counter in family.counters)

    @property
    def count(self) -> int:
        """How many keys are tracked."""
        return int(self.keys.ends[table.SIZE])

    @property
    def evicted(self) -> int:
        """How many keys had to be forgotten for want of room, ever."""
        return int(self.keys.ends[table.EVICTED])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for _, array in self._arrays()) + self.keys.places.nbytes

    def to_bytes(self) -> bytes:
        """The state as bytes. O(keys)."""
        count = self.count
        raw = b"".join(_shuffle(array[:count]) for _, array in self._arrays())
        body = pa.compress(raw, codec="zstd", asbytes=True)
        header = msgspec.json.encode(
            _Header(
                version=VERSION,
                family=self.family.name,
                rules=self.layout.rules,
                window_seconds=self.layout.window_seconds,
                key=(int(self.keys.key[0]), int(self.keys.key[1])),
                count=count,
                hand=int(self.keys.ends[table.HAND]),
                evicted=self.evicted,
                size=len(raw),
                columns=self._names(),
            )
        )
        return b"".join((MAGIC, len(header).to_bytes(4, "little"), header, _digest(header, body), body))

    @classmethod
    def from_bytes(cls, data: bytes, family: Family, layout: Layout) -> "State":
        """What :meth:`to_bytes` wrote; of more keys than there is room for, those seen latest.

        With other rules than it was written with, what was reported is forgotten: it may be said again, under the id
        that it had. Raises :class:`~propolis.errors.CodecError` for anything else, and for windows of another length.
        """
        header, body = _open(data)
        state = cls(family, layout, header.key)
        if (header.family, header.window_seconds, header.columns) != (
            family.name,
            layout.window_seconds,
            state._names(),
        ):
            raise _error("header", "describes counters or windows of another kind")
        try:
            raw = pa.decompress(body, header.size, codec="zstd", asbytes=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _error("columns", f"cannot be decompressed ({error})") from error
        state._read(raw, header)
        return state

    def _read(self, raw: bytes, header: _Header) -> None:
        arrays, start, whole = list(self._arrays()), 0, {}
        for name, array in arrays:
            width = array.nbytes // len(array)
            part = np.frombuffer(raw, np.uint8, -1)[start : start + width * header.count]
            start += width * header.count
            if len(part) < width * header.count:
                raise _error("columns", "end too early")
            flat = part.reshape(width, header.count).T.copy()
            whole[name] = flat.view(array.dtype).reshape(header.count, *array.shape[1:])
        if start != len(raw):
            raise _error("columns", "hold more than they should")
        kept = np.arange(header.count)
        if header.count > self.layout.max_keys:
            kept = np.sort(np.argsort(whole["entries"]["seen"], kind="stable")[-self.layout.max_keys :])
        for name, array in arrays:
            array[: len(kept)] = whole[name][kept]
        if not table.fill(self.keys, whole["entries"][kept]):
            raise _error("entries", "hold one key twice")
        if header.rules != self.layout.rules:
            self.standings.reported[:] = 0
        self.keys.ends[table.HAND] = header.hand if header.hand < self.layout.max_keys else 0
        self.keys.ends[table.EVICTED] = header.evicted

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every column that is stored; the index is made anew."""
        yield "entries", self.keys.entries
        for name, array in self.standings._asdict().items():
            yield name, array
        for counter, columns in zip(self.family.counters, self.columns, strict=True):
            for name, array in columns.items():
                yield f"{counter.name}.{name}", array

    def _names(self) -> tuple[str, ...]:
        return tuple(f"{name}:{array.dtype}{list(array.shape[1:])}" for name, array in self._arrays())


def _shuffle(column: NDArray[Any]) -> bytes:
    count = len(column)
    flat = np.ascontiguousarray(column).view(np.uint8).reshape(count, -1 if count else 1)
    return flat.T.tobytes()


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
    return CodecError("state of counters", where, why)
