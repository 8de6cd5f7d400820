"""The Redis dialogue: what Debian's redis-server answers when it is open to all, and one fact per command."""

from collections.abc import Iterable
from typing import ClassVar

from propolis.events import ClientIdentified, CommandRun, CredentialTried, Malformed
from propolis.lures.lure import Effect, Emit, Hangup, Reply, Visit
from propolis.lures.redis import wire
from propolis.lures.redis.commands import run
from propolis.lures.redis.quoting import readable
from propolis.lures.redis.session import Session
from propolis.lures.redis.wire import Error, Fault, Request

PAYLOAD_BYTES = 262_144
"""How much of a command goes into an event."""
LINE_CHARS = 4_096
"""How long the readable form of a command may be."""
NAME_CHARS = 1_024
"""How long a user name, a password or a client's name may be in an event."""
SAMPLE_BYTES = 4_096
_HTTP = frozenset((b"post", b"host:"))
"""Words of HTTP requests that a browser was made to send; the server hangs up on them without a word."""


class RedisLure:
    """A Redis that somebody opened to the world: Debian's, recorded."""

    name: ClassVar[str] = "redis"
    __slots__ = ("_is_dropped", "_is_over", "_reader", "_session", "_visit")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._reader = wire.Reader()
        self._session: Session | None = None
        self._is_over = False
        self._is_dropped = False

    def connected(self) -> Iterable[Effect]:
        """Redis servers listen first."""
        return ()

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Bytes of any number of commands, split anywhere, to answers and facts."""
        if self._is_over:
            return ()
        self._reader.feed(data)
        effects: list[Effect] = []
        answers: list[bytes] = []
        size = 0
        while not self._is_over and (request := self._reader.next()) is not None:
            if isinstance(request, Fault):
                answers.append(self._break_off(request, effects))
                break
            answer = self._answer(request, effects)
            if self._is_dropped:
                # the server frees such a connection before it writes what it still owes
                answers.clear()
            size += len(answer)
            if size > wire.REPLY_BYTES:
                self._is_over = True
                break
            answers.append(answer)
        said = b"".join(answers)
        if said:
            effects.append(Reply(said))
        if self._is_over:
            effects.append(Hangup())
        return effects

    def closed(self) -> Iterable[Effect]:
        """The client left; what it had not finished is told."""
        unread = b"" if self._is_over else self._reader.unread
        self._is_over = True
        return (Emit(Malformed("unfinished command", unread[:SAMPLE_BYTES])),) if unread.strip() else ()

    def _answer(self, request: Request, effects: list[Effect]) -> bytes:
        """Tell the command, run it, and encode the answer."""
        words = request.words
        effects.append(Emit(CommandRun(readable(words, LINE_CHARS), request.raw[:PAYLOAD_BYTES])))
        name = words[0].lower()
        if name in _HTTP:
            self._is_over = self._is_dropped = True
            return b""
        if self._session is None:
            self._session = Session(self._visit, run)
        session = self._session
        is_skipped, session.is_skipping = session.is_skipping, False
        session.query_bytes = len(request.raw)
        value = run(session, words)
        if name in _TELLING:
            effects += _told(words, is_accepted=not isinstance(value, Error))
        encoded = wire.encode(value, session.protocol)
        self._is_over = session.is_over or encoded is None
        return b"" if encoded is None or is_skipped or session.is_muted else encoded

    def _break_off(self, fault: Fault, effects: list[Effect]) -> bytes:
        self._is_over = True
        reason = fault.reason or "request too long"
        effects.append(Emit(Malformed(reason, fault.sample[:SAMPLE_BYTES])))
        if not fault.reason:
            return b""
        return wire.encode(Error(f"ERR Protocol error: {fault.reason}"), 2) or b""


_TELLING = frozenset((b"auth", b"hello", b"client"))


def _told(words: list[bytes], *, is_accepted: bool) -> Iterable[Effect]:
    """Credentials and names that a command carries."""
    lower = [word.lower() for word in words[:2]]
    match lower:
        case [b"auth", _] if len(words) <= 3:
            user = words[1] if len(words) == 3 else b""
            yield _tried(user, words[-1], is_accepted=is_accepted)
        case [b"client", b"setname"] if len(words) == 3:
            yield Emit(ClientIdentified(_shown(words[2])))
        case [b"client", b"setinfo"] if len(words) == 4:
            yield Emit(ClientIdentified(f"{_shown(words[2])} {_shown(words[3])}"))
        case [b"hello", _]:
            yield from _greeted(words, is_accepted=is_accepted)


def _greeted(words: list[bytes], *, is_accepted: bool) -> Iterable[Effect]:
    place = 2
    while place < len(words):
        match [words[place].lower(), *words[place + 1 : place + 3]]:
            case [b"auth", user, secret]:
                yield _tried(user, secret, is_accepted=is_accepted)
                place += 3
            case [b"setname", name, *_]:
                yield Emit(ClientIdentified(_shown(name)))
                place += 2
            case _:
                return


def _tried(user: bytes, secret: bytes, *, is_accepted: bool) -> Emit:
    return Emit(CredentialTried(_shown(user), _shown(secret), "redis", is_accepted))


def _shown(word: bytes) -> str:
    r"""Text of a word, bytes that are not UTF-8 as ``\xHH``."""
    return word[:NAME_CHARS].decode("utf-8", "backslashreplace")
