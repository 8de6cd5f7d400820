"""What a decoy saw, on disk before the attacker sees an answer, until the stream has it.

One append-only file a segment, records of a length, a CRC-32 and MessagePack. A record is rows, the mark that closes a
batch, the note that a batch is stored, or, at the beginning of a segment, the number of the last batch before it. After
a crash the batches are read back exactly as they were cut, under the ids they had, so the stream takes each once. The
page cache outlives a killed process: no sync is needed for that (a power failure may cost what the stream had not
acknowledged yet). On a full disk the journal fails, says so, and goes on when there is room.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from propolis.errors import PropolisError
from propolis.events import Interaction
from propolis.sensors.segment import Segment

SEGMENT_BYTES = 4 * 1024 * 1024
HEAD_BYTES = 8
"""Before each record: its length, and the CRC-32 of the whole with zeros in the place of the CRC; both big-endian."""
_HEAD = struct.Struct(">II")
_CLOSED = -1

Batch: TypeAlias = list[Interaction]


class JournalInUse(PropolisError):  # noqa: N818 - an operator's mistake, named as such
    """Another process writes this journal."""


class Began(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """A segment begins; the last batch so far had this number, which no later one may have again."""

    number: int


class Rows(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Rows in the order they happened."""

    rows: Batch


class Closed(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The rows since the last mark are the batch of this number."""

    number: int


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """The stream has this batch."""

    number: int


Record: TypeAlias = Began | Rows | Closed | Kept

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class Journal:
    """One worker's journal in ``folder`` (mode 0700), of at most ``max_bytes``.

    ``dropped`` counts batches that fell off its end before the stream had them; ``failing`` says why the disk takes
    nothing at present, and is empty while it does.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max(max_bytes, 2 * SEGMENT_BYTES)
        self._file: Segment | None = None
        self._lock = _CLOSED
        self._segment = 0
        self._size = 0
        self._sizes: dict[int, int] = {}
        self._unkept: dict[int, int] = {}
        self._buffer = bytearray(HEAD_BYTES)
        self._number = 0
        self._batch_began = 0
        self._is_torn = False
        self._is_open = False
        self.id = ""
        self.dropped = 0
        self.failing = ""

    def open(self) -> list[int]:
        """Make the folder, read what the last run left, begin a new segment.

        Returns the numbers of the batches that the stream may not have, oldest first; see :meth:`read`. Raises
        :class:`JournalInUse` while another process has it open.
        """
        self._is_open = True
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._folder, os.O_RDONLY)
            self.id = _identity(self._folder / "id")
        except OSError as error:
            self.failing = error.strerror or "cannot be opened"
            self.id = self.id or os.urandom(8).hex()
        self._claim()
        for path in sorted(self._folder.glob("[0-9]" * 12 + ".journal")):
            self._survey(path)
        self._segment = max(self._sizes, default=0) + 1
        self._begin()
        return sorted(self._unkept)

    def read(self, number: int) -> dict[int, Batch]:
        """The batch of this number, and all others of its segment that are still to be sent."""
        segment = self._unkept[number]
        try:
            data = self._path(segment).read_bytes()
        except OSError:
            return {}
        return {other: rows for other, rows in _batches(data) if other in self._unkept}

    def append(self, rows: Batch) -> int:
        """Write rows; returns when the kernel has them, how many bytes they are."""
        return self._write(Rows(rows))

    def close_batch(self) -> int:
        """Mark the rows since the last mark as one batch; returns its number.

        A batch is on disk as a whole or not at all (see :meth:`has`): what was written of one that failed is undone.
        """
        self._number += 1
        if not self._is_torn:
            self._write(Closed(self._number))
        if self._is_torn:
            self._cut(self._batch_began)
        else:
            self._unkept[self._number] = self._segment
        self._is_torn = False
        if self._size > SEGMENT_BYTES:
            self._roll()
        self._batch_began = self._size
        return self._number

    def kept(self, number: int) -> None:
        """The stream has this batch; segments that hold nothing else are removed."""
        if self._unkept.pop(number, None) is None:
            return
        self._write(Kept(number))
        self._remove_old()

    def drop(self, number: int) -> None:
        """Give a batch up that cannot be read back."""
        if self._unkept.pop(number, None) is not None:
            self.dropped += 1
            self._remove_old()

    def has(self, number: int) -> bool:
        """Whether this batch is on disk and still to be sent (it was neither kept nor dropped)."""
        return number in self._unkept

    @property
    def bytes_used(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values()) + self._size

    def close(self) -> None:
        """Close the file; what the stream has not is read back by the next :meth:`open`."""
        self._is_open = False
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock != _CLOSED:
            os.close(self._lock)
            self._lock = _CLOSED

    def _claim(self) -> None:
        if self._lock == _CLOSED:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise JournalInUse(
                f"{self._folder}: another sensor worker writes here; give this one another --worker or sensors.name"
            ) from error

    def _write(self, record: Record) -> int:
        """Append a record; how many bytes it is, whether the disk took it or not."""
        if self._file is None:
            self._begin()
        framed = self._buffer
        _ENCODER.encode_into(record, framed, HEAD_BYTES)
        _frame(framed)
        if self._file is None:
            self._is_torn = True
            return len(framed)
        try:
            self._file.write(framed)
        except OSError as error:
            self._fail(error)
        else:
            self.failing = ""
            self._size = self._file.size
        return len(framed)

    def _cut(self, size: int) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.cut(size)
            self._size = self._file.size

    def _begin(self) -> None:
        """Open the present segment, if the disk lets us; else the next write tries again."""
        if not self._is_open:
            return
        try:
            self._file = Segment(self._path(self._segment))
        except OSError as error:
            self._fail(error)
            return
        self._size = 0
        self._write(Began(self._number))
        self._batch_began = self._size

    def _fail(self, error: OSError) -> None:
        self._is_torn = True
        self.failing = error.strerror or "cannot be written"

    def _roll(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._sizes[self._segment] = self._size
        self._segment += 1
        self._size = 0
        self._begin()
        while sum(self._sizes.values()) > self._max_bytes - SEGMENT_BYTES:
            self._drop(min(self._sizes))

    def _drop(self, segment: int) -> None:
        lost = [number for number, where in self._unkept.items() if where <= segment]
        for number in lost:
            del self._unkept[number]
        self.dropped += len(lost)
        self._remove(segment)

    def _remove_old(self) -> None:
        oldest = min(self._unkept.values(), default=self._segment)
        for segment in [old for old in self._sizes if old < oldest]:
            self._remove(segment)

    def _remove(self, segment: int) -> None:
        self._sizes.pop(segment, None)
        with contextlib.suppress(OSError):
            self._path(segment).unlink(missing_ok=True)

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:012d}.journal"

    def _survey(self, path: Path) -> None:
        """Learn what a segment holds; cut a torn record off its end, and close a batch that a crash left open."""
        segment = int(path.stem)
        data = path.read_bytes()
        whole, is_open = 0, False
        for record, end in records(data):
            whole = end
            match record:
                case Began(number):
                    self._number = max(self._number, number)
                case Rows():
                    is_open = True
                case Closed(number):
                    is_open = False
                    self._unkept[number] = segment
                    self._number = max(self._number, number)
                case Kept(number):
                    self._unkept.pop(number, None)
                    self._number = max(self._number, number)
        mark = bytearray()
        if is_open:
            self._number += 1
            self._unkept[self._number] = segment
            mark = bytearray(HEAD_BYTES)
            _ENCODER.encode_into(Closed(self._number), mark, HEAD_BYTES)
            _frame(mark)
        if whole < len(data) or mark:
            self._mend(path, whole, mark)
        self._sizes[segment] = whole + len(mark)

    def _mend(self, path: Path, whole: int, mark: bytearray) -> None:
        try:
            os.truncate(path, whole)
            with path.open("ab") as file:
                file.write(mark)
        except OSError as error:
            self._fail(error)


