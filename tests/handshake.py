"""A TLS client without a socket, and a front that costs no new key for every test."""

import ssl
import tempfile
from functools import cache
from pathlib import Path

from propolis.clock import ManualClock
from propolis.events import Event
from propolis.lures import Tls
from propolis.sensors.tls import (
    Answered,
    Channel,
    Ended,
    Front,
    Opened,
    Received,
    Reported,
    Unprotected,
    front,
    load,
)
from propolis.sensors.tls.record import client as trusting

HTTP = ("http/1.1", "http/1.0", "http/0.9")


@cache
def keys() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@cache
def front_of(name: str = "debian12", spoken: tuple[str, ...] = HTTP) -> Front:
    return front(load(name), Path(keys().name), "web01", spoken, ManualClock().now())


class Peer:
    """Talks with one channel; keeps what happened."""

    def __init__(self, front: Front, *, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self.channel = Channel(front)
        self.context = trusting(highest=highest)
        self.events: list[Event] = []
        self.opened: Tls | None = None
        self.heard = b""
        self.clear = b""
        self.ended = ""
        self.wire = b""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls: ssl.SSLObject | None = None

    def give(self, data: bytes) -> bytes:
        """Bytes to the channel; what it answers."""
        answer = b""
        for step in self.channel.receive(data):
            match step:
                case Reported(event):
                    self.events.append(event)
                case Answered(part):
                    answer += part
                case Opened(said):
                    self.opened = said
                case Received(part):
                    self.heard += part
                case Unprotected(part):
                    self.clear += part
                case Ended(reason):
                    self.ended = reason
        self.wire += answer
        return answer

    def shake(self, name: str = "decoy.example") -> bool:
        """The handshake; whether it succeeded."""
        self.tls = self.context.wrap_bio(self._in, self._out, server_hostname=name)
        for _ in range(6):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._in.write(self.give(self._out.read()))
            except ssl.SSLError:
                return False
            else:
                self._in.write(self.give(self._out.read()))
                return True
        return False

    def say(self, data: bytes) -> None:
        assert self.tls is not None
        self.tls.write(data)
        self._in.write(self.give(self._out.read()))

    def hear(self, data: bytes) -> bytes:
        """What the client reads of these bytes from the wire; empty at the end of TLS."""
        assert self.tls is not None
        self._in.write(data)
        try:
            return self.tls.read(65_536)
        except ssl.SSLZeroReturnError:
            return b""

    def end(self) -> None:
        assert self.tls is not None
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            self.give(self._out.read())
