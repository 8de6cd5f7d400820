"""Rows of the lake, a clock that stands still, and a disk that fails where a test says."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from propolis.clock import SECOND, ManualClock
from propolis.config import Lake
from propolis.events import CommandRun, Connection, ConnectionClosed, Interaction, pack, shard_of
from propolis.events.interaction import to_batch
from propolis.hunting import Archive

NOON = 1_800_000_000 // 86_400 * 86_400 * SECOND + 12 * 3_600 * SECOND
HOUR = 3_600 * SECOND
WRITES = ("fsync", "replace", "unlink", "open", "mkdir", "rmdir")


@pytest.fixture
def noon() -> int:
    return NOON


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def batch() -> Callable[..., pa.RecordBatch]:
    """``batch(3, at=…, first=10)``: commands 10, 11 and 12, a millisecond apart."""

    def make(
        rows: int, *, at: int = NOON, first: int = 0, source: str = "198.18.0.1", target: str = "2001:db8::5"
    ) -> pa.RecordBatch:
        def row(number: int) -> Interaction:
            connection = Connection(
                id=number.to_bytes(16, "big"),
                opened=at,
                sensor="edge-1",
                lure="ssh",
                source_ip=pack(source),
                source_port=40_000,
                target_ip=pack(target),
                target_port=22,
                shard=shard_of(pack(source)),
                evidence_class="dialogue",
            )
            event = CommandRun(command=f"command {number}", payload=b"\x00\xff" * (number % 3))
            return Interaction(at + number * 1_000_000, connection, number, event)

        return to_batch([row(number) for number in range(first, first + rows)])

    return make


@pytest.fixture
def closed() -> pa.RecordBatch:
    """One row of another kind, most columns of which are null."""
    source = pack("2001:db8::1")
    connection = Connection(
        b"\x01" * 16, NOON, "edge-2", "tcp", source, 1, pack("192.0.2.1"), 2, shard_of(source)
    )
    return to_batch([Interaction(NOON, connection, 0, ConnectionClosed(1, 2, 3, "peer"))])


@pytest.fixture
def archive(tmp_path: Path, clock: ManualClock) -> Iterator[Archive]:
    archive = Archive(tmp_path / "lake", Lake(), clock)
    archive.recover()
    yield archive
    archive.close()


class Killed(BaseException):
    """The process is gone: nothing it does from here on reaches the disk."""


class Disk:
    """Counts what is done to the disk; from call ``after`` on it fails, or everything stops as if killed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.after = 1_000_000
        self.error: BaseException | None = None
        self.is_broken_for_good = False
        for name in WRITES:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def kill(self, *, after: int) -> None:
        self.calls, self.after, self.error, self.is_broken_for_good = 0, after, Killed(), True

    def fail(self, *, after: int) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        self.calls, self.after, self.error, self.is_broken_for_good = 0, after, full, False

    def mend(self) -> None:
        self.error = None

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.error and (
                self.calls == self.after or (self.calls > self.after and self.is_broken_for_good)
            ):
                raise self.error
            return call(*args, **kwargs)

        return wrapped


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def killed() -> type[Killed]:
    return Killed


@pytest.fixture
def commands() -> Callable[[Path], list[str]]:
    """Every command of the committed lake, in the order a reader meets them; a reader takes no lock."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - what a reader needs, beside what it does

    from propolis.hunting import read_snapshot  # noqa: PLC0415 - the same

    def read(root: Path) -> list[str]:
        files = read_snapshot(root).files
        tables = [pq.ParquetFile(root / file.path).read(["command"]) for file in files]
        return [command for table in tables for command in table.column("command").to_pylist()]

    return read
