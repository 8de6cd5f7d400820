import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.machine.words import MAX_WORDS, Command, Input, Redirect, Unfinished, parse


def words(line: str) -> list[Command]:
    return list(parse(line, lambda name: f"<{name}>", lambda inner: f"[{inner}]"))


def expanded(line: str, **values: str) -> list[tuple[str, ...]]:
    commands = parse(line, lambda name: values.get(name, ""), lambda inner: inner, lambda name: [name, "*"])
    return [command.words for command in commands]


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
        ("> a", [Command((), (Redirect(1, "a"),))]),
        ("a < b # c", [Command(("a",), given=Input("b"))]),
        ("a <<< 'b c'", [Command(("a",), given=Input("b c", is_text=True))]),
        ("(a; b) &", [Command(("a",)), Command(("b",))]),
        ("a $", [Command(("a", "$"))]),
        ("a \\\n b", [Command(("a", "b"))]),
        (";;; | &&", []),
    ],
)  # fmt: skip
def test_a_line_is_taken_apart(line: str, commands: list[Command]) -> None:
    assert words(line) == commands


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("cat${IFS}/etc/x", ("cat", "/etc/x")),
        ("cat$IFS$9x", ("cat", "x")),
        ("cat${IFS%??}x", ("cat", "x")),
        ("a $two '$two' \"$two\"", ("a", "1", "2", "$two", "1 2")),
        ("a $none '' \"$none\"", ("a", "", "")),
        ("x=$two", ("x=1 2",)),
        ("{cat,/etc/x}", ("cat", "/etc/x")),
        ("x{1,2}y", ("x1y", "x2y")),
        ("'{a,b}'", ("{a,b}",)),
        ("a ?", ("a", "?", "*")),
        ("a '?'", ("a", "?")),
        ("echo $((1+2)) $((two_ * 3))", ("echo", "3", "6")),
        ("$(a $(b c) 'd)')", ("a", "$(b", "c)", "'d)'")),
        ("${two:1:1}${#two}${none:-d}${two:+e}", ("3de",)),
    ],
)
def test_what_expands_may_fall_apart(line: str, fields: tuple[str, ...]) -> None:
    assert expanded(line, IFS=" \t\n", two="1 2", two_="2") == [fields]


@pytest.mark.parametrize("line", ["'a", '"a', "$(a", "`a", "${a", "$((1"])
def test_an_open_quote_is_unfinished(line: str) -> None:
    with pytest.raises(Unfinished):
        words(line)


def test_words_are_bounded() -> None:
    (command,) = words("x " * 9999)
    assert len(command.words) <= MAX_WORDS


@given(st.text(alphabet=st.sampled_from(list("ab12 '\"\\$`(){}|&;<>#,*?\n")), max_size=60))
def test_any_line_ends_or_is_unfinished(line: str) -> None:
    try:
        words(line)
    except Unfinished:
        return
