"""Commands by themselves; as typed they are in test_shell."""

import pytest

from propolis.machine.commands import BUILTINS, COMMANDS
from propolis.machine.disk import load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.outcome import MAX_OUTPUT_CHARS


def machine(user: str = "root") -> Machine:
    return Machine(load(), host_of(b"s"), user, now=1_700_000_000_000_000_000)


@pytest.mark.parametrize(
    ("name", "words", "out"),
    [
        ("echo", ["-e", r"\x6F\x6B"], "ok\n"),
        ("printf", ["%s-%d-%x\\n", "a", "7", "255"], "a-7-ff\n"),
        ("printf", ["%s\\n", "a", "b"], "a\nb\n"),
        ("expr", ["7", "*", "7"], "49\n"),
        ("expr", ["length", "abcd"], "4\n"),
        ("expr", ["substr", "abcd", "2", "2"], "bc\n"),
        ("seq", ["3"], "1\n2\n3\n"),
        ("basename", ["/a/b/c"], "c\n"),
    ],
)
def test_a_command_prints(name: str, words: list[str], out: str) -> None:
    assert COMMANDS[name](machine(), words, "").out == out


@pytest.mark.parametrize(
    ("words", "err"),
    [
        ([], "expr: missing operand"),
        (["1", "/", "0"], "expr: division by zero"),
        (["a", "+", "1"], "expr: non-integer argument"),
        (["1", "+"], "expr: syntax error"),
    ],
)
def test_expr_complains(words: list[str], err: str) -> None:
    assert COMMANDS["expr"](machine(), words, "").err.startswith(err)


def test_files_are_copied_and_touched() -> None:
    here = machine()
    COMMANDS["tee"](here, ["/tmp/a"], "x")
    COMMANDS["cp"](here, ["/tmp/a", "/tmp/b"], "")
    COMMANDS["touch"](here, ["/tmp/c"], "")
    assert here.text_of("/tmp/b") == "x"
    assert here.text_of("/tmp/c") == ""


def test_a_long_listing_has_a_line_for_each() -> None:
    lines = COMMANDS["ls"](machine(), ["-la", "/etc"], "").out.splitlines()
    assert lines[0].startswith("total ")
    assert all(line.split()[2:4] == ["root", "root"] for line in lines[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_any_words(name: str) -> None:
    for words in (
        [],
        ["-"],
        ["--help"],
        ["%s%d", "x"],
        ["\\x", "\\777", ""],
        ["9" * 5000],
        ["~", "..", "/\0"],
        ["-n", "-c", "1"],
        ["s/a/b/g"],
        ["{print $99999}"],
        ["http://[", "x"],
        ["+%Q%", "+%-d%"],
        ["\u0663", "\u00b2"],
    ):
        for given in ("", "a b\nc\n", "\udcff"):
            outcome = COMMANDS[name](machine("www-data"), list(words), given)
            assert len(outcome.out) <= 2 * MAX_OUTPUT_CHARS


def test_builtins_are_answered_or_silent() -> None:
    assert BUILTINS - COMMANDS.keys() == {"test"}
