import os
from pathlib import Path

import pytest

from lure_files import write_lure
from propolis.flaws import packs
from propolis.flaws.file import FlawError
from propolis.flaws.packs import BUILT_IN, Pack


def test_at_first_everything_has_changed_and_then_nothing(tmp_path: Path) -> None:
    write_lure(tmp_path, "one")
    write_lure(tmp_path, "two")
    (tmp_path / "notes.txt").write_text("not a lure")
    pack = Pack(tmp_path)
    assert set(pack.look().changed) == {"one", "two"}
    again = pack.look()
    assert (again.changed, again.removed, again.refused) == ({}, frozenset(), ())


def test_what_is_written_anew_is_read_anew_and_what_is_gone_is_named(tmp_path: Path) -> None:
    one = write_lure(tmp_path, "one")
    write_lure(tmp_path, "two")
    pack = Pack(tmp_path)
    pack.look()
    write_lure(tmp_path, "two", "another word")
    one.unlink()
    change = pack.look()
    assert change.changed["two"].steps[0].reply.body == "another word"
    assert (set(change.changed), change.removed) == ({"two"}, {"one"})


def test_a_bad_file_is_refused_with_its_line_and_the_others_stay(tmp_path: Path) -> None:
    write_lure(tmp_path, "good")
    bad = write_lure(tmp_path, "bad")
    bad.write_text(bad.read_text().replace("grade: attempt", "grade: horrible"))
    change = Pack(tmp_path).look()
    assert set(change.changed) == {"good"}
    (error,) = change.refused
    assert (Path(error.file), error.line, error.key) == (bad, 10, "steps[0].grade")


def test_a_file_that_turns_bad_keeps_what_it_said_until_it_is_good_again(tmp_path: Path) -> None:
    path = write_lure(tmp_path)
    pack = Pack(tmp_path)
    pack.look()
    path.write_text("id: [")
    torn = pack.look()
    assert (torn.changed, torn.removed) == ({}, frozenset())
    assert len(torn.refused) == 1
    assert pack.look().refused == ()
    write_lure(tmp_path, word="mended")
    os.utime(path, ns=(1, 1))
    assert pack.look().changed["hive-box"].steps[0].reply.body == "mended"


def test_no_such_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(FlawError, match=r"none: cannot be read .* flaws\.packs"):
        Pack(tmp_path / "none").look()


def test_files_beyond_the_limit_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_FILES", 1)
    write_lure(tmp_path, "one")
    write_lure(tmp_path, "two")
    change = Pack(tmp_path).look()
    assert set(change.changed) == {"one"}
    assert "2 lure files; the limit is 1" in str(change.refused[0])


def test_the_built_in_lures_can_be_read() -> None:
    change = Pack(BUILT_IN).look()
    assert change.refused == ()
    assert change.changed
