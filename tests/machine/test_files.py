import pytest

from propolis.machine.disk import load
from propolis.machine.files import PRIVATE, TEXTS
from propolis.machine.host import host_of
from propolis.machine.machine import Machine

NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize("path", TEXTS)
def test_every_text_is_the_same_for_the_same_machine(path: str) -> None:
    texts = {Machine(load(), host_of(seed), "root", now=NOW).text_of(path) for seed in (b"a", b"a")}
    assert len(texts) == 1
    assert texts.pop()


def test_what_tells_of_the_machine_agrees_with_it() -> None:
    host = host_of(b"a")
    here = Machine(load(), host, "www-data", now=NOW)
    assert host.name in (here.text_of("/etc/hosts") or "")
    assert host.kernel in (here.text_of("/proc/version") or "")
    assert here.text_of("/sys/class/net/eth0/address") == f"{host.mac}\n"


def test_private_files_are_the_superusers() -> None:
    for path in PRIVATE & TEXTS.keys():
        assert Machine(load(), host_of(b"a"), "www-data").text_of(path) is None
    shadow = Machine(load(), host_of(b"a"), "root").text_of("/etc/shadow")
    assert shadow
    assert shadow.startswith("root:$6$")
