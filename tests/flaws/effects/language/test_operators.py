import pytest

from propolis.flaws.effects.language.operators import LEVELS, multiply, power
from propolis.flaws.effects.language.values import MAX_TEXT, Engine, NoSenseError, Thing


@pytest.mark.parametrize(
    ("sign", "engine", "value"),
    [
        ("+", "python", "77"),
        ("+", "php", 14),
        ("+", "java", "77"),
        ("*", "php", 49),
        ("*", "ruby", "7777777"),
        ("~", "php", "77"),
    ],
)
def test_a_text_and_a_number(sign: str, engine: Engine, value: Thing) -> None:
    (compute,) = [level[sign] for level in LEVELS if sign in level]
    assert compute("7", 7, engine) == value


def test_repetition_and_powers_are_bounded() -> None:
    assert len(str(multiply("x", 10**9, "python"))) <= MAX_TEXT
    assert power(2, -1) == 0.5
    for base, exponent in ((10, 10**6), (10**13, 2), (-1, 0.5)):
        with pytest.raises(NoSenseError):
            power(base, exponent)
