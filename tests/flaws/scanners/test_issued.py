"""What a value that we hand out may be."""

import re

import pytest

from propolis.flaws.scanners.issued import forms


@pytest.mark.parametrize(
    ("pattern", "issue"),
    [
        (r"\w+", "alnum(10)"),
        ("[0-9]+", "digits(10)"),
        ("[a-f0-9]{32}", "hexes(32)"),
        ("[a-z]{8}", "letters(8)"),
        ("[0-9a-f-]{36}", "uuid4()"),
        ("[A-Za-z0-9]{24}", "hexes(24)"),
        ("[A-Z]{2}", ""),
    ],
)
def test_the_first_that_a_pattern_takes(pattern: str, issue: str) -> None:
    natural = {"hexes(32)": b"0" * 32, "letters(8)": b"a" * 8, "hexes(24)": b"0" * 24, "": b"AA"}.get(
        issue, b"x"
    )
    taken = (one for one, sample in forms(natural, 7) if re.fullmatch(pattern, sample.decode()))
    assert next(taken) == issue


def test_no_two_values_have_the_same_sample() -> None:
    first, second = dict(forms(b"x", 1)), dict(forms(b"x", 2))
    assert all(first[issue] != second[issue] for issue in first if issue)
