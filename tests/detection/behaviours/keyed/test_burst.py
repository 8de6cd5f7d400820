from hypothesis import given, settings
from hypothesis import strategies as st

from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW
from propolis.detection.behaviours.keyed.burst import WARM

USUAL = {"every": 10, "times": 6 * (WARM + 4)}


def test_a_burst_above_the_usual_counts_in_multiples_of_it() -> None:
    counts = counts_of(FLOW, "burst", visits(USUAL, {"every": 0, "times": 200}))
    assert counts[-1] > 15
    assert max(counts[: 6 * WARM]) == 0


def test_nothing_is_said_of_a_source_that_is_not_known_yet() -> None:
    assert max(counts_of(FLOW, "burst", visits({"every": 0, "times": 900}))) == 0


def test_the_same_burst_means_less_to_a_busy_source() -> None:
    busy = {"every": 1, "times": 60 * (WARM + 4)}
    usual, more = (
        counts_of(FLOW, "burst", visits(run, {"every": 0, "times": 200}))[-1] for run in (USUAL, busy)
    )
    assert more < usual / 4


def test_excess_of_several_minutes_adds_up_and_is_forgotten_in_quiet_ones() -> None:
    high = {"every": 2, "times": 90}
    once = max(counts_of(FLOW, "burst", visits(USUAL, {"every": 2, "times": 30})))
    assert max(counts_of(FLOW, "burst", visits(USUAL, high))) > once
    assert counts_of(FLOW, "burst", visits(USUAL, high, {"every": 7_200}, {}))[-1] == 0


def test_a_burst_does_not_teach_to_expect_it() -> None:
    again = [{"every": 0, "times": 300}, {"every": 60}] * 3
    counts = counts_of(FLOW, "burst", visits(USUAL, *again, {"every": 0, "times": 300}))
    assert counts[-1] > 10


@given(
    runs=st.lists(
        st.fixed_dictionaries(
            {"every": st.sampled_from((0, 1, 7, 20, 90, 600)), "times": st.sampled_from((1, 20, 150, 400))}
        ),
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_kernel_and_reference_agree_of_a_source_that_is_known(runs: list[dict[str, int]]) -> None:
    assert len(counts_of(FLOW, "burst", visits(USUAL, *runs))) >= USUAL["times"]
