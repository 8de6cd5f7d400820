"""A sensor worker: one process that listens at every lure's ports, sharing them with its siblings."""

import asyncio
import contextlib
import hashlib
import ipaddress
import os
import random
import resource
import socket
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.errors import ConfigError
from propolis.lures import Lure
from propolis.notes import StageStarted, tell
from propolis.sensors.batch import Batcher
from propolis.sensors.conversation import ConnectionIds, Conversation, Figures, Post
from propolis.sensors.journal import Journal
from propolis.sensors.limits import Guests, Tally
from propolis.stream import Publisher, Pulse, address_of, connect

BACKLOG = 4_096
SWEEP_SECONDS = 1.0
SILENT_NS = SECOND
SPARE_FILES = 256
FINISH_SECONDS = 2.0


async def run(config: Config, index: int, clock: Clock, catalogue: Iterable[type[Lure]]) -> None:
    """Listen, until cancelled. ``index`` tells workers of one sensor apart."""
    address = address_of(config)
    _allow_files(config.sensors.max_connections + SPARE_FILES)
    stream = await connect(address.url, "sensor", credential=address.credential)
    publisher = Publisher(stream, clock)
    tally = Tally(clock, "sensor")
    journal = Journal(
        config.state / "journal" / f"{config.sensor_name}.{index}", config.sensors.journal_bytes
    )
    batcher = Batcher(publisher, journal, clock, tally, lanes=config.stream.lanes)
    recovered = batcher.recover()
    figures = Figures()
    posts = _posts(config, {lure.name: lure for lure in catalogue}, batcher, tally, clock, figures)
    pulse = Pulse(
        stream,
        clock,
        stage="sensor",
        name=f"{config.sensor_name}.{index}",
        host=config.host_name,
        figures=lambda: _figures(config, figures, tally, publisher, batcher, journal),
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        stack.callback(journal.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(publisher.run(), name="publish")
        tasks.create_task(pulse.run(), name="pulse")
        for post, sockets in posts:
            for listener in sockets:
                server = await asyncio.get_running_loop().create_server(
                    lambda post=post: Conversation(post),
                    sock=listener,
                    backlog=BACKLOG,  # type: ignore[misc]
                )
                stack.callback(server.close)
        tell(
            StageStarted(
                stage="sensor",
                detail=f"worker {index}, ports {_ports(config)}, {recovered} batches recovered",
            )
        )
        tasks.create_task(_sweep(posts[0][0].guests if posts else None, config, clock, tally), name="sweep")
        stack.push_async_callback(_finish, batcher, publisher)
        await asyncio.Event().wait()


async def _finish(batcher: Batcher, publisher: Publisher) -> None:
    """Give the stream what is left; what it does not take in time waits in the journal."""
    batcher.close_batch()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FINISH_SECONDS):
            await publisher.drained()


def _posts(
    config: Config,
    lures: Mapping[str, type[Lure]],
    batcher: Batcher,
    tally: Tally,
    clock: Clock,
    figures: Figures,
) -> list[tuple[Post, list[socket.socket]]]:
    guests: Guests[bytes, Conversation] = Guests(
        config.sensors.max_connections, config.sensors.max_connections_per_source
    )
    # lures draw delays and challenges of protocols long broken from it; no secret of ours
    chance, new_id = random.Random(os.urandom(32)), ConnectionIds()  # noqa: S311
    keys = config.state / "keys" / config.sensor_name
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    posts = []
    for name, settings in config.lures.items():
        for port in settings.ports:
            post = Post(
                sensor=config.sensor_name,
                lure=lures[name],
                persona=config.sensors.persona,
                seed=_seed(keys, port),
                keys=keys,
                proxies=tuple(ipaddress.ip_network(network) for network in config.sensors.proxies),
                max_bytes_in=config.sensors.max_bytes_in,
                batcher=batcher,
                guests=guests,
                tally=tally,
                clock=clock,
                random=chance,
                new_id=new_id,
                figures=figures,
            )
            listeners = [listen(config.path, f"lures.{name}.ports", ip, port) for ip in settings.addresses]
            posts.append((post, listeners))
    return posts


def listen(path: Path, key: str, address: str, port: int, *, shared: bool = True) -> socket.socket:
    """A bound socket, shared with the other workers. Raises :class:`ConfigError` when it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(
            path, key, f"{address}: this host does not speak it ({error.strerror}); leave it out of addresses"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        cure = {
            13: "needs root; choose a port above 1023",
            98: "is in use; stop what listens there or choose another port",
            99: "is not an address of this host",
        }.get(error.errno or 0, f"cannot be bound ({error.strerror})")
        raise ConfigError(path, key, f"{address} port {port} {cure}") from error
    listener.setblocking(False)
    return listener


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


async def _sweep(
    guests: Guests[bytes, Conversation] | None, config: Config, clock: Clock, tally: Tally
) -> None:
    """Report who is silent, and close who is silent or has stayed too long."""
    idle, longest = int(config.sensors.idle_seconds * SECOND), int(config.sensors.max_seconds * SECOND)
    while guests is not None:
        await asyncio.sleep(SWEEP_SECONDS)
        now = clock.monotonic()
        for guest in guests.idle_first():
            if now - guest.active_at > idle:
                guest.hang_up("idle_seconds")
            elif now - guest.began_at > longest:
                tally.hit("sensors.max_seconds", "a connection was closed")
                guest.hang_up("max_seconds")
            elif now - guest.began_at > SILENT_NS:
                guest.tell_if_silent()


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)
        )


def _ports(config: Config) -> str:
    return ", ".join(f"{name} {'/'.join(map(str, lure.ports))}" for name, lure in config.lures.items())


def _figures(
    config: Config, figures: Figures, tally: Tally, publisher: Publisher, batcher: Batcher, journal: Journal
) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(figures),
        "stored": batcher.stored,
        "waiting": publisher.waiting,
        "journal_bytes": journal.bytes_used,
        "limits": dict(tally.hits),
        "ports": {name: list(lure.ports) for name, lure in config.lures.items()},
    }
