"""The lure on a loopback port, and a real sshd beside it."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

from propolis.events import Event
from propolis.lures.lure import Effect, Emit, Hangup, Reply, Visit
from propolis.lures.ssh import SshLure
from propolis.lures.ssh.login import password_of
from propolis.lures.ssh.record import Daemon, daemon

SEED = b"a sensor"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def visit(keys: Path) -> Visit:
    return Visit(
        source_ip="127.0.0.1",
        source_port=50_000,
        target_ip="127.0.0.1",
        target_port=22,
        seed=SEED,
        random=random.Random(7),
        keys=keys,
        persona="debian12",
    )


class Played(asyncio.Protocol):
    """Carries out a lure's effects on a socket, at once: delays are for the sensor."""

    def __init__(self, visit: Visit, events: list[Event]) -> None:
        self._visit = visit
        self._events = events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._lure = SshLure(self._visit)
        self._carry_out(self._lure.connected())

    def data_received(self, data: bytes) -> None:
        self._carry_out(self._lure.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._carry_out(self._lure.closed())

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Reply):
                self._transport.write(effect.data)
            elif isinstance(effect, Emit):
                self._events.append(effect.event)
            elif isinstance(effect, Hangup):
                self._transport.close()


class Stage(list[Event]):
    """The events so far, and where the lure listens."""

    port: int

    async def until(self, kind: type[Event]) -> None:
        async with asyncio.timeout(10):
            while not self.of(kind):  # noqa: ASYNC110 - filled by a protocol's callbacks
                await asyncio.sleep(0.01)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
async def stage(visit: Visit) -> AsyncIterator[Stage]:
    events = Stage()
    server = await asyncio.get_running_loop().create_server(lambda: Played(visit, events), "127.0.0.1", 0)
    events.port = server.sockets[0].getsockname()[1]
    yield events
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="session")
def sshd() -> Iterator[Daemon]:
    with daemon() as running:
        yield running


@pytest.fixture
def password() -> str:
    """The one that lets 127.0.0.1 in as root."""
    found = password_of(SEED, "127.0.0.1", "root")
    assert found
    return found
