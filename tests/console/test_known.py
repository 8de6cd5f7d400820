from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lure_files import lure_text, write_lure
from propolis.clock import SECOND, ManualClock
from propolis.config import parse
from propolis.console import known
from propolis.console.board import Board
from propolis.console.console import Console
from propolis.console.known import FRESH_SECONDS, Known, Playing
from propolis.flaws import signature
from propolis.flaws.publish import Publisher
from propolis.flaws.standing import Played, Standing
from propolis.stream import Stream
from watching import heartbeat


def board(*standings: Standing) -> Board:
    board = Board(ManualClock(), 1.0)
    for number, standing in enumerate(standings):
        board.on_heartbeat(heartbeat(name=f"edge.{number}", **standing.figure()))
    return board


@pytest.fixture
def lures(tmp_path: Path, stream: Any, clock: ManualClock) -> Known:
    _, connection, _ = stream
    write_lure(tmp_path / "mine", "from-a-file")
    config = parse(b'[flaws]\npacks = "mine"\n', tmp_path / "propolis.toml")
    signature.ensure_own_key(config)
    return Known(config, connection, clock)


async def push(known_: Known, stream: Stream, name: str, text: str, tmp_path: Path) -> None:
    key = tmp_path / "var" / "flaws" / "signing.pem"
    private = signature.read_key(key)
    await Publisher(stream, private, [signature.public_text(private)], ManualClock()).push(name, text)


async def test_it_has_what_is_built_in_in_the_folder_and_pushed(
    lures: Known, stream: Any, clock: ManualClock, tmp_path: Path
) -> None:
    await push(lures, stream[1], "pushed", lure_text("pushed"), tmp_path)
    await lures.refresh()
    assert {lure.origin for lure in lures.live.values()} == {"built-in", "folder", "pushed"}
    assert lures.live["pushed"].version == 1
    await push(lures, stream[1], "pushed", lure_text("pushed", "again"), tmp_path)
    await lures.refresh()
    assert lures.live["pushed"].version == 1
    clock.advance(int(FRESH_SECONDS * SECOND))
    await lures.refresh()
    assert lures.live["pushed"].version == 2


async def test_what_cannot_be_used_says_why_until_it_can(
    lures: Known, clock: ManualClock, tmp_path: Path
) -> None:
    path = write_lure(tmp_path / "mine", "bad")
    path.write_text("id: [")
    await lures.refresh()
    assert "is not YAML" in lures.refused["bad"]
    write_lure(tmp_path / "mine", "bad", "mended")
    clock.advance(int(FRESH_SECONDS * SECOND))
    await lures.refresh()
    assert "bad" not in lures.refused


async def test_a_stream_that_is_away_leaves_the_files(lonely: Console) -> None:
    await lonely.known.refresh()
    assert {lure.origin for lure in lonely.known.live.values()} == {"built-in"}


def test_hits_of_all_sensors_are_added() -> None:
    one, two = Standing(hits={"a": 1, "b": 2}), Standing(hits={"a": 3})
    assert known.hits(board(one, two).stages("sensor")) == {"a": 4, "b": 2}


def test_workers_of_a_sensor_play_the_same_part() -> None:
    played = Played(80, "nginx", ("drupal",))
    standing = Standing(cast=(played,), rotates=7)
    assert known.playing(board(standing, standing).stages("sensor")) == (Playing("edge", played, 7),)


def test_a_refusal_names_the_sensor() -> None:
    beats = board(Standing(refused={"a": "unsigned"})).stages("sensor")
    assert known.refusals(beats) == {"a": "edge.0: unsigned"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(("live", "hits", "cast", "refused", "rotates")), anything))
def test_whatever_a_heartbeat_carries_it_can_be_read(said: dict[str, Any]) -> None:
    beats = Board(ManualClock(), 1.0)
    beats.on_heartbeat(heartbeat(flaws=said))
    sensors = beats.stages("sensor")
    readers: tuple[Callable[[Any], Any], ...] = (known.hits, known.playing, known.refusals)
    for read in readers:
        read(sensors)
