import socket
from pathlib import Path

import pytest

from hive import free_port
from propolis.errors import ConfigError
from propolis.sensors import listen

PATH = Path("propolis.toml")


def test_workers_share_a_port() -> None:
    port = free_port()
    with listen(PATH, "k", "127.0.0.1", port) as one, listen(PATH, "k", "127.0.0.1", port) as two:
        assert one.getsockname() == two.getsockname() == ("127.0.0.1", port)
        assert not one.getblocking()


def test_a_taken_port_names_key_and_cure() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"propolis\.toml: lures\.ssh\.ports: 127\.0\.0\.1 port {port} is in use; stop"
        ):
            listen(PATH, "lures.ssh.ports", "127.0.0.1", port)


def test_a_port_that_somebody_shares_is_taken_for_who_does_not() -> None:
    port = free_port()
    with listen(PATH, "k", "127.0.0.1", port) as one:
        one.listen()
        with pytest.raises(ConfigError, match="is in use"):
            listen(PATH, "k", "127.0.0.1", port, shared=False)


def test_an_address_of_somebody_else_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 port \d+ is not an address of this host"):
        listen(PATH, "k", "192.0.2.1", free_port())


def test_both_families_can_be_listened_to_at_one_port() -> None:
    port = free_port()
    with listen(PATH, "k", "0.0.0.0", port) as four, listen(PATH, "k", "::", port) as six:
        assert four.family == socket.AF_INET
        assert six.family == socket.AF_INET6
