"""A response as matchers see it."""

from propolis.flaws.scanners.response import ordered


def test_figures_stand_in_an_order() -> None:
    assert ordered(6, ">=", 5)
    assert not ordered(4, ">", 5)
    assert ordered(5, "==", 5)
