import contextlib
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from propolis.sensors.listen import listen
from propolis.sensors.steer import steer


@contextlib.contextmanager
def listeners(address: str, number: int) -> Iterator[list[socket.socket]]:
    """Several that share one port."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(listen(Path("propolis.toml"), "lures.http.ports", address, 0))
        port = first.getsockname()[1]
        rest = [
            stack.enter_context(listen(Path("propolis.toml"), "lures.http.ports", address, port))
            for _ in range(number - 1)
        ]
        for listener in (first, *rest):
            listener.listen()
        yield [first, *rest]


def reached(sharing: list[socket.socket], source: str) -> int:
    """Which of them a connection from this address reaches."""
    family, (host, port) = sharing[0].family, sharing[0].getsockname()[:2]
    with socket.socket(family) as client:
        client.bind((source, 0))
        client.connect(("127.0.0.1" if host == "0.0.0.0" else host, port))
        (ready,), _, _ = select.select(sharing, [], [], 5)
        ready.accept()[0].close()
        return sharing.index(ready)


def test_every_connection_of_a_source_reaches_the_same_worker() -> None:
    with listeners("0.0.0.0", 3) as sharing:
        assert all(steer(listener, 3) for listener in sharing)
        chosen = {}
        for last in range(1, 30):
            source = f"127.0.0.{last}"
            chosen[source] = {reached(sharing, source) for _ in range(4)}
    assert all(len(workers) == 1 for workers in chosen.values())
    assert set.union(*chosen.values()) == {0, 1, 2}


def test_without_it_a_source_reaches_them_all() -> None:
    with listeners("0.0.0.0", 3) as sharing:
        assert len({reached(sharing, "127.0.0.1") for _ in range(60)}) == 3


def test_it_works_for_version_6_too() -> None:
    with contextlib.suppress(OSError), listeners("::1", 3) as sharing:
        assert all(steer(listener, 3) for listener in sharing)
        assert len({reached(sharing, "::1") for _ in range(20)}) == 1


def test_a_worker_that_is_missing_is_made_up_for() -> None:
    with listeners("0.0.0.0", 1) as sharing:
        assert steer(sharing[0], 4)
        assert {reached(sharing, f"127.0.0.{last}") for last in range(1, 9)} == {0}


def test_a_socket_that_shares_nothing_cannot_be_steered() -> None:
    with socket.socket(socket.AF_UNIX) as alone:
        assert not steer(alone, 2)


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_one_worker_is_always_reached(workers: int) -> None:
    with listeners("127.0.0.1", 1) as sharing:
        steer(sharing[0], workers)
        assert reached(sharing, "127.0.0.1") == 0
