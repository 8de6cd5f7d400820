"""The lake: every event as Parquet by class and hour, and one manifest that says which files count.

::

    lake/manifest.json
    lake/class=interaction/date=2026-11-24/hour=03/0.000000001001-000000001200.parquet

A file counts once the manifest names it, and the manifest is replaced as a whole (write beside, fsync, rename, fsync
the folder). So a crash at any point leaves either the state before or the state after; what no manifest names is
litter, which :meth:`LakeWriter.recover` removes. Captured data is never world-readable: files 0640, folders 0750.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Annotated

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from propolis.clock import SECOND, Clock
from propolis.errors import LakeError
from propolis.notes import LakeFileLost, tell

VERSION = 1
HOUR = 3_600 * SECOND
ROW_GROUP_ROWS = 100_000
RETIRE_SECONDS = 120
"""How long a replaced file stays, so that a question which began before can finish reading it."""

_MANIFEST = "manifest.json"
_LOCK = ".lock"
_TEMPORARY = ".tmp"
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


class DataFile(msgspec.Struct, frozen=True, array_like=True):
    """One Parquet file: the rows of one class and one hour (since the epoch), from these stream sequences.

    ``generation`` counts streams: a stream that was made anew numbers from 1 again. ``version`` is the schema's.
    The path follows from the fields, so a manifest cannot name a file elsewhere.
    """

    event_class: Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,30}$")]
    hour: Annotated[int, Meta(ge=-2_600_000, le=2_600_000)]
    generation: int
    first: int
    last: int
    version: int
    rows: int
    bytes: int

    @property
    def path(self) -> PurePosixPath:
        """Relative to the lake's root, in the layout that Hive, Spark and DuckDB prune by."""
        day, hour = divmod(self.hour, 24)
        date = datetime.fromordinal(_EPOCH + day).date().isoformat()
        name = f"{self.generation}.{self.first:012d}-{self.last:012d}.parquet"
        return PurePosixPath(f"class={self.event_class}", f"date={date}", f"hour={hour:02d}", name)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole state of a lake. Everything of the stream up to ``sequence`` is in ``files`` (or has expired)."""

    sequence: int = 0
    stream: str = ""
    generation: int = 0
    files: tuple[DataFile, ...] = ()
    version: int = VERSION


_DECODER = msgspec.json.Decoder(Snapshot)


def read_snapshot(root: Path) -> Snapshot:
    """The committed state; empty where no lake has begun. Takes no lock: any number of readers, while it is written.

    Raises :class:`~propolis.errors.LakeError` for a manifest that cannot be read or is from a newer version.
    """
    path = root / _MANIFEST
    try:
        snapshot = _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return Snapshot()
    except OSError as error:
        raise LakeError(
            f"{path}: {error.strerror}; run as the user or group that the archive runs as"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LakeError(f"{path}: {error}; restore it from a backup") from error
    if snapshot.version > VERSION:
        raise LakeError(f"{path}: version {snapshot.version} is newer than {VERSION}; update this host")
    return snapshot


class LakeWriter:
    """The only one that changes a lake. Safe to use from several threads; a second process is refused.

    The first call is :meth:`recover`. Raises :class:`~propolis.errors.LakeError` when the lake cannot be opened.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self._clock = clock
        self._lock = _lock(root)
        self._change = threading.Lock()
        self._retired: dict[DataFile, int] = {}
        self._snapshot = read_snapshot(root)

    @property
    def snapshot(self) -> Snapshot:
        """What is committed."""
        return self._snapshot

    def close(self) -> None:
        """Let another process have the lake."""
        self._lock.close()

    def recover(self, stream: str = "") -> Snapshot:
        """Remove what a crash left behind; forget files that are gone, and say so.

        ``stream`` names the stream's life (its time of creation, say): when it is another than the manifest's,
        sequences count from 0 again. Raises :class:`~propolis.errors.LakeError` when there are files but no manifest,
        and ``OSError``.
        """
        found = {
            path.relative_to(self.root).as_posix(): path
            for path in self.root.glob("class=*/**/*")
            if path.is_file()
        }
        if not (self.root / _MANIFEST).exists() and any(name.endswith(".parquet") for name in found):
            raise LakeError(
                f"{self.root}: Parquet files but no {_MANIFEST}; restore it, or move the files away"
            )
        state = self._snapshot
        kept = tuple(file for file in state.files if file.path.as_posix() in found)
        for file in set(state.files).difference(kept):
            tell(LakeFileLost(path=str(file.path), rows=file.rows, why="is not on the disk"))
        is_new = state.stream != stream and bool(stream)
        state = msgspec.structs.replace(
            state,
            files=kept,
            stream=stream or state.stream,
            sequence=0 if is_new else state.sequence,
            generation=state.generation + (is_new and state.sequence > 0),
        )
        if state != self._snapshot or not (self.root / _MANIFEST).exists():
            with self._change:
                self._replace(state)
        named = {file.path.as_posix() for file in kept}
        for name, path in found.items():
            if name not in named:
                path.unlink(missing_ok=True)
        return state

    def write(self, place: DataFile, schema: pa.Schema, tables: Iterable[pa.Table]) -> DataFile:
        """Write ``tables`` where ``place`` says, each as row groups of its own, durably, but do not commit it yet.

        Returns ``place`` with its rows and bytes. Raises ``OSError`` or ``pyarrow.ArrowException`` and leaves no file.
        """
        path = self.root / place.path
        _make_folder(path.parent)
        temporary = path.with_name(f".{path.name}{_TEMPORARY}")
        try:
            with _create(temporary) as file:
                rows = _write_parquet(file, schema, tables)
                size = file.tell()
                _sync(file)
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            # gone unless a full disk, a damaged input or an interrupt came between: half a file helps no one
            temporary.unlink(missing_ok=True)
        return msgspec.structs.replace(place, rows=rows, bytes=size)

    def discard(self, files: Iterable[DataFile]) -> None:
        """Remove files that were written and never part of a :meth:`commit`. Raises ``OSError``."""
        # a commit that failed may have reached the disk all the same: what it named waits for the next one
        retired = {file.path for file in self._retired}
        for file in files:
            if file.path not in retired:
                (self.root / file.path).unlink(missing_ok=True)

    def commit(
        self, *, add: Iterable[DataFile] = (), remove: Iterable[DataFile] = (), sequence: int | None = None
    ) -> bool:
        """Make it so, all at once: ``add`` and ``remove`` files and move to ``sequence``.

        False, and nothing happened, when a file to remove is no longer there. Raises ``OSError``; whether a reader sees
        the new state is then open until the next commit. Files that are replaced, or were added in vain, leave the disk
        :data:`RETIRE_SECONDS` later.
        """
        added, removed = tuple(add), set(remove)
        now = self._clock.monotonic()
        with self._change:
            state = self._snapshot
            if not removed.issubset(state.files):
                return False
            files = sorted([*(file for file in state.files if file not in removed), *added], key=_order)
            self._retired |= dict.fromkeys(added, now)
            self._replace(
                msgspec.structs.replace(
                    state, files=tuple(files), sequence=state.sequence if sequence is None else sequence
                )
            )
            self._retired |= dict.fromkeys(removed, now)
            self._sweep(now)
        return True

    def _replace(self, state: Snapshot) -> None:
        path = self.root / _MANIFEST
        temporary = path.with_name(f".{_MANIFEST}{_TEMPORARY}")
        with _create(temporary) as file:
            file.write(msgspec.json.encode(state))
            _sync(file)
        temporary.replace(path)
        _sync_folder(self.root)
        self._snapshot = state

    def _sweep(self, now: int) -> None:
        # only after a durable manifest: an older one on the disk may still name these
        named = {file.path for file in self._snapshot.files}
        for file, since in list(self._retired.items()):
            if file.path in named:
                del self._retired[file]
            elif now - since >= RETIRE_SECONDS * SECOND:
                path = self.root / file.path
                path.unlink(missing_ok=True)
                del self._retired[file]
                for folder in list(path.parents)[:3]:
                    # the hour's, the date's and the class's folder, once empty
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def version_of(schema: pa.Schema) -> int:
    """The version an event schema carries in its metadata; 1 where it carries none."""
    text = (schema.metadata or {}).get(b"propolis.version", b"1")
    return int(text) if text.isdigit() and len(text) <= 4 else 1


def _order(file: DataFile) -> tuple[str, int, int, int]:
    return file.event_class, file.hour, file.generation, file.first


def _write_parquet(file: IO[bytes], schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=_dictionaries(schema)) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            rows += table.num_rows
    return rows


def _dictionaries(schema: pa.Schema) -> list[str]:
    # few distinct values: names and addresses; ids, times and payloads only fill the dictionary in vain
    return [field.name for field in schema if pa.types.is_string(field.type) or field.name.endswith("_ip")]


def _lock(root: Path) -> IO[bytes]:
    try:
        _make_folder(root)
        file = _create(root / _LOCK)
    except OSError as error:
        raise LakeError(f"{root}: {error.strerror}; set lake.path to a folder that can be written") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LakeError(f"{root}: another archive writes here; stop it, or set another lake.path") from error
    return file


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _FILE_MODE), "wb")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(path: Path) -> None:
    for folder in _missing(path):
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        _sync_folder(folder.parent)


def _missing(path: Path) -> Iterator[Path]:
    return reversed([folder for folder in (path, *path.parents) if not folder.exists()])