def _identity(path: Path) -> str:
    """What tells this journal from all others, made at its first opening."""
    with contextlib.suppress(FileNotFoundError):
        if known := path.read_text(encoding="ascii").strip():
            return known
    fresh = path.with_suffix(".new")
    fresh.write_text(os.urandom(8).hex(), encoding="ascii")
    fresh.replace(path)
    return path.read_text(encoding="ascii")


def records(data: bytes) -> Iterator[tuple[Record, int]]:
    """Every whole record and where it ends; a damaged one ends the reading: what is behind it is not trusted."""
    offset = 0
    while offset + HEAD_BYTES <= len(data):
        length, check = _HEAD.unpack_from(data, offset)
        begin = offset + HEAD_BYTES
        end = begin + length
        if end > len(data):
            return
        record_bytes = data[begin:end]
        if zlib.crc32(record_bytes, zlib.crc32(_HEAD.pack(length, 0))) != check:
            return
        try:
            record = _DECODER.decode(record_bytes)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        yield record, end
        offset = end


def _batches(data: bytes) -> Iterator[tuple[int, Batch]]:
    rows: Batch = []
    for record, _ in records(data):
        match record:
            case Rows(more):
                rows.extend(more)
            case Closed(number):
                yield number, rows
                rows = []
            case _:
                pass


def _frame(framed: bytearray) -> None:
    """Write the head into the room before a record."""
    length = len(framed) - HEAD_BYTES
    _HEAD.pack_into(framed, 0, length, 0)
    _HEAD.pack_into(framed, 0, length, zlib.crc32(framed))
