import numpy as np

from facts import counts_of, key_batch
from propolis.detection.behaviours.keyed import KEY
from propolis.detection.behaviours.keyed.crowd import Keys
from propolis.detection.behaviours.keyed.sketch import MOST_CROWD


def test_each_new_source_of_a_key_counts() -> None:
    rows = [(n, {"source": n, "key": 1}) for n in (1, 2, 2, 3, 1)]
    assert counts_of(KEY, "crowd", rows) == [1, 2, 0, 3, 0]


def test_many_sources_are_counted_about_right_and_boundedly() -> None:
    rows = [(0, {"source": n, "key": 1}) for n in range(1, 5_000)]
    assert 3_000 < max(counts_of(KEY, "crowd", rows)) < 7_000 < MOST_CROWD


def test_a_row_says_what_is_shared() -> None:
    keys = Keys(key_batch([(0, 1, 7)]), np.array([1, 2], np.uint64))
    assert keys.summary(0) == f"payload {7:032x}"
    assert keys.place(0)[0] == "edge-1"
    assert keys.event(0) == (bytes(16), 0)
