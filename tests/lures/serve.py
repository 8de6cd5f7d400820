"""Serve a lure on loopback, carrying out its effects as a sensor does, and keep what it reports."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from propolis.clock import Clock, SystemClock
from propolis.events import Event
from propolis.events.canary import KEY_BYTES, Mint
from propolis.flaws.file import Flaw
from propolis.flaws.index import Catalogue
from propolis.flaws.session import Sessions
from propolis.lures.lure import Effect, Emit, Hangup, Knowledge, Lure, Reply, Visit
from propolis.machine.host import host_of


class Known:
    """What a sensor knows of flaws, without a sensor: these lures, of which the ``played`` products' answer."""

    def __init__(self, flaws: Iterable[Flaw], played: Iterable[str], server: str = "nginx") -> None:
        self.sessions = Sessions()
        self.mint = Mint(bytes(KEY_BYTES))
        self.catalogue = Catalogue(flaws)
        self.hits: Counter[str] = Counter()
        self._played = frozenset(played)
        self._server = server

    def plays(self, _port: int) -> frozenset[str]:
        return self._played

    def server(self, _port: int) -> str:
        return self._server

    def recognised(self, flaws: tuple[str, ...]) -> None:
        self.hits.update(flaws)


def visit(
    *,
    seed: bytes = b"seed",
    source_ip: str = "198.51.100.7",
    persona: str = "",
    clock: Clock | None = None,
    port: int = 0,
    flaws: Knowledge | None = None,
) -> Visit:
    return Visit(
        source_ip=source_ip,
        source_port=40_000,
        target_ip="192.0.2.1",
        target_port=port,
        seed=seed,
        random=random.Random(7),
        keys=Path("/nonexistent"),
        persona=persona,
        clock=clock or SystemClock(),
        flaws=flaws,
        machine=host_of(seed),
    )


class Heard:
    """What a lure answered to everything it was fed: bytes, facts, and whether it hung up."""

    def __init__(self, lure: Lure) -> None:
        self.lure = lure
        self.sent = b""
        self.events: list[Event] = []
        self.hung_up = False
        self._take(lure.connected())

    def feed(self, *parts: bytes) -> "Heard":
        for part in parts:
            self._take(self.lure.receive(part))
        return self

    def close(self) -> "Heard":
        self._take(self.lure.closed())
        return self

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def _take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Reply(data):
                    assert isinstance(data, bytes)
                    self.sent += data
                case Emit(event):
                    self.events.append(event)
                case Hangup():
                    self.hung_up = True


def play(kind: type[Lure], *parts: bytes, **about: object) -> Heard:
    """A whole visit: the parts one after the other, then the client leaves."""
    return Heard(kind(visit(**about))).feed(*parts).close()


def transcript(kind: type[Lure], script: str, **about: object) -> str:
    """What really happens when the ``>`` lines of a dialogue are sent: to be equal to the dialogue itself.

    ``>`` is a line sent (Python escapes, CR LF added), ``<`` what came back, ``!`` a fact without payload and defaults.
    """
    heard = Heard(kind(visit(**about)))
    lines = _came(heard)
    for line in script.strip().splitlines():
        if line.strip().startswith("> "):
            text = line.strip()[2:]
            heard.feed(text.encode().decode("unicode_escape").encode("latin-1") + b"\r\n")
            lines += [f"> {text}", *_came(heard)]
    return "\n".join([*lines, "hung up"] if heard.hung_up else lines)


def written(script: str) -> str:
    """A dialogue as a test writes it, without its indentation."""
    return "\n".join(line.strip() for line in script.strip().splitlines())


def _came(heard: Heard) -> list[str]:
    facts = [f"! {_fact(event)}" for event in heard.events]
    text = heard.sent.replace(b"\r\n", b"\n").decode("latin-1")
    heard.events, heard.sent = [], b""
    said = [
        f"< {line.encode('unicode_escape').decode()}".rstrip() for line in text.removesuffix("\n").split("\n")
    ]
    return facts + (said if text else [])


def _fact(event: Event) -> str:
    fields = {key: value for key, value in msgspec.structs.asdict(event).items() if key != "payload"}
    told = " ".join(f"{key}={value!r}" for key, value in fields.items() if value not in ("", 0, False))
    return f"{type(event).__name__} {told}".rstrip()


class _Served(asyncio.Protocol):
    def __init__(self, kind: type[Lure], events: list[Event], flaws: Knowledge | None = None) -> None:
        self._kind = kind
        self._events = events
        self._flaws = flaws

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        port = transport.get_extra_info("sockname")[1]
        self._lure = self._kind(visit(source_ip="127.0.0.1", port=port, flaws=self._flaws))
        self._do(self._lure.connected())

    def data_received(self, data: bytes) -> None:
        self._do(self._lure.receive(data))

    def connection_lost(self, _error: Exception | None) -> None:
        self._do(self._lure.closed())

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Reply(data):
                    self._transport.write(data)
                case Emit(event):
                    self._events.append(event)
                case Hangup():
                    self._transport.close()


@asynccontextmanager
async def serve(kind: type[Lure], flaws: Knowledge | None = None) -> AsyncIterator[tuple[int, list[Event]]]:
    """The lure on a free loopback port; gives the port and the list its facts are added to."""
    events: list[Event] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Served(kind, events, flaws), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], events
