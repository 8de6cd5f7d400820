"""The first line that fits decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import SETTINGS, finding
from propolis.config import PolicyLine
from propolis.decisions import fit
from propolis.findings import GRADES


@pytest.mark.parametrize(
    ("grade", "confidence", "action"),
    [
        ("confirmed", 0, "block"),
        ("attempt", 70, "block"),
        ("attempt", 69, "monitor"),
        ("scan", 90, "block"),
        ("scan", 89, "monitor"),
        ("seen", 100, "monitor"),
    ],
)
def test_the_default_policy(grade: str, confidence: int, action: str) -> None:
    line = fit(SETTINGS.policy, finding(grade=grade, confidence=confidence))
    assert line is not None
    assert line.action == action


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("*", True),
        ("ssh-guessing", True),
        ("ssh-*", True),
        ("ssh-guess", False),
        ("SSH-*", False),
        ("*-scan", False),
        ("[", False),
        ("", False),
    ],
)
def test_a_rule_is_a_name_or_a_pattern(rule: str, *, fits: bool) -> None:
    line = PolicyLine(grade="seen", action="count", ttl_seconds=1.0, rule=rule)
    assert (fit((line,), finding()) is line) == fits


def test_a_name_that_looks_like_a_pattern_is_found_by_its_name() -> None:
    line = PolicyLine(grade="seen", action="count", ttl_seconds=1.0, rule="cve[2021]")
    assert fit((line,), finding(rule="cve[2021]")) is line


def test_the_first_of_two_that_fit_wins() -> None:
    first = PolicyLine(grade="scan", action="count", ttl_seconds=1.0, rule="ssh-*")
    assert fit((first, *SETTINGS.policy), finding()) is first
    assert fit((), finding()) is None


lines = st.builds(
    PolicyLine,
    grade=st.sampled_from(GRADES),
    action=st.just("count"),
    ttl_seconds=st.just(1.0),
    confidence=st.integers(0, 100),
    rule=st.sampled_from(("*", "ssh-*", "other")),
)


@given(policy=st.lists(lines, max_size=5), grade=st.sampled_from(GRADES), confidence=st.integers(0, 100))
def test_no_line_before_the_one_that_decides_fits(
    policy: list[PolicyLine], grade: str, confidence: int
) -> None:
    judged = finding(grade=grade, confidence=confidence)
    line = fit(policy, judged)
    for earlier in policy[: policy.index(line) if line else len(policy)]:
        assert fit((earlier,), judged) is None
    if line:
        assert confidence >= line.confidence
        assert GRADES.index(judged.grade) >= GRADES.index(line.grade)
