import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.value import MAX_BITS, bounded, is_less, number, same, text, truth, whole


@pytest.mark.parametrize(
    ("value", "shown"),
    [(b"a", b"a"), (7, b"7"), (3.0, b"3"), (2.5, b"2.5"), (True, b"true"), (False, b"false")],
)
def test_values_are_shown(value: bytes | float, shown: bytes) -> None:
    assert text(value) == shown


def test_text_of_digits_counts() -> None:
    assert number(b" -12 ") == -12
    assert number(b"1.5") == 1.5
    assert number(b"1x") is None
    assert number(b"9" * 301) is None
    assert whole(b"12ab") == 12
    assert whole(b"ab", 3) == 3


def test_what_outgrows_the_bound_is_no_number() -> None:
    assert bounded(1 << MAX_BITS) is None
    assert bounded(float("inf")) is None
    assert bounded(float("nan")) is None


def test_comparison_is_by_number_where_one_is() -> None:
    assert same(b"7", 7)
    assert not same(b"7", b"07")
    assert same(b"07", 7)
    assert is_less(b"9", b"10")
    assert is_less(b"a", b"b")
    assert not truth(b"")


@given(st.binary(max_size=40))
def test_any_text_is_read(data: bytes) -> None:
    number(data)
    whole(data)
