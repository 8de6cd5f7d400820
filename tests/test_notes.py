"""What Propolis says of itself: one class a line, counted, on standard error."""

import json

import msgspec
import pytest
import structlog

from propolis import notes
from propolis.notes import LimitHit, Note, StageFailed, StageStarted, counts, open_log, tell


@pytest.fixture(autouse=True)
def quiet() -> object:
    yield
    structlog.reset_defaults()


def kinds() -> list[type[Note]]:
    found, todo = [], [Note]
    while todo:
        children = todo.pop().__subclasses__()
        found += [child for child in children if child.__module__ == notes.__name__]
        todo += children
    return found


def test_a_note_is_a_json_line_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    open_log(json=True)
    before = counts["LimitHit"]
    tell(LimitHit(stage="sensor", limit="max_connections", cost="1 connection closed"))
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["limit"]) == ("LimitHit", "warning", "max_connections")
    assert line["timestamp"].endswith("Z")
    assert counts["LimitHit"] == before + 1


def test_a_note_for_people_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    open_log(json=False)
    tell(StageFailed(stage="detect", why="no\nway", again_in_seconds=1.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "StageFailed" in err


@pytest.mark.parametrize("kind", kinds())
def test_every_note_is_frozen_levelled_and_documented(kind: type[Note]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.level in {"info", "warning", "error"}
    assert kind.__doc__


def test_notes_are_values() -> None:
    assert StageStarted(stage="sensor") == StageStarted(stage="sensor", detail="")
    with pytest.raises(AttributeError):
        StageStarted(stage="sensor").stage = "other"  # type: ignore[misc]
    assert msgspec.structs.asdict(StageStarted(stage="s")) == {"stage": "s", "detail": ""}
