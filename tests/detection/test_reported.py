import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.reported import bits, claim, words


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.sets(st.integers(0, 129), max_size=3)), max_size=30
    ),
)
@settings(max_examples=100, deadline=None)
def test_a_rule_is_new_once_until_its_source_begins_anew(rows: list[tuple[int, bool, set[int]]]) -> None:
    said: dict[int, set[int]] = {slot: set() for slot in range(4)}
    expected = []
    for slot, turned, rules in rows:
        if turned:
            said[slot] = set()
        for rule in sorted(rules):
            expected.append((rule not in said[slot], sorted(said[slot])))
            said[slot].add(rule)
    reported = np.zeros((4, words(130)), np.uint64)
    hits = [(row, rule) for row, (_, _, rules) in enumerate(rows) for rule in sorted(rules)]
    pairs = np.array(hits, np.int64).reshape(-1, 2)
    slots = np.array([slot for slot, _, _ in rows], np.int32)
    first, before = claim(
        reported, slots, np.array([turned for _, turned, _ in rows], np.bool_), pairs[:, 0], pairs[:, 1]
    )
    got = [(new, list(bits(tuple(seen)))) for new, seen in zip(first.tolist(), before.tolist(), strict=True)]
    assert got == expected


@pytest.mark.parametrize(("rules", "room"), [(0, 1), (1, 1), (64, 1), (65, 2)])
def test_a_word_holds_64_rules(rules: int, room: int) -> None:
    assert words(rules) == room
