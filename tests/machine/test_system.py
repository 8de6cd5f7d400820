import pytest

from propolis.machine.disk import load
from propolis.machine.host import host_of
from propolis.machine.machine import Machine
from propolis.machine.system import SYSTEM_COMMANDS, free, identity

HOST = host_of(b"s")
NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("name", "words", "out"),
    [
        ("id", [], "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"),
        ("id", ["-u"], "33\n"),
        ("id", ["-un"], "www-data\n"),
        ("id", ["root"], "uid=0(root) gid=0(root) groups=0(root)\n"),
        ("whoami", [], "www-data\n"),
        ("hostname", [], f"{HOST.name}\n"),
        ("uname", ["-a"], f"{HOST.uname}\n"),
        ("uname", ["-r"], f"{HOST.kernel}\n"),
        ("nproc", [], f"{HOST.cores}\n"),
        ("date", [], "Tue Nov 14 22:13:20 UTC 2023\n"),
        ("date", ["+%s %Y"], "1700000000 2023\n"),
        ("printenv", ["HOME"], "/var/www\n"),
        ("groups", [], "www-data\n"),
    ],
)
def test_the_machine_and_its_user_are_told(name: str, words: list[str], out: str) -> None:
    assert SYSTEM_COMMANDS[name](Machine(load(), HOST, "www-data", now=NOW), words, "").out == out


def test_who_is_not_there_has_no_identity() -> None:
    assert "no such user" in identity(Machine(load(), HOST, "root"), ["eve"], "").err


def test_free_adds_up() -> None:
    row = free(Machine(load(), HOST, "root"), ["-m"]).out.splitlines()[1].split()
    assert int(row[1]) == HOST.memory_kib // 1024
    assert int(row[2]) + int(row[3]) + int(row[5]) == int(row[1])


def test_processes_are_shown_in_both_manners() -> None:
    here = Machine(load(), HOST, "www-data", now=NOW)
    assert SYSTEM_COMMANDS["ps"](here, ["aux"], "").out.startswith("USER ")
    assert SYSTEM_COMMANDS["ps"](here, ["-ef"], "").out.startswith("UID ")
