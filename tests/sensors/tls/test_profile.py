"""The recorded profiles load, and who has none gets the default one."""

import pytest

from propolis.lures.persona import FOLDER
from propolis.sensors.tls import load

NAMES = sorted(path.stem for path in (FOLDER / "tls").glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_complete(name: str) -> None:
    profile = load(name)
    assert "/" in profile.product
    assert "TLSv1.2" in profile.versions
    assert profile.ciphers
    assert profile.clear == "" or profile.clear.startswith(("HTTP/1.1 400 ", "\x15\x03"))


def test_a_server_that_was_not_recorded_speaks_as_the_default() -> None:
    assert load("no-such-server") == load("nginx") == load("debian12")
    assert load("busybox") == load("mini_httpd")
