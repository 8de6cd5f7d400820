from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW
from propolis.detection.behaviours.keyed.slow import HOURS


def probes(hours: int, every: int = 3_600) -> list[dict[str, object]]:
    return [{"target": n, "port": 22, "outcome": "no answer", "every": every} for n in range(1, hours + 1)]


def test_each_hour_with_only_failures_counts() -> None:
    assert counts_of(FLOW, "slow", visits(*probes(6))) == [1, 2, 3, 4, 5, 6]
    assert max(counts_of(FLOW, "slow", visits(*probes(30, every=30)))) == 1


def test_an_hour_in_which_something_worked_is_taken_away() -> None:
    assert counts_of(FLOW, "slow", visits(*probes(3), {"every": 0}, *probes(6)[3:]))[-1] == 4


def test_a_day_is_remembered_and_no_more() -> None:
    assert max(counts_of(FLOW, "slow", visits(*probes(60)))) in {HOURS - 1, HOURS}
    assert counts_of(FLOW, "slow", visits(*probes(3), *probes(5, every=90_000)[3:]))[-1] == 1


def test_a_late_row_counts_in_its_own_hour_and_a_very_late_one_nowhere() -> None:
    rows = visits(*probes(3))
    (_, fields) = rows[0]
    late = [(-3_600, {**fields, "target": 90}), (-30 * 3_600, {**fields, "target": 91})]
    assert counts_of(FLOW, "slow", rows + late) == [1, 2, 3, 4, 0]
