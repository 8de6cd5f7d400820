import pytest

from propolis.flaws.effects.php.machine import Php, Stop
from propolis.flaws.effects.php.nodes import (
    Return,
    called,
    constant,
    halted,
    indexed,
    interpolated,
    number,
    returned,
)
from propolis.flaws.effects.php.script import evaluate
from propolis.flaws.effects.php.values import Value
from scenes import a_scope


@pytest.fixture
def machine() -> Php:
    made = Php(a_scope(), evaluate)
    made.write("x", "v")
    return made


@pytest.mark.parametrize(("digits", "value"), [("7", 7), ("0x1F", 31), ("017", 15), ("09", 9), ("1.5", 1.5)])
def test_literals_are_read(digits: str, value: Value) -> None:
    assert number(digits) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("a$x", "av"), ("{$x}s", "vs"), (r"\$x", "$x"), (r"\x41\102\u{43}\n", "ABC\n"), ("$x[0]", "")],
)
def test_texts_are_filled_in(machine: Php, text: str, value: str) -> None:
    assert interpolated(text)(machine) == value


def test_ways_out(machine: Php) -> None:
    with pytest.raises(Stop):
        halted([constant("bye")])(machine)
    assert machine.output == "bye"
    with pytest.raises(Return) as left:
        returned(constant(5))(machine)
    assert left.value.value == 5
    with pytest.raises(Stop):
        called(constant("nosuch"), [])(machine)


def test_letters_of_a_text_have_places(machine: Php) -> None:
    assert indexed(constant("abc"), constant(-1))(machine) == "c"
    assert indexed(constant("abc"), constant(9))(machine) == ""
    assert indexed(constant(7), constant(0))(machine) is None
