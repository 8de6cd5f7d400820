"""A sensor worker: one process that listens at every lure's ports, sharing them with its siblings."""

import asyncio
import contextlib
import gc
import hashlib
import ipaddress
import os
import random
import resource
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.lures import Lure
from propolis.machine.host import host_of
from propolis.notes import StageStarted, tell
from propolis.sensors import tls
from propolis.sensors.batch import Batcher
from propolis.sensors.conversation import ConnectionIds, Conversation, Figures, Post
from propolis.sensors.flaws import Flaws, open_flaws
from propolis.sensors.journal import Journal
from propolis.sensors.limits import Guests, Tally
from propolis.sensors.listen import listen
from propolis.sensors.steer import steer
from propolis.stream import Publisher, Pulse, Stream, address_of, connect

SWITCH_SECONDS = 0.0005
"""How long a thread that tests a new lure keeps the interpreter from the connections."""
CATCH_UP_SECONDS = 10.0
"""A sensor that starts again does not listen before it knows the lures that were pushed, but it does in the end."""
BACKLOG = 4_096
SWEEP_SECONDS = 1.0
SILENT_NS = SECOND
SPARE_FILES = 256
FINISH_SECONDS = 2.0


async def run(
    config: Config, index: int, clock: Clock, catalogue: Iterable[type[Lure]], *, siblings: int = 1
) -> None:
    """Listen, until cancelled. ``index`` tells workers of one sensor apart, ``siblings`` is how many there are."""
    address = address_of(config)
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_files(config.sensors.max_connections + SPARE_FILES)
    stream = await connect(address.url, "sensor", credential=address.credential)
    worker = Worker(config, index, clock, Publisher(stream, clock))
    recovered = worker.batcher.recover()
    pulse = Pulse(
        stream,
        clock,
        stage="sensor",
        name=f"{config.sensor_name}.{index}",
        host=config.host_name,
        figures=worker.report,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        stack.callback(worker.journal.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(worker.publisher.run(), name="publish")
        worker.flaws = await worker.open_flaws(stream, pulse.soon)
        tasks.create_task(worker.flaws.run(), name="lures")
        await worker.flaws.catch_up(CATCH_UP_SECONDS)
        gc.collect()
        gc.freeze()  # the lures live long; looking at thousands of them again would hold every connection for 80 ms
        tasks.create_task(pulse.run(), name="pulse")
        for post, listener in worker.posts({lure.name: lure for lure in catalogue}):
            server = await asyncio.get_running_loop().create_server(
                partial(Conversation, post), sock=listener, backlog=BACKLOG
            )
            stack.callback(server.close)
            if siblings > 1 and not config.sensors.proxies:  # behind a proxy all come from one address
                steer(listener, siblings)
        detail = f"worker {index}, ports {_ports(config)}, {recovered} batches recovered"
        tell(StageStarted(stage="sensor", detail=detail))
        tasks.create_task(worker.sweep(), name="sweep")
        stack.push_async_callback(worker.finish)
        await asyncio.Event().wait()


class Worker:
    """What one process of a sensor works with."""

    def __init__(self, config: Config, index: int, clock: Clock, publisher: Publisher) -> None:
        self._config = config
        self._clock = clock
        self._tally = Tally(clock, "sensor")
        self._guests: Guests[bytes, Conversation] = Guests(
            config.sensors.max_connections, config.sensors.max_connections_per_source
        )
        self._figures = Figures()
        self.flaws: Flaws | None = None
        self.publisher = publisher
        folder = config.state / "journal" / f"{config.sensor_name}.{index}"
        self.journal = Journal(folder, config.sensors.journal_bytes)
        self.batcher = Batcher(publisher, self.journal, clock, self._tally, lanes=config.stream.lanes)

    @property
    def keys(self) -> Path:
        """The folder of what must survive a restart, made if need be."""
        keys = self._config.state / "keys" / self._config.sensor_name
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        return keys

    async def open_flaws(self, stream: Stream, on_change: Callable[[], None]) -> Flaws:
        """What this worker knows of flaws; raises as :func:`~propolis.sensors.flaws.open_flaws`."""
        http = self._config.lures.get("http")
        seed, ports = _seed(self.keys, 0), http.every_port if http else ()
        return await open_flaws(self._config, stream, self._clock, seed, ports=ports, on_change=on_change)

    def posts(self, lures: Mapping[str, type[Lure]]) -> Iterator[tuple[Post, socket.socket]]:
        """Every port, with what its conversations share and a bound socket. Raises :class:`ConfigError`."""
        config = self._config
        # lures draw delays and challenges from it; no secret of ours
        chance, new_id = random.Random(os.urandom(32)), ConnectionIds()  # noqa: S311
        keys = self.keys
        for name, settings in config.lures.items():
            fronts = self._fronts(lures[name]) if settings.tls_ports else {}
            for port in settings.every_port:
                is_tls = port in settings.tls_ports
                post = Post(
                    sensor=config.sensor_name,
                    lure=lures[name],
                    persona=config.sensors.persona,
                    seed=_seed(keys, port),
                    machine=host_of(_seed(keys, 0)),
                    keys=keys,
                    proxies=tuple(ipaddress.ip_network(network) for network in config.sensors.proxies),
                    max_bytes_in=config.sensors.max_bytes_in,
                    batcher=self.batcher,
                    guests=self._guests,
                    tally=self._tally,
                    clock=self._clock,
                    random=chance,
                    new_id=new_id,
                    figures=self._figures,
                    front=partial(self._front, fronts, port) if is_tls else None,
                    flaws=self.flaws,
                )
                for address in settings.addresses:
                    key = f"lures.{name}.{'tls_ports' if is_tls else 'ports'}"
                    yield post, listen(config.path, key, address, port)

    def _fronts(self, lure: type[Lure]) -> dict[str, tls.Front]:
        """TLS of every product that was recorded, for a lure, with this sensor's one name; by server persona."""
        name, spoken = host_of(_seed(self.keys, 0)).name, getattr(lure, "alpn", ())
        return {
            server: tls.front(profile, self.keys, name, spoken, self._clock.now())
            for server, profile in tls.profiles().items()
        }

    def _front(self, fronts: dict[str, tls.Front], port: int) -> tls.Front:
        """The front of whoever this port pretends to be just now."""
        server = self.flaws.server(port) if self.flaws else ""
        return fronts[tls.kin(server or self._config.sensors.persona)]

    async def sweep(self) -> None:
        """Report who is silent, and close who is silent or has stayed too long."""
        settings = self._config.sensors
        idle, longest = int(settings.idle_seconds * SECOND), int(settings.max_seconds * SECOND)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._clock.monotonic()
            for guest in self._guests.idle_first():
                if now - guest.active_at > idle:
                    guest.hang_up("idle_seconds")
                elif now - guest.began_at > longest:
                    self._tally.hit("sensors.max_seconds", "a connection was closed")
                    guest.hang_up("max_seconds")
                elif now - guest.began_at > SILENT_NS:
                    guest.tell_if_silent()

    async def finish(self) -> None:
        """Give the stream what is left; what it does not take in time waits in the journal."""
        self.batcher.close_batch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                await self.publisher.drained()

    def report(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            **msgspec.structs.asdict(self._figures),
            "stored": self.batcher.stored,
            "waiting": self.publisher.waiting,
            "journal_bytes": self.journal.bytes_used,
            "dropped": self.batcher.dropped,
            "limits": dict(self._tally.hits),
            **(self.flaws.standing().figure() if self.flaws else {}),
            "ports": {name: list(lure.every_port) for name, lure in self._config.lures.items()},
        }


def _seed(keys: Path, port: int) -> bytes:
    """What makes this sensor's port unlike any other's: 16 bytes, the same at every start."""
    secret = keys / "seed"
    if not secret.exists():
        fresh = keys / f"seed.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(os.urandom(32))
        with contextlib.suppress(FileExistsError):  # a sibling was quicker
            os.link(fresh, secret)
        fresh.unlink()
    return hashlib.blake2b(secret.read_bytes() + port.to_bytes(2, "big"), digest_size=16).digest()


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)
        )


def _ports(config: Config) -> str:
    return ", ".join(f"{name} {'/'.join(map(str, lure.every_port))}" for name, lure in config.lures.items())
