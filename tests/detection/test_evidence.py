import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.detection import evidence
from propolis.detection.evidence import GROUPS, PROVED, RETURNED, SURE, Columns, Explanation

NOW = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND
FOUND = st.tuples(
    st.integers(0, len(GROUPS) - 1),
    st.floats(-1.0, 2 * SURE, allow_nan=False),
    st.integers(NOW - 30 * DAY, NOW),
)


def told(findings: list[tuple[int, float, int]]) -> Columns:
    columns = evidence.fresh(1)
    groups, weights, times = (np.array([one[part] for one in findings]) for part in range(3))
    evidence.add(
        columns,
        np.zeros(len(findings), np.int64),
        groups.astype(np.int64),
        weights.astype(np.float64),
        np.arange(len(findings), dtype=np.int32),
        times.astype(np.int64),
    )
    return columns


def probability(findings: list[tuple[int, float, int]], now: int = NOW) -> float:
    return float(evidence.probabilities(told(findings), now)[0])


@settings(max_examples=150)
@given(st.lists(FOUND, max_size=12))
def test_the_arrays_say_what_is_said_plainly(findings: list[tuple[int, float, int]]) -> None:
    assert probability(findings) == pytest.approx(evidence.plain(findings, NOW), abs=1e-6)


@settings(max_examples=100)
@given(st.lists(FOUND, max_size=8), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(findings: list[tuple[int, float, int]], chance: object) -> None:
    again = findings * 2
    chance.shuffle(again)  # type: ignore[attr-defined]
    assert probability(again) == pytest.approx(probability(findings), abs=1e-9)


@settings(max_examples=100)
@given(st.lists(FOUND, min_size=1, max_size=8), st.integers(0, 60 * DAY))
def test_evidence_wears_off(findings: list[tuple[int, float, int]], later: int) -> None:
    columns = told(findings)
    early, late = (np.abs(evidence.weights(columns, moment)) for moment in (NOW, NOW + later))
    assert (late <= early + 1e-9).all()
    assert (early <= SURE + 1e-9).all()


@settings(max_examples=100)
@given(st.lists(FOUND, min_size=1, max_size=8), FOUND)
def test_more_evidence_of_harm_never_speaks_for_a_source(
    findings: list[tuple[int, float, int]], more: tuple[int, float, int]
) -> None:
    before, after = probability(findings), probability([*findings, more])
    if more[0] == PROVED and before > 0:
        assert after <= before + 1e-9
    elif more[0] != PROVED:
        assert after >= before - 1e-9


def test_half_a_weight_is_left_after_a_half_life() -> None:
    columns = told([(1, 4.0, NOW)])
    assert evidence.weights(columns, NOW + GROUPS[1].half_life)[0, 1] == pytest.approx(2.0)


def test_of_one_group_only_the_strongest_counts_and_groups_add_up() -> None:
    assert probability([(2, 3.0, NOW)] * 9) == pytest.approx(probability([(2, 3.0, NOW)]))
    assert probability([(2, 3.0, NOW), (3, 1.0, NOW)]) > probability([(2, 3.0, NOW)])


def test_nothing_found_is_no_harm_and_a_slot_can_be_given_away() -> None:
    columns = told([(2, 3.0, NOW)])
    evidence.forget(columns, np.array([0]))
    assert evidence.probabilities(columns, NOW)[0] == 0.0
    assert evidence.explain(columns, 0, (), NOW) == Explanation(0.0, ())


def test_an_explanation_names_what_counts_and_how_much() -> None:
    said = evidence.explain(
        told([(0, 1.0, NOW), (2, 3.0, NOW), (PROVED, 2.0, NOW)]), 0, ("scan", "exploit", "engine"), NOW
    )
    assert [(part.group, part.rule, part.weight) for part in said.parts] == [
        ("exploited", "exploit", 3.0),
        ("proved", "engine", -2.0),
        ("looked", "scan", 1.0),
    ]
    assert said.probability == pytest.approx(
        evidence.plain([(0, 1.0, NOW), (2, 3.0, NOW), (PROVED, 2.0, NOW)], NOW)
    )


@pytest.mark.parametrize(
    ("technique", "grade", "group"),
    [
        ("T1595", "attempt", 0),
        ("T1190", "scan", 0),
        ("T1110.001", "attempt", 1),
        ("T1190", "attempt", 2),
        ("", "attempt", 2),
        ("T1059.004", "attempt", 3),
        ("T1078", "confirmed", RETURNED),
    ],
)
def test_groups(technique: str, grade: str, group: int) -> None:
    assert evidence.group_of(technique, grade) == group  # type: ignore[arg-type]


@given(st.integers(-5, 200))
def test_weights_grow_with_confidence_and_have_an_end(confidence: int) -> None:
    assert 0 <= evidence.weight_of(confidence) <= evidence.weight_of(confidence + 1) <= SURE


def test_scaling_finds_the_line_that_made_the_labels() -> None:
    chance = np.random.default_rng(1)
    sums = chance.uniform(-4, 4, 20_000)
    harmful = chance.random(20_000) < 1 / (1 + np.exp(-(1.5 * sums - 0.5)))
    slope, shift = evidence.platt(sums, harmful)
    assert (slope, shift) == (pytest.approx(1.5, abs=0.1), pytest.approx(-0.5, abs=0.1))
    said = 1 / (1 + np.exp(-(slope * sums + shift)))
    assert evidence.calibration_error(said, harmful) < 0.02


def test_an_error_of_calibration() -> None:
    assert evidence.calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert evidence.calibration_error(np.full(4, 0.5), np.array([True, False] * 2)) == 0.0
    assert math.isfinite(evidence.calibration_error(np.array([0.0]), np.array([False])))
