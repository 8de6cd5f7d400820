"""What Propolis says of itself: one class a line, counted, on standard error."""

import json
import os
import socket
import subprocess
import sys

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


def test_a_line_and_its_end_are_one_write() -> None:
    """Stages share one log; where Python buffers nothing, two writes would let another stage in between."""
    program = (
        "from propolis.notes import StageStarted, open_log, tell\n"
        "open_log(json=True)\ntell(StageStarted(stage='sensor'))"
    )
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    with ours, theirs:
        unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}
        subprocess.run([sys.executable, "-c", program], stderr=theirs, env=unbuffered, check=True)
        written = ours.recv(65_536)
    assert written.endswith(b"\n")
    assert json.loads(written)["event"] == "StageStarted"


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
