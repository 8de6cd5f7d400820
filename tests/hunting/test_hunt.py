import importlib
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from propolis.clock import SECOND, ManualClock
from propolis.errors import LakeError, QueryError
from propolis.hunting import Archive, compact, read_snapshot
from propolis.hunting.hunt import Answer, Unflushed, committed, hunt
from propolis.hunting.lake import RETIRE_SECONDS, Snapshot

MODULE = importlib.import_module("propolis.hunting.hunt")
HOUR = 3_600 * SECOND
ENDLESS = "SELECT max(hash(range)) FROM range(1000000000000)"
Batch = Callable[..., pa.RecordBatch]


def ask(
    root: Path, sql: str, unflushed: Unflushed | None = None, **extra: pa.Table
) -> list[tuple[object, ...]]:
    answer = hunt(sql, root, unflushed or {}, extra=extra, spill=root.parent)
    assert list(root.parent.glob("hunt-*")) == []
    return [tuple(row.values()) for row in answer.table.to_pylist()]


def test_the_lake_and_what_is_not_flushed_answer_together_and_count_once(
    archive: Archive, batch: Batch
) -> None:
    archive.add("interaction", 1, batch(3))
    archive.add("interaction", 2, batch(2, first=3))
    archive.flush()
    unflushed = {"interaction": [(2, batch(2, first=3)), (3, batch(4, first=5))]}
    assert committed(archive.lake.root) == 2
    assert ask(archive.lake.root, "SELECT count(*), count(DISTINCT command) FROM interaction", unflushed) == [
        (9, 9)
    ]


def test_it_counts_the_same_however_far_the_flush_got(archive: Archive, batch: Batch) -> None:
    gathered = {"interaction": [(number, batch(1, first=number)) for number in range(1, 8)]}
    for number, rows in gathered["interaction"]:
        archive.add("interaction", number, rows)
        if number % 2:
            archive.flush()
        whole = ask(archive.lake.root, "SELECT count(*), count(DISTINCT command) FROM interaction", gathered)
        assert whole == [(7, 7)]


def test_further_tables_are_joined_by_name(archive: Archive, batch: Batch) -> None:
    archive.add("interaction", 1, batch(3))
    archive.flush()
    findings = pa.table({"source": ["198.18.0.1"], "rule": ["guessing"]})
    question = "SELECT rule, count(*) FROM interaction JOIN findings ON source = source_ip GROUP BY ALL"
    assert ask(archive.lake.root, question, findings=findings) == [("guessing", 3)]


def test_no_other_file_can_be_read_or_written(archive: Archive, batch: Batch, tmp_path: Path) -> None:
    archive.add("interaction", 1, batch(3))
    archive.flush()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    (file,) = read_snapshot(archive.lake.root).files
    stored = archive.lake.root / file.path
    before = stored.read_bytes()
    for sql in (
        f"FROM '{tmp_path}/secret.csv'",
        f"FROM '{archive.lake.root}/manifest.json'",
        f"FROM read_csv('{tmp_path}/secret.csv')",
        f"WITH a AS (COPY (SELECT 1) TO '{stored}' (use_tmp_file false)) FROM a",
        f"WITH a AS (COPY (SELECT 1) TO '{tmp_path}/new.csv') FROM a",
        "SET enable_external_access = true",
        "FROM before",
    ):
        with pytest.raises(QueryError):
            ask(archive.lake.root, sql)
    assert stored.read_bytes() == before
    assert not (tmp_path / "new.csv").exists()


