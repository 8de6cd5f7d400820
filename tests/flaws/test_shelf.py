from collections.abc import Callable
from pathlib import Path

import pytest

from lure_files import lure_text, write_lure
from propolis.errors import PropolisError
from propolis.flaws import intake, signature
from propolis.flaws import shelf as shelves
from propolis.flaws.file import Flaw, FlawError
from propolis.flaws.shelf import Shelf
from propolis.flaws.signature import Envelope
from propolis.notes import LureLive, LureRefused, LureRolledBack

Push = Callable[..., Envelope]


def prove(flaw: Flaw, text: str, file: str) -> None:
    if "broken" in flaw.steps[0].reply.body:
        assert "broken" in text
        raise FlawError(file, 12, "tests", "does not hold")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    signature.make_key(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def shelf(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """One built-in lure, and an empty folder."""
    built_in, folder = tmp_path / "built-in", tmp_path / "folder"
    write_lure(built_in, "old", "built-in")
    folder.mkdir()
    monkeypatch.setattr(shelves, "BUILT_IN", built_in)
    public = signature.public_text(signature.read_key(key))
    return Shelf(lambda: (public,), folder, prove)


@pytest.fixture
def push(key: Path) -> Push:
    def signed(name: str, version: int, word: str = "", repeats: int = 0) -> Envelope:
        text = lure_text(name, word) if word else ""
        plain = Envelope(id=name, version=version, made=1, text=text, repeats=repeats, key="")
        return signature.sign(plain, signature.read_key(key))

    return signed


def words(shelf: Shelf) -> dict[str, str]:
    return {name: lure.flaw.steps[0].reply.body for name, lure in shelf.live.items()}


def test_what_was_pushed_stands_before_the_folder_and_that_before_what_is_built_in(
    shelf: Shelf, tmp_path: Path, push: Push
) -> None:
    shelf.look()
    assert words(shelf) == {"old": "built-in"}
    path = write_lure(tmp_path / "folder", "old", "folder")
    shelf.look()
    assert words(shelf) == {"old": "folder"}
    shelf.take([push("old", 1, "pushed")])
    assert words(shelf) == {"old": "pushed"}
    path.unlink()
    shelf.look()
    assert words(shelf) == {"old": "pushed"}
    shelf.take([push("old", 2)])
    assert words(shelf) == {"old": "built-in"}


def test_it_says_what_is_different_once(shelf: Shelf, tmp_path: Path, push: Push) -> None:
    shelf.look()
    assert [flaw.id for flaw in shelf.changes()[0]] == ["old"]
    assert shelf.changes() == ((), frozenset())
    assert shelf.take([push("new", 1, "pushed")]) == [LureLive(id="new", version=1, origin="pushed")]
    assert [flaw.id for flaw in shelf.changes()[0]] == ["new"]
    assert shelf.take([push("new", 2)]) == [LureRolledBack(id="new", version=2, repeats=0)]
    assert shelf.changes() == ((), frozenset({"new"}))


def test_a_rollback_is_a_newer_version_of_an_older_text(shelf: Shelf, push: Push) -> None:
    shelf.take([push("a", 1, "first"), push("a", 2, "second")])
    assert words(shelf) == {"a": "second"}
    assert shelf.take([push("a", 3, "first", repeats=1)]) == [LureRolledBack(id="a", version=3, repeats=1)]
    assert words(shelf) == {"a": "first"}
    assert shelf.live["a"].version == 3


def test_an_old_version_does_not_come_back(shelf: Shelf, push: Push) -> None:
    shelf.take([push("a", 2, "second")])
    (note,) = shelf.take([push("a", 1, "first")])
    assert isinstance(note, LureRefused)
    assert "version 1 is older than version 2" in note.why
    assert words(shelf) == {"a": "second"}
    shelf.take([push("a", 3)])
    shelf.take([push("a", 2, "second")])
    assert words(shelf) == {}


def test_a_version_that_is_delivered_again_changes_nothing(shelf: Shelf, push: Push) -> None:
    shelf.take([push("a", 1, "first")])
    shelf.changes()
    assert shelf.take([push("a", 1, "first")]) == []
    assert shelf.changes() == ((), frozenset())


def test_of_a_history_only_the_newest_good_version_is_read(shelf: Shelf, push: Push) -> None:
    notes = shelf.take([push("a", 1, "first"), push("a", 3, "broken"), push("a", 2, "second")])
    assert notes == [
        LureRefused(id="a", why="a.yaml version 3:12: tests: does not hold"),
        LureLive(id="a", version=2, origin="pushed"),
    ]
    assert words(shelf) == {"a": "second"}


def test_whatever_is_refused_what_was_live_stays(shelf: Shelf, push: Push, tmp_path: Path) -> None:
    shelf.take([push("a", 1, "first")])
    stranger = tmp_path / "stranger.pem"
    signature.make_key(stranger)
    good = push("a", 2, "second")
    bad = [
        signature.sign(good, signature.read_key(stranger)),
        Envelope(id="a", version=2, made=1, text=good.text, repeats=0, key=good.key),
        Envelope(
            id="b", version=2, made=1, text=good.text, repeats=0, key=good.key, signature=good.signature
        ),
        push("a", 2, "broken"),
    ]
    for envelope in bad:
        (note,) = shelf.take([envelope])
        assert isinstance(note, LureRefused)
        assert words(shelf) == {"a": "first"}
    assert shelf.take([good]) == [LureLive(id="a", version=2, origin="pushed")]


def test_a_lure_under_a_foreign_name_or_that_is_none_is_refused(shelf: Shelf, key: Path) -> None:
    for text, why in ((lure_text("b"), "calls itself 'b'"), ("id: [", "is not YAML")):
        plain = Envelope(id="a", version=1, made=1, text=text, repeats=0, key="")
        (note,) = shelf.take([signature.sign(plain, signature.read_key(key))])
        assert isinstance(note, LureRefused)
        assert why in note.why


def test_a_file_whose_tests_fail_does_not_go_live(shelf: Shelf, tmp_path: Path) -> None:
    write_lure(tmp_path / "folder", "a", "broken")
    why = f"{tmp_path / 'folder' / 'a.yaml'}:12: tests: does not hold"
    assert LureRefused(id="a", why=why) in shelf.look()
    assert words(shelf) == {"old": "built-in"}


def test_pushed_lures_are_bounded(shelf: Shelf, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_PUSHED", 1)
    shelf.take([push("a", 1, "first")])
    (note,) = shelf.take([push("b", 1, "first")])
    assert note == LureRefused(id="b", why="there are 1 pushed lures already")
    shelf.take([push("a", 2, "second")])
    assert words(shelf) == {"a": "second"}


def test_a_folder_that_is_gone_says_so(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "folder").rmdir()
    with pytest.raises(PropolisError, match=r"flaws\.packs"):
        shelf.look()
