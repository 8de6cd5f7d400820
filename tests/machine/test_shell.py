"""A web server's shell; a login's is in tests/lures/ssh."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.machine.disk import RecordedDisk, load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.outcome import MAX_OUTPUT_CHARS
from propolis.machine.shell import DASH, Shell

DISK = RecordedDisk(load().files, load().listings, load().commands | {"wget", "busybox"})
ID = "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"


def shell() -> Shell:
    return Shell(Machine(DISK, host_of(b"s"), "www-data", folder="/var/www/html"), DASH)


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("id", ID),
        ("cat${IFS}/etc/timezone", "Etc/UTC\n"),
        ("cat</etc/timezone", "Etc/UTC\n"),
        ("cat /etc/timezon*", "Etc/UTC\n"),
        ("$(echo id)", ID),
        ("echo aWQ= | base64 -d | sh", ID),
        ("sh -c 'id -u'", "33\n"),
        ("eval id", ID),
        ("a=i; b=d; $a$b", ID),
        ("id | md5sum | wc -c", "36\n"),
        ("echo $(( 6 * 7 ))", "42\n"),
        ("expr 7 \\* 7", "49\n"),
        ("/usr/bin/id", ID),
        ("busybox echo x", "x\n"),
        ("! false; echo $?", "1\n"),
    ],
)
def test_a_proof_of_execution_is_given(line: str, out: str) -> None:
    assert shell().run(line, "sh: 1: ").out == out


@pytest.mark.parametrize(
    ("line", "err", "status"),
    [
        ("nosuch", "sh: 1: nosuch: not found\n", 127),
        ("/bin/nosuch", "sh: 1: /bin/nosuch: not found\n", 127),
        ("cd /nope", "sh: 1: cd: can't cd to /nope\n", 1),
        ("cat < /nope", "sh: 1: cannot open /nope: No such file\n", 2),
        ("sh /tmp/x", "sh: 0: cannot open /tmp/x: No such file\n", 2),
        ("busybox ECCHI", "ECCHI: applet not found\n", 127),
        ("echo 'x", "sh: 1: Syntax error: Unterminated quoted string\n", 2),
    ],
)
def test_a_failure_reads_as_that_of_dash(line: str, err: str, status: int) -> None:
    outcome = shell().run(line, "sh: 1: ")
    assert (outcome.err, outcome.status) == (err, status)


def test_work_is_bounded_however_it_nests() -> None:
    line = "echo x"
    for _ in range(12):
        line = f"$({line});$({line})"[:8000]
    assert len(shell().run(line, "").out) <= MAX_OUTPUT_CHARS
    assert len(shell().run("id;" * 4000, "").out) <= MAX_OUTPUT_CHARS


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                [
                    "echo ",
                    "cat ",
                    "$(",
                    "`",
                    "'",
                    '"',
                    ">",
                    "<",
                    "2>&1",
                    "|",
                    "&&",
                    "${IFS}",
                    "*",
                    "sh -c ",
                    "$((",
                    "))",
                ]
            ),
        ),
        max_size=20,
    )
)
def test_any_line_is_survived(parts: Any) -> None:
    shell().run("".join(parts), "sh: 1: ")
