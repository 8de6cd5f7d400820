import pytest

from propolis.flaws.effects.php.values import MAX_ITEMS, Array, Value, bytes_of, number_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (False, ""),
        (True, "1"),
        (7, "7"),
        (2.5, "2.5"),
        (4.0, "4"),
        (1e20, "1.0E+20"),
        ("a", "a"),
        (Array(), "Array"),
    ],
)
def test_values_are_printed(value: Value, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "number"), [("12ab", 12), ("1.5x", 1.5), ("x", 0), (None, 0), (True, 1), (Array(), 0)]
)
def test_values_count(value: Value, number: float) -> None:
    assert number_of(value) == number


def test_an_array_keeps_order_and_counts_on() -> None:
    array = Array()
    for key, value in ((5, "a"), (None, "b"), ("k", "c"), (None, "d")):
        array.add(key, value)
    assert array.items == {"5": "a", "6": "b", "k": "c", "7": "d"}
    for _ in range(MAX_ITEMS + 9):
        array.add(None, 1)
    assert len(array.items) == MAX_ITEMS


def test_a_character_is_a_byte() -> None:
    assert bytes_of("\xff\u0142") == b"\xff?"
