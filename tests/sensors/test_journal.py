import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nouns import interactions
from propolis.clock import SECOND
from propolis.events import CommandRun, Connection, Interaction, pack, shard_of
from propolis.sensors import journal as module
from propolis.sensors.journal import Journal, JournalInUse, records

LARGE = 1 << 40


def row(number: int, size: int = 0) -> Interaction:
    source = pack("198.18.0.1")
    connection = Connection(
        number.to_bytes(16, "big"), SECOND, "edge", "ssh", source, 4, pack("192.0.2.1"), 22, shard_of(source)
    )
    return Interaction(number, connection, 0, CommandRun(f"command {number}", bytes(size)))


def opened(folder: Path, max_bytes: int = LARGE) -> Journal:
    journal = Journal(folder, max_bytes)
    journal.open()
    return journal


def write(journal: Journal, *batches: list[Interaction]) -> list[int]:
    numbers = []
    for batch in batches:
        for one in batch:
            journal.append([one])
        numbers.append(journal.close_batch())
    return numbers


def read_all(journal: Journal, numbers: list[int]) -> list[list[Interaction]]:
    return [journal.read(number)[number] for number in numbers]


@given(st.lists(st.lists(interactions(), min_size=1, max_size=4), max_size=5))
@settings(max_examples=40)
def test_what_was_written_is_read_back_after_a_crash(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Interaction]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    first = opened(folder)
    numbers = write(first, *batches)
    first.close()
    again = Journal(folder, LARGE)
    assert again.open() == numbers
    assert again.id == first.id
    assert read_all(again, numbers) == batches
    again.close()


def test_what_the_stream_has_does_not_come_back(tmp_path: Path) -> None:
    first = opened(tmp_path)
    one, two, three = write(first, [row(1)], [row(2)], [row(3)])
    first.kept(two)
    first.kept(two)
    assert not first.has(two)
    first.close()
    again = Journal(tmp_path, LARGE)
    assert again.open() == [one, three]
    again.close()


def test_a_batch_that_a_crash_left_open_is_closed(tmp_path: Path) -> None:
    first = opened(tmp_path)
    write(first, [row(1)])
    first.append([row(2), row(3)])
    first.close()
    again = Journal(tmp_path, LARGE)
    numbers = again.open()
    assert read_all(again, numbers) == [[row(1)], [row(2), row(3)]]
    again.close()
    once_more = Journal(tmp_path, LARGE)
    assert once_more.open() == numbers
    assert read_all(once_more, numbers) == [[row(1)], [row(2), row(3)]]
    once_more.close()


@given(st.integers(0, 400), st.binary(max_size=40))
@settings(max_examples=60)
def test_a_torn_end_costs_what_was_torn_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    first = opened(folder)
    write(first, [row(1)], [row(2)], [row(3)])
    first.close()
    path = next(folder.glob("*.journal"))
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)] + garbage)
    again = Journal(folder, LARGE)
    got = [again.read(number)[number] for number in again.open()]
    assert got in ([], [[row(1)]], [[row(1)], [row(2)]], [[row(1)], [row(2)], [row(3)]])
    number = write(again, [row(9)])[0]
    assert again.read(number)[number] == [row(9)]
    again.close()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    ends = [end for _, end in records(data)]
    assert ends == sorted(set(ends))
    assert all(4 < end <= len(data) for end in ends)


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff" + bytes(50), b"\0\0\0\0" * 9, (200_000).to_bytes(4, "big") + b"\x91" * 200_000],
)
def test_absurd_records_end_the_reading(data: bytes) -> None:
    assert list(records(data)) == []


