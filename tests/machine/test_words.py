import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.machine.words import MAX_WORDS, Command, Redirect, Unfinished, parse


def words(line: str) -> list[Command]:
    return list(parse(line, lambda name: f"<{name}>", lambda inner: f"[{inner}]"))


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("a 'b c' d\\ e", [Command(("a", "b c", "d e"))]),
        ('a "$B ${C} $(d e) `f`"', [Command(("a", "<B> <C> [d e] [f]"))]),
        ("a&&b||c;d|e", [Command(("a",)), Command(("b",), (), "&&"), Command(("c",), (), "||"),
                         Command(("d",), is_piped=True), Command(("e",), (), "|")]),
        ("a >b 2>>c", [Command(("a",), (Redirect(1, "b"), Redirect(2, "c", is_append=True)))]),
        ("a 1 > b", [Command(("a", "1"), (Redirect(1, "b"),))]),
        ("a 2>&1", [Command(("a",), (Redirect(2, "&1"),))]),
        ("a < b # c", [Command(("a",))]),
        ("(a; b) &", [Command(("a",)), Command(("b",))]),
        ("a $", [Command(("a", "$"))]),
        (";;; | &&", []),
    ],
)  # fmt: skip
def test_a_line_is_taken_apart(line: str, commands: list[Command]) -> None:
    assert words(line) == commands


@pytest.mark.parametrize("line", ["'a", '"a', "$(a", "`a", "${a"])
def test_an_open_quote_is_unfinished(line: str) -> None:
    with pytest.raises(Unfinished):
        words(line)


def test_words_are_bounded() -> None:
    (command,) = words("x " * 9999)
    assert len(command.words) <= MAX_WORDS


@given(st.text(alphabet=st.sampled_from(list("ab12 '\"\\$`(){}|&;<>#\n")), max_size=60))
def test_any_line_ends_or_is_unfinished(line: str) -> None:
    try:
        words(line)
    except Unfinished:
        return
