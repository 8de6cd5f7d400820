from collections.abc import Callable

from propolis.clock import SECOND
from propolis.decisions import Decision, target_of
from propolis.enforcers.drift import Drift, drift

NOW = 1_700_000_000 * SECOND
Decide = Callable[..., Decision]


def active(*decisions: Decision) -> dict:
    return {decision.target: decision for decision in decisions}


def test_a_world_that_agrees_has_none(decide: Decide) -> None:
    decision = decide("198.18.1.1", NOW)
    found = drift(active(decision), {decision.target: decision.until + SECOND}, NOW, SECOND)
    assert found == Drift()
    assert not found


def test_each_way_to_differ_is_told_apart(decide: Decide) -> None:
    missing, early = decide("198.18.1.1", NOW), decide("198.18.1.2", NOW)
    orphan = target_of("203.0.113.0/24")
    found = drift(
        active(missing, early),
        {early.target: early.until - 2 * SECOND, orphan: NOW + 60 * SECOND},
        NOW,
        SECOND,
    )
    assert found == Drift(missing=(missing.target,), orphan=(orphan,), wrong_until=(early.target,))
    assert found


def test_what_ends_about_now_may_be_there_or_not(decide: Decide) -> None:
    ending = decide("198.18.1.1", NOW, seconds=0.5)
    assert not drift(active(ending), {}, NOW, SECOND)
    assert not drift({}, {ending.target: ending.until}, NOW, SECOND)


def test_only_blocks_are_expected(decide: Decide) -> None:
    counted = decide("198.18.1.1", NOW, action="count")
    assert not drift(active(counted), {}, NOW, SECOND)
    assert drift(active(counted), {counted.target: counted.until}, NOW, SECOND).orphan == (counted.target,)
