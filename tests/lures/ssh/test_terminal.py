from hypothesis import given
from hypothesis import strategies as st

from propolis.lures.ssh.terminal import MAX_LINE_BYTES, Interrupt, Leave, Line, Pipe, Terminal


def test_a_line_is_edited_and_echoed() -> None:
    assert list(Terminal().feed(b"lx\x7fs\r")) == [b"lx\x08 \x08s\r\n\x1b[?2004l\r", Line(b"ls")]


def test_keys_that_end_things() -> None:
    assert list(Terminal().feed(b"\x04")) == [b"\x1b[?2004l\r\r\n", Leave()]
    assert Interrupt() in list(Terminal().feed(b"ab\x03"))
    assert list(Terminal().feed(b"ab\x15")) == [b"ab\x08\x08\x1b[K"]


def test_arrows_and_the_brackets_of_a_paste_are_swallowed() -> None:
    assert list(Terminal().feed(b"\x1b[A\x1bOB\x1b[200~id\x1b[201~\r"))[-1] == Line(b"id")


def test_a_pipe_needs_no_last_newline() -> None:
    pipe = Pipe()
    assert list(pipe.feed(b"a\nb")) == [Line(b"a")]
    assert list(pipe.end()) == [Line(b"b"), Leave()]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_any_keys_are_survived(parts: list[bytes]) -> None:
    for where in (Terminal(), Pipe()):
        for part in parts:
            list(where.feed(part))
        list(where.end())


def test_a_line_is_bounded() -> None:
    for where in (Terminal(), Pipe()):
        for _ in range(9):
            list(where.feed(b"x" * 10_000))
        (line,) = [what for what in where.feed(b"\n") if isinstance(what, Line)]
        assert len(line.text) == MAX_LINE_BYTES
