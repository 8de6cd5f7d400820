from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.console.hits import HISTORY_SECONDS, Hits, whole


def test_two_heartbeats_make_a_rate() -> None:
    hits = Hits()
    hits.count("a", {"connections": 100, "events": 300}, 0)
    assert hits.connections_per_second == 0
    hits.count("a", {"connections": 130, "events": 360}, 3 * SECOND)
    assert (hits.connections_per_second, hits.events_per_second) == (10, 20)
    assert (hits.connections, hits.events) == (130, 360)


def test_workers_add_up_and_a_lost_one_counts_no_longer() -> None:
    hits = Hits()
    for worker in ("a", "b"):
        hits.count(worker, {"connections": 0}, 0)
        hits.count(worker, {"connections": 30}, 3 * SECOND)
    assert hits.connections_per_second == 20
    hits.forget("a")
    assert hits.connections_per_second == 10


def test_a_worker_that_starts_again_begins_anew() -> None:
    hits = Hits()
    hits.count("a", {"connections": 5_000}, 0)
    hits.count("a", {"connections": 12}, 3 * SECOND)
    assert hits.connections_per_second == 0
    hits.count("a", {"connections": 15}, 6 * SECOND)
    assert hits.connections_per_second == 1


def test_the_history_is_bounded() -> None:
    hits = Hits()
    for _ in range(2 * HISTORY_SECONDS):
        hits.sample()
    assert len(hits.history) == HISTORY_SECONDS


@given(
    st.dictionaries(
        st.just("connections"), st.none() | st.text() | st.integers() | st.floats() | st.booleans()
    )
)
def test_whatever_a_heartbeat_says_a_counter_is_a_number(figures: dict[str, Any]) -> None:
    assert whole(figures, "connections") >= 0
    Hits().count("a", figures, 0)
