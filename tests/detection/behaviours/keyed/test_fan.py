from hypothesis import given, settings
from hypothesis import strategies as st

from facts import counts_of, visits
from propolis.detection.behaviours.keyed import FLOW, LOGIN
from propolis.detection.behaviours.keyed.sketch import MOST


def test_one_port_on_many_targets_is_horizontal() -> None:
    rows = visits(*({"target": target, "port": 23, "outcome": "refused"} for target in range(1, 9)))
    assert counts_of(FLOW, "horizontal", rows)[:4] == [1, 2, 3, 4]
    assert max(counts_of(FLOW, "vertical", rows)) == 1


def test_many_ports_of_one_target_are_vertical() -> None:
    rows = visits(*({"port": port, "outcome": "no answer"} for port in range(1, 9)))
    assert counts_of(FLOW, "vertical", rows)[:4] == [1, 2, 3, 4]
    assert max(counts_of(FLOW, "horizontal", rows)) == 1


def test_what_is_there_votes_against() -> None:
    gone = [{"target": target, "port": 80, "outcome": "refused"} for target in range(1, 5)]
    there = [{"target": target, "port": 80} for target in range(11, 15)]
    assert counts_of(FLOW, "horizontal", visits(*gone, *there, {**gone[0], "target": 9}))[-1] == 1


def test_a_few_other_ports_do_not_hide_the_one() -> None:
    runs = []
    for target in range(1, 31):
        runs.append({"target": target, "port": 445, "outcome": "no answer"})
        if target % 3 == 0:
            runs.append({"target": target, "port": 100 + target, "outcome": "no answer"})
    assert max(counts_of(FLOW, "horizontal", visits(*runs))) > 20


def test_the_count_is_bounded() -> None:
    rows = visits(*({"target": target, "port": 23, "outcome": "refused"} for target in range(1, 1_900)))
    assert max(counts_of(FLOW, "horizontal", rows)) <= MOST


def test_one_secret_for_many_users_is_spraying() -> None:
    rows = [(n, {"user": f"user{n}", "secret": "Winter2025"}) for n in range(6)]
    assert counts_of(LOGIN, "spraying", rows)[:3] == [1, 2, 3]
    rows = [(n, {"user": "root", "secret": f"{n}"}) for n in range(20)]
    assert max(counts_of(LOGIN, "spraying", rows)) == 1


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 60), st.integers(1, 3), st.sampled_from(("refused", "refused", "established"))
        ),
        max_size=150,
    )
)
@settings(max_examples=60, deadline=None)
def test_kernel_and_reference_agree_of_a_mixed_fan(rows: list[tuple[int, int, str]]) -> None:
    mixed = visits(*({"target": target, "port": port, "outcome": outcome} for target, port, outcome in rows))
    for fan in ("horizontal", "vertical"):
        assert len(counts_of(FLOW, fan, mixed)) == len(rows)
