"""The walk decides as Wald's bounds say, in a handful of connections."""

import random

import pytest

from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW
from propolis.detection.behaviours.keyed.trw import DECADE, MOST_NINES, Scan, Scatter


def sweep(targets: int, **fields: object) -> list[dict[str, object]]:
    return [
        {"target": target, "port": 22, "outcome": "no answer", **fields} for target in range(1, targets + 1)
    ]


@pytest.mark.parametrize(("nines", "connections"), [(1, 3), (2, 5), (4, 8), (5, 10)])
def test_a_scan_is_certain_after_a_handful(nines: int, connections: int) -> None:
    counts = counts_of(FLOW, "scan", visits(*sweep(connections)))
    assert counts[-1] >= nines > counts[-2]


def test_a_ports_scan_is_certain_after_as_many() -> None:
    runs = [{"port": port, "outcome": "refused"} for port in range(1, 9)]
    assert counts_of(FLOW, "scan", visits(*runs))[-1] >= 4


def test_a_success_takes_back_what_a_failure_gave() -> None:
    there = [{"target": target} for target in range(50, 53)]
    assert counts_of(FLOW, "scan", visits(*sweep(5), *there, *sweep(8)))[-1] < 4


def test_whoever_tries_the_same_again_is_no_scanner() -> None:
    assert set(counts_of(FLOW, "scan", visits({"outcome": "refused", "times": 500}))) == {0}


def test_a_good_name_is_worth_a_bounded_credit() -> None:
    there = [{"target": target} for target in range(100, 160)]
    assert counts_of(FLOW, "scan", visits(*there, *sweep(12)))[-1] >= 4


def test_scattered_failures_take_longer_and_a_peer_is_spared() -> None:
    lost = [{"target": n, "port": 1_000 + n, "outcome": "no answer"} for n in range(1, 40)]
    assert max(counts_of(FLOW, "scan", visits(*lost))) == 0
    counts = counts_of(FLOW, "scatter", visits(*lost))
    assert next(place for place, count in enumerate(counts) if count >= 5) in range(25, 30)
    chance = random.Random(1)
    peers = [
        {"target": n, "port": 1_000 + n, "outcome": "no answer" if chance.random() < 0.6 else "established"}
        for n in range(1, 500)
    ]
    assert max(counts_of(FLOW, "scatter", visits(*peers))) < 5


def test_the_walk_is_bounded() -> None:
    assert max(counts_of(FLOW, "scan", visits(*sweep(300)))) == MOST_NINES


def test_the_steps_are_the_papers() -> None:
    assert Scan().up == -Scan().down == round(DECADE * 0.60206)
    assert (Scatter().up, Scatter().down) == (1_996, -9_031)