def test_no_number_is_used_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is half a message id: used twice, the stream would take new rows for old ones."""
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    seen: list[int] = []
    for _ in range(5):
        journal = Journal(tmp_path, LARGE)
        left = journal.open()
        for number in left:
            journal.kept(number)
        for _ in range(3):
            number = write(journal, [row(1, 200)])[0]
            journal.kept(number)
            seen.append(number)
        seen += write(journal, [row(2)])
        journal.close()
    assert seen == sorted(set(seen))


def test_segments_go_when_the_stream_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1_000)
    journal = opened(tmp_path)
    numbers = write(journal, *([row(n, 600)] for n in range(20)))
    assert len(list(tmp_path.glob("*.journal"))) > 5
    for number in numbers:
        journal.kept(number)
    assert len(list(tmp_path.glob("*.journal"))) == 1
    assert journal.bytes_used < 3_000
    journal.close()


def test_beyond_its_bound_the_oldest_go_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10_000)
    journal = opened(tmp_path, 50_000)
    numbers = write(journal, *([row(n, 900)] for n in range(200)))
    assert journal.bytes_used <= 50_000
    *ended, present = sorted(tmp_path.glob("*.journal"))
    assert (
        sum(path.stat().st_size for path in ended) + len(present.read_bytes().rstrip(b"\0"))
        <= journal.bytes_used
    )
    kept = [number for number in numbers if journal.has(number)]
    assert journal.dropped == 200 - len(kept)
    assert kept == numbers[-len(kept) :]
    assert 20 < len(kept) < 60
    assert read_all(journal, kept)[-1] == [row(199, 900)]
    journal.close()


def test_a_batch_that_cannot_be_read_back_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10)
    journal = opened(tmp_path)
    number = write(journal, [row(1)])[0]
    next(tmp_path.glob("*01.journal")).unlink()
    assert journal.read(number) == {}
    journal.drop(number)
    assert (journal.has(number), journal.dropped) == (False, 1)
    journal.close()


def test_two_workers_do_not_share_a_journal(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(JournalInUse, match=r"give this one another --worker or sensors\.name"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_its_files_are_ours_alone(tmp_path: Path) -> None:
    journal = opened(tmp_path / "deep" / "journal")
    write(journal, [row(1)])
    assert (tmp_path / "deep" / "journal").stat().st_mode & 0o077 == 0
    assert next((tmp_path / "deep" / "journal").glob("*.journal")).stat().st_mode & 0o077 == 0
    journal.close()


def test_an_identity_that_a_crash_left_empty_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("")
    journal = opened(tmp_path)
    assert len(journal.id) == 16
    assert (tmp_path / "id").read_text() == journal.id
    journal.close()


def test_nothing_is_written_once_it_is_closed(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write(journal, [row(1)])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path, left: int) -> Path:
    path = disk / "fill"
    path.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - left)))
    return path


@pytest.mark.root
def test_a_full_disk_fails_whole_batches_and_heals(small_disk: Path) -> None:
    journal = opened(small_disk / "journal")
    before = write(journal, [row(1)], [row(2)])
    filling = fill(small_disk, 8_192)
    during = write(journal, *([row(n), row(n, 20_000)] for n in range(3, 6)))
    assert journal.failing == os.strerror(28)
    assert [journal.has(number) for number in during] == [False] * 3
    filling.unlink()
    after = write(journal, [row(6)])
    assert journal.failing == ""
    journal.close()
    again = Journal(small_disk / "journal", LARGE)
    assert again.open() == [*before, *after]
    assert read_all(again, [*before, *after]) == [[row(1)], [row(2)], [row(6)]]
    again.close()


@pytest.mark.root
def test_a_disk_that_is_full_at_the_start_stops_nothing(small_disk: Path) -> None:
    fill(small_disk, 0)
    journal = Journal(small_disk / "journal", LARGE)
    assert journal.open() == []
    assert len(journal.id) == 16
    number = write(journal, [row(1)])[0]
    assert journal.failing
    assert not journal.has(number)
    (small_disk / "fill").unlink()
    number = write(journal, [row(2)])[0]
    journal.close()
    again = Journal(small_disk / "journal", LARGE)
    left = again.open()
    assert [again.read(found)[found] for found in left] in ([[row(2)]], [])
    again.close()
