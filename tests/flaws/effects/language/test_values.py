import pytest

from propolis.flaws.effects.language.values import (
    MAX_BITS,
    MAX_TEXT,
    NoSenseError,
    Opaque,
    Thing,
    bounded,
    number_of,
    shown,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("a", "a"), (7, "7"), (2.5, "2.5"), ([1, "a"], "[1, a]"), (Opaque("x"), "x")],
)
def test_values_are_shown(value: Thing, text: str) -> None:
    assert shown(value, "java") == text


def test_engines_differ_in_whole_floats_and_in_nothing() -> None:
    assert [shown(49.0, engine) for engine in ("python", "php", "java")] == ["49.0", "49", "49.0"]
    assert shown(None, "python") == "None"


def test_values_are_bounded() -> None:
    assert len(str(bounded("x" * (MAX_TEXT + 1)))) == MAX_TEXT
    with pytest.raises(NoSenseError):
        bounded(1 << MAX_BITS)


def test_texts_of_digits_count() -> None:
    assert number_of(" -7 ") == -7
    for value in ("a", "", None, [], "\u0663"):
        with pytest.raises(NoSenseError):
            number_of(value)
