"""What intruders type, and what they read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.ssh.persona import load
from propolis.lures.ssh.shell import Shell
from propolis.machine.host import host_of
from propolis.machine.outcome import MAX_OUTPUT_CHARS

HOST = host_of(b"a sensor")


@pytest.fixture
def shell() -> Shell:
    return Shell(load("debian12"), HOST, "root")


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("id", "uid=0(root) gid=0(root) groups=0(root)\n"),
        ("whoami; pwd", "root\n/root\n"),
        ("uname -s -v -n -r -m", f"Linux {HOST.name} {HOST.kernel} {HOST.build} x86_64\n"),
        ("uname -a", HOST.uname + "\n"),
        ("cat /proc/cpuinfo | grep name | wc -l", f"{HOST.cores}\n"),
        ("nproc", f"{HOST.cores}\n"),
        (r'echo -e "\x6F\x6B"', "ok\n"),
        ("echo -n a'b c'\"d $HOME\"", "ab cd /root"),
        ("echo $(whoami) `pwd`", "root /root\n"),
        ("printf '%s-%s\\n' a b", "a-b\n"),
        ("false && echo no || echo yes", "yes\n"),
        ("true || echo no; echo $?", "0\n"),
        ("cd /etc && pwd", "/etc\n"),
        ("cat /etc/passwd | head -n 1", "root:x:0:0:root:/root:/bin/bash\n"),
        ("which ls curl", "/usr/bin/ls\n"),
        ("ls / | wc -l", f"{len(load('debian12').listings['/'])}\n"),
        ("cat /etc/hostname", f"{HOST.name}\n"),
        ("X=5; echo $X${X}; cd /tmp; echo $(pwd)", "55\n/tmp\n"),
        ("sudo id -u", "0\n"),
        ("echo 1 > f; cat f", "1\n"),
        ("nosuch 2>/dev/null; echo $?", "127\n"),
        ("nosuch 2>&1 | grep -c found", "1\n"),
        ("for i in 1; do echo x; done", "x\n"),
        ("# nothing", ""),
    ],
)
def test_a_line_is_answered(shell: Shell, line: str, out: str) -> None:
    assert shell.run(line, "bash: line 1: ").out == out


@pytest.mark.parametrize(
    ("line", "err", "status"),
    [
        ("nosuch -x", "bash: line 1: nosuch: command not found\n", 127),
        ("/bin/nosuch", "bash: line 1: /bin/nosuch: No such file or directory\n", 127),
        ("./x", "bash: line 1: ./x: No such file or directory\n", 127),
        ("cat /nope", "cat: /nope: No such file or directory\n", 1),
        ("cat /etc", "cat: /etc: Is a directory\n", 1),
        ("cd /nope", "bash: line 1: cd: /nope: No such file or directory\n", 1),
        ("ls /nope", "ls: cannot access '/nope': No such file or directory\n", 2),
        ("rm nope", "rm: cannot remove 'nope': No such file or directory\n", 1),
        ("crontab -l", "no crontab for root\n", 1),
        ("exit 7", "", 7),
    ],
)
def test_a_failure_reads_as_bashs(shell: Shell, line: str, err: str, status: int) -> None:
    outcome = shell.run(line, "bash: line 1: ")
    assert (outcome.err, outcome.status) == (err, status)


def test_a_key_that_is_planted_is_there_afterwards(shell: Shell) -> None:
    shell.run('cd ~; rm -rf .ssh && mkdir .ssh && echo "ssh-rsa AAAA me">>.ssh/authorized_keys', "")
    assert shell.run("cat ~/.ssh/authorized_keys", "").out == "ssh-rsa AAAA me\n"
    assert ".ssh" in shell.run("ls -a", "").out.split()


def test_what_runs_can_be_a_file_that_was_written(shell: Shell) -> None:
    shell.run("echo x > /tmp/run; chmod +x /tmp/run", "")
    assert shell.run("/tmp/run", "").status == 0


def test_another_user_is_in_the_list_of_users() -> None:
    shell = Shell(load("debian12"), HOST, "admin")
    assert shell.run("cat /etc/passwd | tail -1", "").out == "admin:x:1000:1000:,,,:/home/admin:/bin/bash\n"
    assert shell.prompt == f"admin@{HOST.name}:~$ "


def test_a_session_starts_at_home_again(shell: Shell) -> None:
    shell.run("cd /etc; exit", "")
    assert shell.is_over
    shell.begin()
    assert not shell.is_over
    assert shell.prompt.endswith(":~# ")


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        ("cat > /tmp/x", (False, True)),
        ("cd /tmp && tee y", (False, True)),
        ("cat /etc/passwd", (False, False)),
        ("echo x | cat", (False, False)),
        ("/bin/sh", (True, False)),
        ("sh -c id", (False, False)),
        ("'", (False, False)),
    ],
)
def test_what_waits_for_input(shell: Shell, line: str, waits: tuple[bool, bool]) -> None:
    assert (shell.reads_commands(line), shell.reads_data(line)) == waits


def test_output_stays_bounded_however_it_grows(shell: Shell) -> None:
    shell.run("A=" + "x" * 1000, "")
    for _ in range(20):
        shell.run("A=$A$A$A$A$A; echo $A$A$A$A >> f; cat f f f f f f f f >> f", "")
    assert len(shell.run("cat f f f f f f f f f f; echo $A", "").out) <= MAX_OUTPUT_CHARS


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(["echo ", "cat ", "$(", "`", "'", '"', ">", "2>&1", "|", "&&"]),
        )
    )
)
def test_any_line_is_survived(parts: Any) -> None:
    shell = Shell(load("debian12"), HOST, "root")
    line = "".join(parts)
    shell.run(line, "")
    shell.reads_data(line)
