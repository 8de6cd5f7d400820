import pytest

from propolis.flaws.effects.language.methods import FUNCTIONS, METHODS, called, item_of
from propolis.flaws.effects.language.values import NoSenseError, Opaque, Thing


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", ["", "abc", 7, -1.5, ["a", 1], None])
def test_every_method_takes_any_value(name: str, value: Thing) -> None:
    for arguments in ([], ["x"], [1], ["a", "b"], [-9, 10**9]):
        try:
            METHODS[name](value, list(arguments))
        except (NoSenseError, IndexError, TypeError, ValueError, ArithmeticError):
            continue  # what the parser takes for no sense


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_takes_any_arguments(name: str) -> None:
    for arguments in (["a"], [1], [1, 2], [None], [[1]]):
        try:
            called(name, list(arguments))
        except (NoSenseError, IndexError, TypeError, ValueError, ArithmeticError):
            continue


def test_what_nobody_knows_is_opaque() -> None:
    assert called("nosuch", [1]) == Opaque("nosuch")
    assert called("print", ["a"]) == "a"
    assert item_of("abc", 1) == "b"
    assert item_of(Opaque("x"), "y") == Opaque("y")
