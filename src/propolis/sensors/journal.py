"""What a decoy saw, on disk before the attacker sees an answer, until the stream has it.

One append-only file a segment, records of a 4-byte length and MessagePack. A record is rows, the mark that closes a
batch, or the note that a batch is stored. After a crash the batches are read back exactly as they were cut, under
the ids they had, so the stream takes each once. The page cache outlives a killed process: no sync is needed for that
(a power failure may cost what the stream had not acknowledged yet).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from propolis.events import Interaction

SEGMENT_BYTES = 4 * 1024 * 1024

Batch: TypeAlias = list[Interaction]


class Rows(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Rows in the order they happened."""

    rows: Batch


class Closed(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The rows since the last mark are the batch of this number."""

    number: int


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """The stream has this batch."""

    number: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Rows | Closed | Kept)


class Journal:
    """One worker's journal in ``folder`` (mode 0700), of at most ``max_bytes``.

    :meth:`dropped` counts batches that fell off its end before the stream had them.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max(max_bytes, 2 * SEGMENT_BYTES)
        self._file = -1
        self._segment = 0
        self._size = 0
        self._sizes: dict[int, int] = {}
        self._unkept: dict[int, int] = {}
        self._number = 0
        self.id = ""
        self.dropped = 0
        self.failing = ""

    def open(self) -> list[int]:
        """Make the folder, read what the last run left, begin a new segment.

        Returns the numbers of the batches that the stream may not have, oldest first; see :meth:`read`.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        identity = self._folder / "id"
        if not identity.exists():
            identity.write_text(os.urandom(8).hex())
        self.id = identity.read_text().strip()
        for path in sorted(self._folder.glob("*.journal")):
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

    def append(self, rows: Batch) -> None:
        """Write rows; returns when the kernel has them."""
        self._write(_ENCODER.encode(Rows(rows)))

    def close_batch(self) -> int:
        """Mark the rows since the last mark as one batch; returns its number."""
        self._number += 1
        self._write(_ENCODER.encode(Closed(self._number)))
        self._unkept[self._number] = self._segment
        if self._size > SEGMENT_BYTES:
            self._roll()
        return self._number

    def kept(self, number: int) -> None:
        """The stream has this batch; segments that hold nothing else are removed."""
        if self._unkept.pop(number, None) is None:
            return
        self._write(_ENCODER.encode(Kept(number)))
        oldest = min(self._unkept.values(), default=self._segment)
        for segment in [old for old in self._sizes if old < oldest and old != self._segment]:
            self._remove(segment)

    def has(self, number: int) -> bool:
        """Whether this batch is still to be sent (it was neither kept nor dropped)."""
        return number in self._unkept

    @property
    def bytes_used(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values()) + self._size

    def _write(self, record: bytes) -> None:
        data = _framed(record)
        try:
            os.write(self._file, data)
        except OSError as error:
            self.failing = error.strerror or "cannot be written"
            return
        self.failing = ""
        self._size += len(data)

    def _begin(self) -> None:
        path = self._path(self._segment)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0

    def _roll(self) -> None:
        os.close(self._file)
        self._sizes[self._segment] = self._size
        self._segment += 1
        self._begin()
        while sum(self._sizes.values()) > self._max_bytes - SEGMENT_BYTES:
            self._drop(min(self._sizes))

    def _drop(self, segment: int) -> None:
        lost = [number for number, where in self._unkept.items() if where <= segment]
        for number in lost:
            del self._unkept[number]
        self.dropped += len(lost)
        self._remove(segment)

    def _remove(self, segment: int) -> None:
        self._sizes.pop(segment, None)
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
                case Rows():
                    is_open = True
                case Closed(number):
                    is_open = False
                    self._unkept[number] = segment
                    self._number = max(self._number, number)
                case Kept(number):
                    self._unkept.pop(number, None)
        if whole < len(data):
            os.truncate(path, whole)
        if is_open:
            self._number += 1
            self._unkept[self._number] = segment
            with path.open("ab") as file:
                whole += file.write(_framed(_ENCODER.encode(Closed(self._number))))
        self._sizes[segment] = whole

    def close(self) -> None:
        """Close the file; what the stream has not is read back by the next :meth:`open`."""
        os.close(self._file)


def records(data: bytes) -> Iterator[tuple[Rows | Closed | Kept, int]]:
    """Every whole record and where it ends; a torn or damaged one ends the reading: nothing behind it is trusted."""
    offset = 0
    while offset + 4 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        end = offset + 4 + length
        if end > len(data):
            return
        try:
            record = _DECODER.decode(data[offset + 4 : end])
        except (msgspec.MsgspecError, UnicodeDecodeError):
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
            case Kept():
                pass


def _framed(record: bytes) -> bytes:
    return len(record).to_bytes(4, "big") + record