def test_the_sandbox_holds_by_itself(
    archive: Archive, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("interaction", 1, batch(3))
    archive.flush()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    monkeypatch.setattr(MODULE, "check", lambda _sql: None)
    for sql, why in (
        (f"FROM '{tmp_path}/secret.csv'", "does not exist|disabled by configuration"),
        (f"FROM read_csv('{tmp_path}/secret.csv')", "disabled by configuration"),
        (f"WITH a AS (COPY (SELECT 1) TO '{tmp_path}/new.csv') FROM a", "disabled by configuration"),
        (f"COPY (SELECT 1) TO '{tmp_path}/new.csv'", "disabled by configuration"),
        ("SET enable_external_access = true", "locked|cannot"),
        ("SET memory_limit = '9GB'", "locked"),
        (f"ATTACH '{tmp_path}/x.db'", "disabled by configuration"),
        ("LOAD httpfs", "disabled|not found|configuration"),
    ):
        with pytest.raises(QueryError, match=why):
            ask(archive.lake.root, sql)
    assert not (tmp_path / "new.csv").exists()


def test_errors_are_one_line_with_their_place(archive: Archive) -> None:
    with pytest.raises(
        QueryError, match=r"^line 1, column 8: Binder Error: Referenced column .nope. not found[^\n]*$"
    ):
        ask(archive.lake.root, "SELECT nope FROM interaction")
    with pytest.raises(QueryError, match=r"Conversion Error: [^\n]*$"):
        ask(archive.lake.root, "SELECT ('x' || range)::INTEGER FROM range(3)")


def test_an_answer_has_at_most_its_limit(archive: Archive) -> None:
    def limited(limit: int) -> Answer:
        return hunt("FROM range(5000)", archive.lake.root, {}, extra={}, spill=archive.lake.root, limit=limit)

    assert (limited(4_999).table.num_rows, limited(4_999).is_whole) == (4_999, False)
    assert (limited(5_000).table.num_rows, limited(5_000).is_whole) == (5_000, True)
    assert limited(1).table.column("range").to_pylist() == [0]


def test_a_huge_answer_stops_at_its_bytes(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "ANSWER_BYTES", 1_000_000)
    question = "SELECT repeat('x', 1000) FROM range(100000)"
    answer = hunt(question, archive.lake.root, {}, extra={}, spill=archive.lake.root)
    assert not answer.is_whole
    assert 0 < answer.table.nbytes < 10_000_000


def test_work_beyond_memory_is_refused_in_one_line(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "MEMORY_LIMIT", "20MB")
    monkeypatch.setattr(MODULE, "SPILL_LIMIT", "1MB")
    with pytest.raises(QueryError, match=r"needs more than 20MB of memory and 1MB of disk"):
        ask(archive.lake.root, "SELECT md5(range::VARCHAR) AS m FROM range(3000000) ORDER BY m")


def test_progress_is_told_and_a_listener_can_stop_it(archive: Archive) -> None:
    class EnoughError(Exception):
        pass

    told: list[float] = []

    def listen(percent: float) -> None:
        told.append(percent)
        if len(told) == 3:
            raise EnoughError

    with pytest.raises(EnoughError):
        hunt(ENDLESS, archive.lake.root, {}, extra={}, spill=archive.lake.root, on_progress=listen)
    assert all(-1 <= percent <= 100 for percent in told)


def test_ctrl_c_stops_it(archive: Archive) -> None:
    def press(_percent: float) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            hunt(ENDLESS, archive.lake.root, {}, extra={}, spill=archive.lake.root, on_progress=press)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ask(archive.lake.root, "SELECT 1") == [(1,)]


def test_files_that_were_replaced_meanwhile_are_looked_up_again(
    archive: Archive, batch: Batch, clock: ManualClock, noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = archive.lake.root
    for number in range(1, 4):
        archive.add("interaction", number, batch(2, first=2 * number))
        archive.flush()
    old = read_snapshot(root)
    compact(archive.lake, noon + 2 * HOUR)
    clock.advance(RETIRE_SECONDS * SECOND)
    archive.add("interaction", 4, batch(1, first=8))
    archive.flush()
    snapshots = [old]

    def stale_first(root: Path) -> Snapshot:
        return snapshots.pop() if snapshots else read_snapshot(root)

    monkeypatch.setattr(MODULE, "read_snapshot", stale_first)
    assert ask(root, "SELECT count(*), count(DISTINCT command) FROM interaction") == [(7, 7)]


def test_a_file_that_is_gone_for_good_is_named(archive: Archive, batch: Batch) -> None:
    archive.add("interaction", 1, batch(2))
    archive.flush()
    (file,) = read_snapshot(archive.lake.root).files
    (archive.lake.root / file.path).unlink()
    with pytest.raises(QueryError, match=file.path.name):
        ask(archive.lake.root, "SELECT count(*) FROM interaction")


def test_a_lake_that_has_not_begun_answers_with_nothing(tmp_path: Path) -> None:
    assert committed(tmp_path / "lake") == 0
    assert ask(tmp_path / "lake", "SELECT count(*) FROM interaction") == [(0,)]


def test_what_cannot_be_opened_is_named_with_a_cure(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="state folder"):
        hunt("SELECT 1", archive.lake.root, {}, extra={}, spill=tmp_path / "nowhere")
    (archive.lake.root / "manifest.json").write_text("{")
    with pytest.raises(LakeError, match="restore it"):
        hunt("SELECT 1", archive.lake.root, {}, extra={}, spill=tmp_path)
