from collections.abc import Callable
from pathlib import Path

import pytest

from propolis import config
from propolis.clock import SECOND, ManualClock
from propolis.decisions import Decision, target_of
from propolis.enforcers import FOREVER, Active, File, drift
from propolis.errors import EnforcerError

Decide = Callable[..., Decision]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> File:
    made = File(config.Enforcers(file=config.FileList(path="lists/blocked.txt")), clock, tmp_path)
    made.open()
    return made


def text(folder: Path) -> str:
    return (folder / "lists/blocked.txt").read_text()


def test_the_list_is_sorted_complete_and_readable_by_all(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    for value in ("203.0.113.9", "198.18.1.0/24", "2001:db8::1"):
        active.put(decide(value, clock.now()))
    active.put(decide("192.0.2.1", clock.now(), action="count"))
    file.apply(active)
    assert text(tmp_path) == "198.18.1.0/24\n2001:db8::1\n203.0.113.9\n"
    assert (tmp_path / "lists/blocked.txt").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["blocked.txt"]
    assert not drift(active, file.read_back(), clock.now(), SECOND)
    assert list(file.read_back([target_of("203.0.113.9"), target_of("192.0.2.1")])) == [
        target_of("203.0.113.9")
    ]


def test_a_target_leaves_when_dropped_or_ended(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    active.put(decide("198.18.1.1", clock.now(), seconds=10))
    active.put(decide("198.18.1.2", clock.now(), seconds=60))
    active.put(decide("198.18.1.3", clock.now(), seconds=60))
    file.apply(active)
    active.drop(target_of("198.18.1.3"))
    clock.advance(10 * SECOND)
    file.apply(active)  # nobody told it that 198.18.1.1 has ended
    assert text(tmp_path) == "198.18.1.2\n"


def test_nothing_is_written_while_nothing_changes(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    active.put(decide("198.18.1.1", clock.now()))
    file.apply(active)
    before = (tmp_path / "lists/blocked.txt").stat().st_ino
    active.put(decide("198.18.1.1", clock.now(), seconds=900))
    file.apply(active)
    assert (tmp_path / "lists/blocked.txt").stat().st_ino == before
    assert file.read_back() == {target_of("198.18.1.1"): clock.now() + 900 * SECOND}


def test_an_edit_behind_our_back_is_drift_and_repaired(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    active.put(decide("198.18.1.1", clock.now()))
    file.apply(active)
    (tmp_path / "lists/blocked.txt").write_bytes(b"# mine\n203.0.113.5\n\xff\xfe\n" + b"9" * 500)
    found = drift(active, file.read_back(), clock.now(), SECOND)
    assert (found.missing, found.orphan) == ((target_of("198.18.1.1"),), (target_of("203.0.113.5"),))
    file.apply(active, whole=True)
    assert text(tmp_path) == "198.18.1.1\n"
    (tmp_path / "lists/blocked.txt").unlink()
    assert file.read_back() == {}


def test_a_restart_leaves_the_list_until_the_first_apply(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    active.put(decide("198.18.1.1", clock.now()))
    file.apply(active)
    file.close()
    again = File(config.Enforcers(file=config.FileList(path="lists/blocked.txt")), clock, tmp_path)
    again.open()
    assert again.read_back() == {target_of("198.18.1.1"): FOREVER}
    again.apply(active)
    assert not drift(active, again.read_back(), clock.now(), SECOND)
    again.remove()
    assert text(tmp_path) == ""


def test_a_path_that_cannot_be_written_names_the_cure(
    tmp_path: Path, clock: ManualClock, decide: Decide
) -> None:
    (tmp_path / "plain").write_text("")
    blocked = File(config.Enforcers(file=config.FileList(path="plain/blocked.txt")), clock, tmp_path)
    with pytest.raises(EnforcerError, match="dry-run"):
        blocked.open()


def test_a_failed_write_is_made_good_by_the_next_apply(
    file: File, clock: ManualClock, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    file.apply(active)
    (tmp_path / "lists/.blocked.txt.new").mkdir()
    active.put(decide("198.18.1.1", clock.now()))
    with pytest.raises(EnforcerError):
        file.apply(active)
    (tmp_path / "lists/.blocked.txt.new").rmdir()
    file.apply(active)
    assert text(tmp_path) == "198.18.1.1\n"
