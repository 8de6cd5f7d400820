"""Commands by themselves; as typed they are in test_shell."""

import pytest

from propolis.lures.ssh.persona import load
from propolis.machine.commands import COMMANDS, FILTERS, free
from propolis.machine.host import host_of
from propolis.machine.machine import Machine

LINES = "one\nTwo\nthree\n"


@pytest.mark.parametrize(
    ("name", "words", "out"),
    [
        ("grep", ["o"], "one\nTwo\n"),
        ("grep", ["-v", "o"], "three\n"),
        ("grep", ["-ic", "t"], "2\n"),
        ("grep", [".*"], ""),
        ("wc", ["-l"], "3\n"),
        ("head", ["-n", "1"], "one\n"),
        ("head", ["-2"], "one\nTwo\n"),
        ("tail", ["-1"], "three\n"),
        ("tail", ["-n", "0"], ""),
        ("cat", [], LINES),
    ],
)
def test_a_filter_reads_the_pipe(name: str, words: list[str], out: str) -> None:
    assert FILTERS[name](words, LINES).out == out


def test_free_adds_up() -> None:
    host = host_of(b"s")
    row = free(Machine(load("debian12"), host, "root"), ["-m"]).out.splitlines()[1].split()
    assert int(row[1]) == host.memory_kib // 1024
    assert int(row[2]) + int(row[3]) + int(row[5]) == int(row[1])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_any_words(name: str) -> None:
    machine = Machine(load("debian12"), host_of(b"s"), "root")
    for words in (
        [],
        ["-"],
        ["--help"],
        ["%s%d", "x"],
        ["\\x", "\\777", ""],
        ["9" * 5000],
        ["~", "..", "/\0"],
    ):
        COMMANDS[name](machine, list(words))
