import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.telnet.line import COMMANDS, Simple, parse, unescape, unquote


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("ls -la", [Simple(";", ("ls", "-la"))]),
        (
            "a;b&&c||d|e&",
            [
                Simple(*one)
                for one in ((";", ("a",)), (";", ("b",)), ("&&", ("c",)), ("||", ("d",)), ("|", ("e",)))
            ],
        ),
        ("echo 'a;b' \"c d\"e\\ f", [Simple(";", ("echo", "a;b", "c de f"))]),
        ("echo x > /tmp/a 2>/dev/null", [Simple(";", ("echo", "x"), "/tmp/a", is_quiet=True)]),
        ("echo x >>.a 2>&1", [Simple(";", ("echo", "x"), ".a", is_appended=True)]),
        (">.f", [Simple(";", (), ".f")]),
        ("cat < /etc/passwd # all", [Simple(";", ("cat",))]),
        ("", []),
    ],
)
def test_lines_to_commands(line: str, commands: list[Simple]) -> None:
    assert parse(line) == tuple(commands)


@pytest.mark.parametrize("line", ["echo 'x", 'echo "x', "while read i", "if true; then", "a; for x in y"])
def test_unfinished_lines_ask_for_more(line: str) -> None:
    assert parse(line) is None


def test_quotes_and_escapes() -> None:
    assert unquote("'\\x41'\"\\x41\\\\\"\\x41") == "\\x41\\x41\\x41"
    assert unescape("\\x67\\x61\\n\\0101\\\\x\\cgone") == "ga\nA\\x"


@given(st.text(st.sampled_from("ab'\"\\|&;<>()#$ \n12"), max_size=60))
@settings(max_examples=300)
def test_any_line_is_read(line: str) -> None:
    commands = parse(line)
    assert commands is None or len(commands) <= COMMANDS


def test_a_very_long_line_is_bounded() -> None:
    assert len(parse("a;" * 3_000) or ()) == COMMANDS
