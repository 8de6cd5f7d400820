from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.console.hero import _attack_clock, _explained, _headline
from propolis.measure import Spread, summarise
from watching import acknowledgement, decided


def test_the_attack_clock_stands_beside_ours() -> None:
    options = _attack_clock(Spread(100, 5.0, 4.2, 9.0, 21.0, 30.0))
    shown = dict(
        zip(
            options["yAxis"]["data"],
            (bar["label"]["formatter"] for bar in options["series"][0]["data"]),
            strict=True,
        )
    )
    assert shown == {
        "Protection, as published": "30 min",
        "Attackers strike": "180 s",
        "Attackers find a decoy": "90 s",
        "Propolis, p99": "21 ms",
        "Propolis, median": "4.2 ms",
    }


def test_without_a_defence_the_attackers_clock_stands_alone() -> None:
    assert len(_attack_clock(None)["yAxis"]["data"]) == 3
    assert len(_attack_clock(Spread())["yAxis"]["data"]) == 3


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_every_bar_can_be_drawn_on_a_logarithmic_scale(p50: float, p99: float) -> None:
    bars = _attack_clock(Spread(1, p50, p50, p99, p99, p99))["series"][0]["data"]
    assert all(bar["value"] >= 1 for bar in bars)


def test_real_defences_come_before_rehearsed_ones() -> None:
    block = decided().decision
    rehearsed = summarise([acknowledgement(block, 3.0, enforcer="dry-run", enforces=False)])
    total, pretended = _headline(rehearsed)
    assert (total.p50, pretended) == (3.0, True)
    assert "dry runs" in _explained(rehearsed, total, pretended=pretended)
    both = [acknowledgement(block, 3.0, enforcer="dry-run", enforces=False), acknowledgement(block, 8.0)]
    assert _headline(summarise(both))[1] is False
    assert _headline(summarise(both))[0].p50 == 8.0


def test_before_the_first_defence_the_page_says_how_to_measure_one() -> None:
    report = summarise(())
    assert "propolis drill" in _explained(report, *_headline(report)[:1], pretended=False)


@pytest.mark.root
def test_the_charts_are_drawn(visit: Any) -> None:
    assert visit.until("return document.querySelectorAll('canvas').length >= 2")
