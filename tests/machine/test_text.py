"""What reads a pipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.machine.disk import load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.text import TEXT_COMMANDS, to_bytes, to_text

LINES = "one\nTwo\nthree\n"
HERE = Machine(load(), host_of(b"s"), "root")


@pytest.mark.parametrize(
    ("name", "words", "out"),
    [
        ("grep", ["o"], "one\nTwo\n"),
        ("grep", ["-v", "o"], "three\n"),
        ("grep", ["-ic", "t"], "2\n"),
        ("grep", [".*"], ""),
        ("grep", ["^T"], "Two\n"),
        ("grep", ["e$"], "one\nthree\n"),
        ("grep", ["-E", "one|Two"], "one\nTwo\n"),
        ("grep", ["-o", "re"], "re\n"),
        ("grep", ["-q", "one"], ""),
        ("wc", ["-l"], "3\n"),
        ("wc", ["-c"], "14\n"),
        ("head", ["-n", "1"], "one\n"),
        ("head", ["-n1"], "one\n"),
        ("head", ["-2"], "one\nTwo\n"),
        ("head", ["-c", "2"], "on"),
        ("tail", ["-1"], "three\n"),
        ("tail", ["-n", "0"], ""),
        ("cat", [], LINES),
        ("rev", [], "eno\nowT\neerht\n"),
        ("tac", [], "three\nTwo\none\n"),
        ("nl", [], "     1\tone\n     2\tTwo\n     3\tthree\n"),
        ("tr", ["a-z", "A-Z"], "ONE\nTWO\nTHREE\n"),
        ("tr", ["-d", "\\n"], "oneTwothree"),
        ("tr", ["[:upper:]", "[:lower:]"], "one\ntwo\nthree\n"),
        ("sort", ["-r"], "three\none\nTwo\n"),
        ("cut", ["-c1-2"], "on\nTw\nth\n"),
        ("cut", ["-d", "w", "-f", "2"], "one\no\nthree\n"),
        ("awk", ['{print $1, "x"}'], "one x\nTwo x\nthree x\n"),
        ("awk", ["BEGIN{print 42}"], "42\n"),
        ("awk", ["/T/{print $NF}"], "Two\n"),
        ("sed", ["s/e/E/g"], "onE\nTwo\nthrEE\n"),
        ("sed", ["-n", "2p"], "Two\n"),
        ("sed", ["2,$d"], "one\n"),
        ("base64", [], "b25lClR3bwp0aHJlZQo=\n"),
        ("md5sum", [], "1b35a7a51dc4d2f4eb1b3be5b5a0b5c2  -\n"),
        ("xxd", ["-p"], "6f6e650a54776f0a74687265650a\n"),
        ("xargs", [], "one Two three\n"),
        ("uniq", ["-c"], "      1 one\n      1 Two\n      1 three\n"),
    ],
)
def test_a_filter_reads_the_pipe(name: str, words: list[str], out: str) -> None:
    if name == "md5sum":
        import hashlib  # noqa: PLC0415 - the expected figure, from elsewhere

        out = hashlib.md5(LINES.encode()).hexdigest() + "  -\n"
    assert TEXT_COMMANDS[name](HERE, words, LINES).out == out


def test_base64_goes_back_and_refuses_what_is_none() -> None:
    assert TEXT_COMMANDS["base64"](HERE, ["-d"], "b25l\n").out == "one"
    assert TEXT_COMMANDS["base64"](HERE, ["-d"], "***").err == "base64: invalid input\n"


def test_files_are_read_where_they_are_named() -> None:
    assert TEXT_COMMANDS["head"](HERE, ["-n1", "/etc/passwd"], "").out == "root:x:0:0:root:/root:/bin/bash\n"
    assert TEXT_COMMANDS["wc"](HERE, ["-l", "/etc/passwd"], "").out.endswith(" /etc/passwd\n")


@given(st.binary(max_size=40))
def test_any_bytes_go_in_and_come_out(data: bytes) -> None:
    assert to_bytes(to_text(data)) == data


@given(
    st.sampled_from(sorted(TEXT_COMMANDS)), st.lists(st.text(max_size=12), max_size=4), st.binary(max_size=60)
)
def test_anything_is_survived(name: str, words: list[str], data: bytes) -> None:
    said = [to_text(word.encode("utf-8", "replace")) for word in words]
    to_bytes(TEXT_COMMANDS[name](HERE, said, to_text(data)).out)
