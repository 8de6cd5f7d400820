import pytest
from hypothesis import given
from hypothesis import strategies as st

from nouns import findings
from propolis.detection.grade import CERTAIN, combine, raised, standing
from propolis.findings import GRADES, Finding


@pytest.mark.parametrize(
    ("pieces", "together"),
    [
        ((), 0),
        ((80,), 80),
        ((80, 50), 90),
        ((90, 80), 98),
        ((99, 99), CERTAIN),
        ((100, 10), 100),
        ((0, 0), 0),
    ],
)
def test_independent_evidence_adds_up(pieces: tuple[int, ...], together: int) -> None:
    assert combine(pieces) == together


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_more_evidence_never_lowers_confidence(pieces: list[int]) -> None:
    assert max(pieces) <= combine(pieces) <= 100
    assert combine(pieces[:-1]) <= combine(pieces)
    assert combine(pieces) == combine(pieces[::-1])


def test_another_technique_raises_confidence() -> None:
    assert raised(("T1190", 90), [("T1046", 80)]) == 98


def test_the_same_technique_may_have_seen_the_same_thing() -> None:
    assert raised(("T1110.001", 80), [("T1110", 90)]) == 80
    assert raised(("T1190", 80), [("T1046", 50), ("T1046", 50)]) == 90


def test_without_a_technique_nothing_is_independent() -> None:
    assert raised(("", 60), [("T1046", 80)]) == 60
    assert raised(("T1190", 60), [("", 80)]) == 60


@given(st.lists(findings(), max_size=6))
def test_a_source_stands_where_its_worst_finding_is(found: list[Finding]) -> None:
    stands = standing(found)
    assert set(stands) == {finding.source for finding in found}
    last = {(finding.source, finding.rule): finding for finding in found}
    for source, stand in stands.items():
        own = [finding for (owner, _), finding in last.items() if owner == source]
        assert GRADES.index(stand.grade) == max(GRADES.index(finding.grade) for finding in own)
        assert stand.confidence >= max(finding.confidence for finding in own)
        assert stand.rules == tuple(sorted(finding.rule for finding in own))
