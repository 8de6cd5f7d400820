"""What matchers ask, and the ways it can hold."""

from propolis.flaws.scanners.dsl import Literal
from propolis.flaws.scanners.formula import All, Some, Want, needs_third, ways


def want(word: bytes, kind: str = "word") -> Want:
    return Want(1, kind, "body", Literal(word), is_wanted=True)  # type: ignore[arg-type]


def test_a_formula_has_its_ways() -> None:
    a, b = want(b"a"), want(b"b")
    assert ways(All((a, b))) == [(a, b)]
    assert ways(Some((a, b))) == [(a,), (b,)]


def test_ways_without_a_third_party_come_first() -> None:
    third, a = want(b"dns", "third"), want(b"a")
    assert needs_third((third,))
    assert ways(Some((third, a)))[0] == (a,)
