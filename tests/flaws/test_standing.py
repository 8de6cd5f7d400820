from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.standing import (
    MAX_HITS,
    MAX_REFUSED,
    MAX_WHY,
    RULES,
    Played,
    Refusals,
    Standing,
    most_hit,
    standing_of,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_what_a_heartbeat_says_is_read_back() -> None:
    standing = Standing(
        live=3,
        pushed=1,
        sequence=7,
        refused={"a": "unsigned"},
        hits={"b": 2},
        cast=(Played(80, "nginx", ("drupal",)),),
        rotates=9,
    )
    figures = msgspec.json.decode(msgspec.json.encode({"events": 1, **standing.figure()}))
    assert standing_of(figures) == standing


@given(anything)
def test_anything_else_says_nothing(said: Any) -> None:
    standing = standing_of({"flaws": said})
    assert standing is None or isinstance(standing, Standing)


def test_a_heartbeat_without_lures_says_nothing() -> None:
    assert standing_of({}) is None


def test_only_the_most_hit_are_repeated() -> None:
    most = most_hit({f"lure-{number}": number for number in range(MAX_HITS + 5)})
    assert len(most) == MAX_HITS
    assert next(iter(most)) == f"lure-{MAX_HITS + 4}"
    assert "lure-4" not in most


def test_a_process_says_what_it_refused_lately_and_lifts_what_is_live_after_all() -> None:
    refusals = Refusals()
    for number in range(MAX_REFUSED + 2):
        refusals.refuse(f"lure-{number}", "x" * 1_000)
    refusals.refuse("lure-2", "again")
    refusals.lift("lure-3")
    said = refusals.as_dict()
    assert len(said) == MAX_REFUSED - 1
    assert "lure-0" not in said
    assert list(said)[-1] == "lure-2"
    assert {len(why) for why in said.values()} == {MAX_WHY, len("again")}


def test_what_is_said_of_rules_stands_beside_what_is_said_of_lures() -> None:
    figures = Standing(live=3).figure() | Standing(live=4).figure(RULES)
    assert standing_of(figures) == Standing(live=3)
    assert standing_of(figures, RULES) == Standing(live=4)
