from collections.abc import Callable
from pathlib import Path

from propolis import config, notes
from propolis.clock import SECOND, ManualClock
from propolis.decisions import Decision
from propolis.enforcers import Active, DryRun

Decide = Callable[..., Decision]


def test_it_says_what_it_would_do_and_never_claims_to_do_it(decide: Decide, tmp_path: Path) -> None:
    clock = ManualClock()
    dry, active = DryRun(config.Enforcers(), clock, tmp_path), Active()
    dry.open()
    told = notes.counts["WouldEnforce"]
    block = decide("198.18.1.1", clock.now(), seconds=60)
    active.put(block)
    active.put(decide("198.18.1.2", clock.now(), action="monitor"))

    dry.apply(active)
    dry.apply(active)

    assert not dry.enforces
    assert notes.counts["WouldEnforce"] == told + 1
    assert dry.read_back() == dry.read_back([block.target]) == {block.target: block.until}
    assert not list(tmp_path.iterdir())

    clock.advance(60 * SECOND)
    assert dry.read_back() == {}


def test_it_releases_and_forgets(decide: Decide, tmp_path: Path) -> None:
    clock = ManualClock()
    dry, active = DryRun(config.Enforcers(), clock, tmp_path), Active()
    block = decide("198.18.1.1", clock.now())
    active.put(block)
    dry.apply(active)
    active.drop(block.target)
    dry.apply(active, whole=True)
    assert dry.read_back() == {}
    active.put(block)
    dry.apply(active)
    dry.remove()
    assert dry.read_back() == {}
    dry.apply(active)
    assert dry.read_back() == {block.target: block.until}
    dry.close()
