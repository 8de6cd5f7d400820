"""What listens at a port of HTTP: it speaks HTTP/1 or, where the server does too, HTTP/2, as the client does."""

from collections.abc import Iterable
from typing import ClassVar

from propolis.lures.http.census import PREFACE
from propolis.lures.http.dialogue import HttpLure
from propolis.lures.http.h2 import Http2
from propolis.lures.http.server import load
from propolis.lures.lure import Effect, Lure, Visit


class WebLure:
    """HTTP/2 where TLS agreed on it (ALPN ``h2``), or the client begins with its preface (RFC 9113, 3.3) and is taken.

    Most servers take it over TLS only; to them the preface is one more odd request.
    """

    name: ClassVar[str] = "http"
    alpn: ClassVar[tuple[str, ...]] = ("h2", *HttpLure.alpn)
    __slots__ = ("_begun", "_dialogue", "_visit")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._dialogue: Lure | None = None
        self._begun = b""

    def connected(self) -> Iterable[Effect]:
        """A server of HTTP/2 greets first; one of HTTP/1 waits."""
        if self._visit.tls is not None and self._visit.tls.alpn == "h2":
            self._dialogue = Http2(self._visit, HttpLure)
            return self._dialogue.connected()
        return ()

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Bytes of either protocol, split anywhere."""
        if self._dialogue is not None:
            return self._dialogue.receive(data)
        if self._begun:
            data = self._begun + data
        if data.startswith(PREFACE) and self._takes_http_2():
            self._dialogue = Http2(self._visit, HttpLure)
            return (*self._dialogue.connected(), *self._dialogue.receive(data))
        if PREFACE.startswith(data) and len(data) < len(PREFACE) and self._takes_http_2():
            self._begun = data
            return ()
        self._dialogue = HttpLure(self._visit)
        return self._dialogue.receive(data)

    def _takes_http_2(self) -> bool:
        visit = self._visit
        server = visit.flaws.server(visit.target_port) if visit.flaws else ""
        return load(server or visit.persona).h2c

    def closed(self) -> Iterable[Effect]:
        """The client left; what it had begun is told."""
        if self._dialogue is None:
            if not self._begun:
                return ()
            self._dialogue = HttpLure(self._visit)
            return (*self._dialogue.receive(self._begun), *self._dialogue.closed())
        return self._dialogue.closed()
