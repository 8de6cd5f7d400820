import os
import socket
import subprocess
from pathlib import Path

import pytest

from propolis.enforcers.namespace import inside
from propolis.errors import EnforcerError


def here() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def test_no_name_is_where_we_are() -> None:
    assert inside("", here) == here()


@pytest.mark.root
def test_only_what_is_opened_inside_is_there() -> None:
    name = f"pe-s{os.getpid():x}{os.urandom(2).hex()}"
    subprocess.run(("ip", "netns", "add", name), check=True)
    try:
        before = here()
        assert inside(name, here) == Path(f"/run/netns/{name}").stat().st_ino
        assert here() == before
        with (
            inside(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as lonely,
            pytest.raises(OSError, match="unreachable"),
        ):
            lonely.connect(("127.0.0.1", 9))  # its loopback is down: nothing is reachable from there
    finally:
        subprocess.run(("ip", "netns", "del", name), check=True)


@pytest.mark.parametrize("name", ["pe-none", "../../etc", "a\0b"])
def test_a_name_that_is_none_names_the_cure(name: str) -> None:
    with pytest.raises(EnforcerError, match="dry-run"):
        inside(name, here)
