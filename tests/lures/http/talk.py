"""A site in conversation, as the dialogue carries it: heads read by the server's rules, bodies taken, answers given."""

from propolis.lures.http import wire
from propolis.lures.http.reading import Refusal, Request
from propolis.lures.http.site import Site
from propolis.lures.http.static import Answered, answer, refuse

KEPT_BYTES = 4_096


class Talk:
    """What a site answers to bytes split anywhere, and whether it hung up; its clock stands still."""

    def __init__(self, site: Site, now: int) -> None:
        self._site = site
        self._now = now
        self._buffer = b""
        self._served = 0
        self._body: wire.Counted | wire.Chunks | None = None
        self._answered: Answered | None = None
        self.sent = b""
        self.hung_up = False

    def feed(self, *parts: bytes) -> "Talk":
        for part in parts:
            self._buffer += part
            while self._buffer and not self.hung_up and self._step():
                pass
        return self

    def _step(self) -> bool:
        if self._body:
            return self._take(self._body)
        reading = self._site.read(self._buffer)
        match reading:
            case None:
                return False
            case Refusal():
                self.sent += refuse(self._site, reading, self._now)
                self.hung_up = True
            case Request():
                self._buffer = self._buffer[reading.end :]
                self._answer(reading)
        return True

    def _answer(self, request: Request) -> None:
        persona = self._site.persona
        match request.framing:
            case wire.Chunked():
                self._body = wire.Chunks(KEPT_BYTES)
            case wire.Sized(length) if length:
                self._body = wire.Counted(length, KEPT_BYTES)
        is_waited_for = not self._buffer and b"expect" in request.fields.values
        end = self._body.feed(self._buffer, 0) if self._body else 0
        is_broken = self._body is not None and self._body.is_broken
        self._answered = answered = answer(
            self._site, request, self._now, served=self._served, is_broken=is_broken
        )
        self._served += 1
        if is_waited_for and answered.page != "417":
            self.sent += persona.continues.encode()
        if end >= 0 or persona.answers_early:
            self.sent += answered.data
        if end < 0:
            self._buffer = b""
            self.hung_up = persona.closes_early and answered.is_last
            return
        self._buffer, self._body = self._buffer[end:], None
        self.hung_up = answered.is_last

    def _take(self, body: wire.Counted | wire.Chunks) -> bool:
        end = body.feed(self._buffer, 0)
        if end < 0:
            self._buffer = b""
            return False
        self._buffer, self._body = self._buffer[end:], None
        assert self._answered
        if not self._site.persona.answers_early:
            self.sent += self._answered.data
        self.hung_up = self._answered.is_last or body.is_broken
        return True
