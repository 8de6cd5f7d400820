"""Questions in SQL, answered by DuckDB from the lake and from what is not in it yet."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from propolis.errors import QueryError
from propolis.hunting.lake import Snapshot, read_snapshot
from propolis.hunting.question import check, explain, printable
from propolis.hunting.views import open_views

ANSWER_ROWS = 1_000_000
ANSWER_BYTES = 512_000_000
MEMORY_LIMIT = "1GB"
SPILL_LIMIT = "10GB"
THREADS = 2
ATTEMPTS = 3
POLL_SECONDS = 0.1
_BATCH_ROWS = 1_000

Unflushed = Mapping[str, Sequence[tuple[int, pa.RecordBatch]]]
"""Batches that may not be in the lake yet, by class, each with its sequence in the stream.

Gather them from :func:`committed` on. Batches that were flushed meanwhile are recognised and not counted twice.
"""


class Answer(msgspec.Struct, frozen=True):
    """The rows, and whether they are all there are; not whole when a limit was reached."""

    table: pa.Table
    is_whole: bool


def committed(root: Path) -> int:
    """The sequence up to which the lake answers by itself. Raises :class:`~propolis.errors.LakeError`."""
    return read_snapshot(root).sequence


def hunt(
    sql: str,
    root: Path,
    unflushed: Unflushed,
    *,
    extra: Mapping[str, pa.Table],
    spill: Path,
    limit: int = ANSWER_ROWS,
    on_progress: Callable[[float], None] = lambda _percent: None,
) -> Answer:
    """Answer ``sql``: at most ``limit`` rows and :data:`ANSWER_BYTES`.

    The tables are one a class (``interaction``, …) and ``extra`` by name. Larger-than-memory work spills into a folder
    of its own below ``spill``, which is removed. ``on_progress`` is told the percentage (negative: not known) every
    :data:`POLL_SECONDS`, in the calling thread; whatever it raises, and Ctrl-C, stops the question and passes through.
    Raises :class:`~propolis.errors.QueryError`, one line, with the place in the question where there is one, and
    :class:`~propolis.errors.LakeError`.
    """
    check(sql)
    question = _Question(sql, root, unflushed, extra, spill, limit)
    for attempt in range(1, ATTEMPTS + 1):
        snapshot = read_snapshot(root)
        try:
            return _ask(question, snapshot, on_progress)
        except (duckdb.IOException, FileNotFoundError) as error:
            # files are replaced while we read, and older ones leave the disk after a while
            if attempt == ATTEMPTS or read_snapshot(root) == snapshot:
                raise QueryError(f"{root}: {printable(str(error))}") from error
        except duckdb.OutOfMemoryException as error:
            limits = f"{MEMORY_LIMIT} of memory and {SPILL_LIMIT} of disk"
            raise QueryError(
                f"the question needs more than {limits}; narrow its time, or ask for fewer columns"
            ) from error
        except duckdb.Error as error:
            raise QueryError(explain(error)) from error
    raise AssertionError("the last attempt returns or raises")


class _Question(msgspec.Struct, frozen=True):
    sql: str
    root: Path
    unflushed: Unflushed
    extra: Mapping[str, pa.Table]
    spill: Path
    limit: int


def _ask(question: _Question, snapshot: Snapshot, on_progress: Callable[[float], None]) -> Answer:
    with (
        _spill_folder(question.spill) as folder,
        duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": MEMORY_LIMIT}) as con,
    ):
        files = open_views(con, question.root, snapshot, question.unflushed)
        for name, table in question.extra.items():
            con.register(name, table)
        _lock(con, files, folder)
        return _watch(con, question, on_progress)


def _spill_folder(parent: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="hunt-", dir=parent)
    except OSError as error:
        raise QueryError(
            f"{parent}: {error.strerror}; the state folder must exist and be writable"
        ) from error


def _lock(con: duckdb.DuckDBPyConnection, files: Sequence[str], folder: str) -> None:
    """Nothing but these files and this folder from here on; no network, no extension, no Python variable."""
    con.execute("SET allowed_paths = ?", [list(files)])
    con.execute("SET temp_directory = ?", [folder])
    for setting in (
        f"max_temp_directory_size = '{SPILL_LIMIT}'",
        "TimeZone = 'UTC'",
        "enable_progress_bar = true",
        "enable_progress_bar_print = false",
        "python_enable_replacements = false",
        "autoload_known_extensions = false",
        "autoinstall_known_extensions = false",
        "allow_community_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        con.execute(f"SET {setting}")


def _watch(
    con: duckdb.DuckDBPyConnection, question: _Question, on_progress: Callable[[float], None]
) -> Answer:
    """Run it in a thread, so that this one can show progress and be interrupted."""
    with ThreadPoolExecutor(1, thread_name_prefix="hunt") as pool:
        future: Future[Answer] = pool.submit(_collect, con, question.sql, question.limit)
        try:
            while not wait([future], POLL_SECONDS).done:
                on_progress(con.query_progress())
        finally:
            while not future.done():
                # again and again: an interrupt between two steps of DuckDB is lost
                con.interrupt()
                wait([future], POLL_SECONDS)
        return future.result()


def _collect(con: duckdb.DuckDBPyConnection, sql: str, limit: int) -> Answer:
    try:
        relation = con.sql(sql)
    except duckdb.ProgrammingError:
        con.execute(f"EXPLAIN {sql}")  # raises the same again, with the place
        raise
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch.slice(0, limit - rows))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > limit or size > ANSWER_BYTES:
            break
    return Answer(
        pa.Table.from_batches(batches, reader.schema), is_whole=rows <= limit and size <= ANSWER_BYTES
    )
