import pytest

from propolis.flaws.effects.php.machine import Php
from propolis.flaws.effects.php.operators import BINARY, truth
from propolis.flaws.effects.php.script import evaluate
from propolis.flaws.effects.php.values import Array, Value
from scenes import a_scope


@pytest.mark.parametrize(
    ("left", "sign", "right", "value"),
    [
        ("5 apples", "+", 2, 7),
        (7, "/", 2, 3.5),
        (8, "/", 2, 4),
        (2, "**", 3, 8),
        (2, "**", -1, 0.5),
        ("a", ".", 1, "a1"),
        ("1", "==", 1, True),
        ("1", "===", 1, False),
        ("a", "!=", "b", True),
        (None, "==", False, True),
        (3, "<<", 2, 12),
        (6, "&", 3, 2),
        ("a", "|", "B", "c"),
        (5, "^", 1, 4),
    ],
)
def test_operators_reckon_as_phps(left: Value, sign: str, right: Value, value: Value) -> None:
    node = BINARY[sign].make(lambda _: left, lambda _: right)
    assert node(Php(a_scope(), evaluate)) == value


@pytest.mark.parametrize("sign", BINARY)
def test_every_operator_takes_any_values(sign: str) -> None:
    machine = Php(a_scope(), evaluate)
    values: list[Value] = [None, True, 0, -3, 10**18, 1e300, "", "a", "9" * 40, Array()]
    for left in values:
        for right in values:
            node = BINARY[sign].make(lambda _, left=left: left, lambda _, right=right: right)  # type: ignore[misc] # bound
            try:
                node(machine)
            except (ArithmeticError, ValueError):
                continue


def test_what_is_false() -> None:
    full = Array()
    full.add(None, 1)
    assert [truth(value) for value in (None, False, 0, "", "0", Array())] == [False] * 6
    assert [truth(value) for value in ("a", 1, "00", full)] == [True] * 4
