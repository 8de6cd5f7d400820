from lures.serve import visit
from propolis.lures.telnet.commands import PROGRAMS, dd, head, uname, wget
from propolis.lures.telnet.persona import host
from propolis.lures.telnet.session import Session
from propolis.machine.host import host_of


def session() -> Session:
    return Session(host("", host_of(b"s")), visit())


def test_every_program_is_installed_or_built_in() -> None:
    built_in = {"cd", "exit", "["}
    assert set(PROGRAMS) - built_in <= set(session().host.persona.applets)


def test_every_program_takes_no_arguments_and_many() -> None:
    for program in PROGRAMS.values():
        for words in ([], ["-x"], ["a", "b", "c"], ["-"], ["/etc/passwd"], [""]):
            assert isinstance(program(session(), words, "given\n"), str)


def test_dd_counts_blocks() -> None:
    shell = session()
    assert dd(shell, ["bs=2", "count=2"], "abcde") == "abcd"
    assert dd(shell, ["bs=2"], "abc") == "abc"
    assert shell.complaints == "2+0 records in\n2+0 records out\n1+1 records in\n1+1 records out\n"


def test_head_uname_and_wget() -> None:
    assert head(session(), ["-n", "2"], "a\nb\nc\n") == "a\nb\n"
    assert uname(session(), ["-sm"], "") == "Linux x86_64\n"
    shell = session()
    wget(shell, ["-q", "http://192.0.2.7:81/x"], "")
    assert "192.0.2.7:81" in shell.complaints
