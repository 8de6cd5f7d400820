"""A rule's count is reported once a key and window, from when it began there."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.behaviours.keyed.judge import Bars, Hits, Standings, judge, standings

WINDOW = 1_000_000
BARS = Bars(np.array([0, 1, 1], np.int64), np.array([2, 1, 3], np.int32))


def run(rows: list[tuple[int, bool, int, int, int]], state: Standings) -> Hits:
    slots, turned, times, first, second = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 5
    )
    counts = np.array([first, second], np.int32).reshape(2, -1)
    return judge(
        np.array(slots, np.int32),
        np.array(turned, np.bool_),
        np.array(times, np.int64),
        counts,
        BARS,
        WINDOW,
        state,
    )


def plain(rows: list[tuple[int, bool, int, int, int]]) -> list[tuple[int, int, int, int]]:
    state: dict[int, tuple[int, set[int], dict[int, int]]] = {}
    hits = []
    for row, (slot, turned, time, *counts) in enumerate(rows):
        window, reported, began = state.get(slot, (0, set(), {}))
        if not (turned or any(counts)):
            continue
        if turned or time // WINDOW > window:
            window, reported, began = time // WINDOW, set(), {}
        state[slot] = window, reported, began
        for rule, (counter, least) in enumerate(zip(BARS.counter.tolist(), BARS.least.tolist(), strict=True)):
            if not counts[counter]:
                continue
            began.setdefault(counter, max(0, time - window * WINDOW) // 1_000 * 1_000)
            if counts[counter] >= least and rule not in reported:
                reported.add(rule)
                hits.append((row, rule, window, min(window * WINDOW + began[counter], time)))
    return hits


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2), st.booleans(), st.integers(0, 5_000_000), st.integers(0, 4), st.integers(0, 4)
        ),
        max_size=60,
    )
)
@settings(max_examples=80, deadline=None)
def test_hits_are_those_of_the_plain_reference(rows: list[tuple[int, bool, int, int, int]]) -> None:
    hits = run(rows, standings(3, 2))
    assert list(zip(*(column.tolist() for column in hits), strict=True)) == plain(rows)


def test_the_next_window_reports_again_what_goes_on() -> None:
    state = standings(1, 2)
    rows = [(0, True, 10, 2, 0), (0, False, 20, 9, 0), (0, False, WINDOW + 5_000, 9, 0), (0, False, 30, 9, 0)]
    hits = run(rows, state)
    assert hits.row.tolist() == [0, 2]
    assert hits.window.tolist() == [0, 1]


def test_a_count_began_before_it_reached_the_bar() -> None:
    hits = run([(0, True, 5_000, 1, 0), (0, False, 9_000, 2, 0)], standings(1, 2))
    assert (hits.row.tolist(), hits.began.tolist()) == ([1], [5_000])
