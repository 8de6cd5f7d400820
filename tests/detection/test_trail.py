import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import batch_of, tries
from propolis.detection.columns import Rows
from propolis.detection.trail import NOWHERE, firsts, follow, keep

steps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["count", "skip", "anew"])), max_size=40)


def plain(slots: list[int], counts: list[int]) -> tuple[list[int], list[int]]:
    """The reference of the kernel."""
    before, start = [], []
    latest: dict[int, tuple[int, int]] = {}
    for row, (slot, count) in enumerate(zip(slots, counts, strict=True)):
        last, first = latest.get(slot, (NOWHERE, NOWHERE))
        if count == 1:
            last, first = NOWHERE, row
        before.append(last if count else NOWHERE)
        start.append(first if count else NOWHERE)
        if count:
            latest[slot] = row, first
    return before, start


@given(steps)
@settings(max_examples=100, deadline=None)
def test_the_trail_equals_its_reference(steps: list[tuple[int, str]]) -> None:
    seen = dict.fromkeys(range(4), 5)
    counts = []
    for slot, what in steps:
        seen[slot] = {"count": seen[slot] + 1, "skip": seen[slot], "anew": 1}[what]
        counts.append(0 if what == "skip" else seen[slot])
    slots = [slot for slot, _ in steps]
    scratch = np.full((2, 4), NOWHERE, np.int32)
    trail = follow(np.array(slots, np.int32), np.array(counts, np.int32), scratch)
    assert (trail.before.tolist(), trail.start.tolist()) == plain(slots, counts)
    assert (scratch == NOWHERE).all()


def test_the_event_that_began_a_count_is_kept() -> None:
    rows = Rows(batch_of(tries("192.0.2.7", 3)))
    kept = firsts(4)
    keep(kept, rows, np.array([2, 2, 2], np.int32), np.array([1, 2, 1], np.int32), 9)
    assert kept.id[2].tolist() == rows.id[2].tolist()
    assert (kept.time[2], kept.opened[2], kept.sequence[2], kept.row[2]) == (
        rows.time[2],
        rows.opened[2],
        9,
        2,
    )
    assert kept.time[0] == 0
