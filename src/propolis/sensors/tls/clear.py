"""What a web server behind TLS answers who speaks HTTP in clear text to it, and who speaks neither."""

from collections.abc import Iterable, Iterator
from email.utils import formatdate
from typing import ClassVar

from propolis.clock import SECOND, Clock
from propolis.events import Malformed, RequestReceived
from propolis.lures import Effect, Emit, Hangup, Lure, Reply
from propolis.sensors.tls.profile import Profile

SAMPLE_BYTES = 4_096

_KNOWN_BYTES = 5
_HTTP = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"CONNE")
"""What OpenSSL takes for HTTP on a port of TLS, from the first five bytes."""


class InClear:
    """A lure whose events stand, and whose answers are those of the product's TLS port."""

    name: ClassVar[str] = ""

    def __init__(self, lure: Lure, profile: Profile, clock: Clock) -> None:
        self._lure = lure
        self._profile = profile
        self._clock = clock
        self._first = b""
        self._has_asked = False

    def connected(self) -> Iterable[Effect]:
        """Nothing: a server of TLS waits."""
        return ()

    def receive(self, data: bytes) -> Iterator[Effect]:
        """The lure's events, and one answer that ends it."""
        if not self._first:
            yield Emit(Malformed("no TLS", data[:SAMPLE_BYTES]))
        self._first = (self._first + data)[:_KNOWN_BYTES]
        for effect in self._lure.receive(data):
            if isinstance(effect, Emit):
                self._has_asked |= isinstance(effect.event, RequestReceived)
                yield effect
            elif self._profile.noise is None:
                # nginx reads on, and knows once it has a request
                yield Reply(self._page()) if self._has_asked else effect
                yield Hangup()
                return
        if self._profile.noise is not None and len(self._first) == _KNOWN_BYTES:
            answer = self._page() if self._first.startswith(_HTTP) else self._profile.noise.encode("latin-1")
            if answer:
                yield Reply(answer)
            yield Hangup()

    def closed(self) -> Iterable[Effect]:
        """The client is gone."""
        return self._lure.closed()

    def _page(self) -> bytes:
        date = formatdate(self._clock.now() // SECOND, usegmt=True)
        return self._profile.clear.replace("{date}", date).encode("latin-1")
