from propolis.machine.disk import load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.outcome import Outcome, flags, plain, read


def test_options_and_operands_are_told_apart() -> None:
    assert plain(["-a", "b", "--c"]) == ["b"]
    assert flags(["-a", "b", "--c"]) == "ac"


def test_what_is_read_is_the_pipe_or_files_with_complaints() -> None:
    here = Machine(load(), host_of(b"a"), "www-data")
    assert read(here, "cat", [], "piped") == Outcome("piped")
    assert read(here, "cat", ["-"], "piped") == Outcome("piped")
    told = read(here, "cat", ["/etc", "/nope", "/etc/shadow", "/etc/timezone"], "")
    assert told.out == "Etc/UTC\n"
    assert told.err == (
        "cat: /etc: Is a directory\ncat: /nope: No such file or directory\ncat: /etc/shadow: Permission denied\n"
    )
    assert told.status == 1
