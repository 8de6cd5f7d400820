from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import ManualClock
from propolis.console.board import Board
from propolis.console.fleet import _drift, _figures, _path, _ports, _sensor
from propolis.measure import Exposure, Path, Spread
from watching import heartbeat

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
figures = st.dictionaries(
    st.sampled_from(("ports", "drift", "mode", "active", "events")), anything, max_size=5
)


@given(figures)
def test_whatever_a_heartbeat_carries_it_can_be_shown(said: dict[str, Any]) -> None:
    board = Board(ManualClock(), 1.0)
    board.on_heartbeat(msgspec.structs.replace(heartbeat(), figures=said))
    shown = (_figures(said), _drift(said.get("drift")), *_ports(board.stages("sensor")).values())
    assert all(text.isprintable() and len(text) <= 400 for text in shown)


def test_drift_is_said_in_words() -> None:
    assert _drift({"missing": 2, "orphan": 0, "wrong_until": 1, "repaired": 0}) == "2 missing, 1 wrong until"
    assert _drift({"missing": 0}) == "none"
    assert _drift(None) == "none"


def test_a_sensor_says_how_soon_it_was_found() -> None:
    row = _sensor(Exposure("edge", 0, 41.0, None, 7), {"edge": "ssh 22"})
    assert (row["scan"], row["attack"], row["ports"]) == ("after 41 s", "not yet", "ssh 22")


def test_a_path_that_only_pretends_says_so() -> None:
    spread = Spread(3, 5.0, 4.0, 9.0, 9.5, 9.9)
    assert "dry run" in _path(Path("r", "dry-run", "edge", False, spread))["enforcer"]  # noqa: FBT003 - enforces
    assert _path(Path("r", "nftables", "edge", True, spread))["p95"] == "9 ms"  # noqa: FBT003 - enforces


@pytest.mark.root
def test_the_stages_that_are_up_are_there_with_their_heartbeat(visit: Any) -> None:
    text = visit.until(
        "const t = document.querySelector('.stages tbody')?.innerText || '';"
        "return ['decide', 'enforcer', 'console'].every(s => t.includes(s)) && t"
    )
    assert text.count("UP") == 3
    assert "±" in text
