import os
import subprocess
from collections.abc import Iterator

import pytest

from propolis.enforcers import libnftables
from propolis.enforcers.libnftables import Nft, RefusedError
from propolis.enforcers.namespace import inside
from propolis.errors import EnforcerError

pytestmark = pytest.mark.root


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"pe-l{os.getpid():x}{os.urandom(2).hex()}"
    subprocess.run(("ip", "netns", "add", name), check=True)
    yield name
    subprocess.run(("ip", "netns", "del", name), check=True)


def tables(namespace: str) -> str:
    done = subprocess.run(
        ("ip", "netns", "exec", namespace, "nft", "list", "tables"),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_it_works_in_the_namespace_it_was_made_in(namespace: str, capfd: pytest.CaptureFixture[str]) -> None:
    nft = inside(namespace, Nft)
    nft.run("add table inet hive")
    assert tables(namespace) == "table inet hive\n"
    with pytest.raises(RefusedError, match="No such file or directory"):
        nft.run("add table inet comb\ndelete table inet wax")
    assert tables(namespace) == "table inet hive\n"  # all or nothing
    with pytest.raises(RefusedError, match="syntax error"):
        nft.run("add tables }{")
    nft.close()
    nft.close()
    with pytest.raises(RefusedError, match="closed"):
        nft.run("add table inet comb")
    assert capfd.readouterr() == ("", "")


def test_without_the_library_the_cure_names_the_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libnftables, "LIBRARY", "libnothing.so.0")
    with pytest.raises(EnforcerError, match="dry-run"):
        Nft()
