import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from propolis.clock import MILLISECOND, ManualClock
from propolis.events import pack
from propolis.sensors.limits import Guests, Tally


def test_a_limit_is_counted_always_and_told_now_and_then() -> None:
    clock = ManualClock()
    tally = Tally(clock, "sensor")
    with capture_logs() as told:
        for _ in range(5):
            tally.hit("sensors.max_connections", "one was closed")
            clock.advance(300 * MILLISECOND)
    assert tally.hits["sensors.max_connections"] == 5
    assert [note["cost"] for note in told] == ["one was closed (1 so far)", "one was closed (5 so far)"]
    assert {note["stage"] for note in told} == {"sensor"}


def test_each_limit_is_told_of_by_itself() -> None:
    tally = Tally(ManualClock(), "sensor")
    with capture_logs() as told:
        tally.hit("a", "x")
        tally.hit("b", "y")
    assert [note["limit"] for note in told] == ["a", "b"]


def test_a_source_may_have_so_many_and_then_no_more() -> None:
    guests: Guests[str, int] = Guests(100, 2)
    for guest in (1, 2):
        assert guests.has_room("a")
        assert guests.enter(guest, "a") is None
    assert not guests.has_room("a")
    assert guests.has_room("b")
    guests.leave(1)
    assert guests.has_room("a")


def test_the_longest_idle_makes_room() -> None:
    guests: Guests[str, int] = Guests(3, 100)
    for guest in (1, 2, 3):
        guests.enter(guest, "a")
    guests.touch(1)
    assert guests.idle_first() == [2, 3, 1]
    assert guests.enter(4, "b") == 2
    assert guests.idle_first() == [3, 1, 4]
    assert len(guests) == 3
    guests.leave(2)
    guests.touch(2)
    assert len(guests) == 3


def test_a_hundred_thousand_sources_are_forgotten_again() -> None:
    guests: Guests[bytes, int] = Guests(8_000, 128)
    sources = [pack(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(100_000)]
    for guest, source in enumerate(sources):
        assert guests.has_room(source)
        guests.enter(guest, source)
    assert len(guests) == 8_000
    assert len(guests._per_source) == 8_000
    for guest in range(100_000):
        guests.leave(guest)
    assert len(guests) == 0
    assert len(guests._per_source) == 0
    assert sys.getsizeof(guests._per_source) < 1_000_000


@pytest.mark.parametrize("most", [1, 7])
def test_it_never_holds_more_than_the_bound(most: int) -> None:
    guests: Guests[Any, int] = Guests(most, 10)
    left = [guests.enter(guest, guest % 3) for guest in range(20)]
    assert len(guests) == most
    assert [guest for guest in left if guest is not None] == [*range(20 - most)]
