import random

from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW


def test_visits_at_the_same_interval_count() -> None:
    assert counts_of(FLOW, "beacon", visits({"every": 60, "times": 6})) == [0, 0, 0, 1, 2, 3]


def test_a_little_jitter_and_a_missed_beat_are_forgiven() -> None:
    chance = random.Random(1)
    runs = [{"every": 60 + chance.randint(-4, 4) + 60 * (n == 12)} for n in range(24)]
    assert counts_of(FLOW, "beacon", visits(*runs))[-1] > 15


def test_visits_at_any_time_do_not_count() -> None:
    chance = random.Random(1)
    runs = [{"every": chance.randint(5, 600)} for _ in range(200)]
    assert max(counts_of(FLOW, "beacon", visits(*runs))) < 5


def test_one_long_visit_is_no_beat() -> None:
    assert set(counts_of(FLOW, "beacon", visits({"every": 1, "times": 500}))) == {0}


def test_a_beacon_is_seen_among_other_things() -> None:
    chance, rows = random.Random(1), visits({"target": 9, "port": 4_444, "every": 300, "times": 140})
    for _ in range(1_000):
        rows += [(chance.randrange(42_000), {**rows[0][1], "target": chance.randint(20, 60), "port": 443})]
    rows.sort(key=lambda row: row[0])
    counts = counts_of(FLOW, "beacon", rows)
    assert max(count for count, row in zip(counts, rows, strict=True) if row[1]["target"] == 9) > 12
