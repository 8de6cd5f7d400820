from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW
from propolis.detection.behaviours.keyed.contacts import FULL


def test_a_service_is_met_once() -> None:
    rows = visits({"target": 1, "times": 2}, {"target": 2}, {"target": 1}, {"target": 1, "port": 80})
    assert counts_of(FLOW, "contacts", rows) == [1, 0, 1, 0, 1]


def test_what_says_nothing_is_no_contact() -> None:
    rows = visits({"outcome": "unknown"}, {"outcome": "reset"}, {"outcome": "no answer", "protocol": 17}, {})
    assert counts_of(FLOW, "contacts", rows) == [0, 0, 0, 1]


def test_the_memory_is_bounded_and_begins_anew_when_it_is_half_full() -> None:
    rows = visits(*({"target": target} for target in range(1, 2_000)))
    met = sum(counts_of(FLOW, "contacts", rows))
    assert 1_999 * 0.6 < met <= 1_999
    again = counts_of(FLOW, "contacts", visits(*({"target": target % FULL} for target in range(3 * FULL))))
    assert 0.6 * FULL < sum(again) <= 2 * FULL
