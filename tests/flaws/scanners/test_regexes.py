"""Go's patterns, and texts that they find."""

import random

import pytest

from propolis.flaws.scanners.regexes import PatternError, compiled, sample, searches


@pytest.mark.parametrize(
    "pattern",
    [
        rb"root:.*:0:0:",
        rb"(?i)Version: ([0-9.]+)",
        rb"^[a-f0-9]{32}$",
        rb"(?:uid|gid)=\d+\(\w+\)",
        rb"a|bc",
        rb"\bword\b",
    ],
)
def test_a_sample_is_found_by_its_pattern(pattern: bytes) -> None:
    made = sample(pattern, random.Random(1))
    assert searches(pattern, made.text)
    assert compiled(pattern).search(made.text)


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(PatternError):
        compiled(b"(")
