"""Running a command: what the server checks first, in its order, and then who answers."""

from propolis.clock import SECOND
from propolis.lures.redis import (
    access,
    client,
    containers,
    describe,
    generic,
    scored,
    scripting,
    server,
    strings,
)
from propolis.lures.redis.persona import Shape
from propolis.lures.redis.quoting import quoted
from propolis.lures.redis.session import NO_MEMORY, WORD_BYTES, Handler, Refused, Session
from propolis.lures.redis.wire import OK, SILENCE, Error, Several, Status, Value

HANDLERS: dict[bytes, Handler] = {
    **access.COMMANDS,
    **client.COMMANDS,
    **containers.COMMANDS,
    **describe.COMMANDS,
    **generic.COMMANDS,
    **scored.COMMANDS,
    **scripting.COMMANDS,
    **server.COMMANDS,
    **strings.COMMANDS,
}
"""Every command that is played; the others give the answer that was recorded."""

QUEUE_MAX = 1_000
"""Commands of one transaction."""

_SHOWN = 128
_AT_ONCE = frozenset((b"exec", b"discard", b"multi", b"watch", b"reset"))
_WITHOUT_LOGIN = frozenset((b"auth", b"hello", b"reset"))
_WHILE_LISTENING = frozenset(
    (
        b"ping",
        b"reset",
        *(kind + verb for kind in (b"", b"p", b"s") for verb in (b"subscribe", b"unsubscribe")),
    )
)
_ON_KEYS = frozenset(("write", "readonly", "may_replicate"))
_DEBUG = (
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local '
    "connection, otherwise you need to set this option in the configuration file, and then restart the server."
)


def run(session: Session, words: list[bytes]) -> Value:
    """The answer to one command, with what a monitor sees of it behind."""
    was_monitoring = session.is_monitoring
    answer = _answer(session, words)
    if isinstance(answer, Error):
        code = answer.text.partition(" ")[0]
        session.errors[code] = session.errors.get(code, 0) + 1
    elif was_monitoring and session.is_monitoring and not _is_private(session, words):
        return Several([answer, Status(_seen(session, words))])
    return answer


def _is_private(session: Session, words: list[bytes]) -> bool:
    found = _shape(session, words[0].lower(), words)
    return isinstance(found, Error) or not found[1].flags.isdisjoint(("skip_monitor", "admin"))


def _seen(session: Session, words: list[bytes]) -> str:
    """A command as ``MONITOR`` shows it."""
    seconds, rest = divmod(session.visit.clock.now(), SECOND)
    visit = session.visit
    shown = " ".join([quoted(word) for word in words])
    return f"{seconds}.{rest // 1_000:06d} [{session.database} {visit.source_ip}:{visit.source_port}] {shown}"


def _answer(session: Session, words: list[bytes]) -> Value:
    name = words[0].lower()
    if name == b"quit":
        session.is_over = True
        return OK
    found = _shape(session, name, words)
    refusal = found if isinstance(found, Error) else _refusal(session, name, found[1])
    if refusal is not None or isinstance(found, Error):
        session.is_dirty = session.queue is not None
        return refusal
    full, shape = found
    try:
        if session.queue is not None and name not in _AT_ONCE:
            return _enqueue(session, session.queue, words)
        return _execute(session, full, shape, words)
    except Refused as refused:
        return Error(str(refused))


def _shape(session: Session, name: bytes, words: list[bytes]) -> tuple[bytes, Shape] | Error:
    """The command's full name and shape, or why there is none."""
    table = session.instance.table
    shape = table.shapes.get(name)
    if shape is None or b"|" in name:
        return _unknown(words)
    full = name
    if name in table.containers and len(words) > 1:
        full = name + b"|" + words[1].lower()
        inner = table.shapes.get(full)
        if inner is None:
            shown = _text(words[1])[:_SHOWN]
            return Error(f"ERR unknown subcommand '{shown}'. Try {name.decode().upper()} HELP.")
        shape = inner
    if len(words) != shape.arity if shape.arity > 0 else len(words) < -shape.arity:
        return Error(f"ERR wrong number of arguments for '{shape.name}' command")
    return full, shape


def _unknown(words: list[bytes]) -> Error:
    shown = ""
    for word in words[1:]:
        if len(shown) >= _SHOWN:
            break
        shown += f"'{_text(word)[: _SHOWN - len(shown)]}' "
    return Error(f"ERR unknown command '{_text(words[0])[:_SHOWN]}', with args beginning with: {shown}")


def _text(word: bytes) -> str:
    """A word as C prints it: up to a NUL."""
    return word.partition(b"\0")[0][:_SHOWN].decode("latin-1")


def _refusal(session: Session, name: bytes, shape: Shape) -> Error | None:
    """Why this command may not run now, in the order in which the server asks."""
    if name == b"debug":
        return Error(_DEBUG)
    if not session.is_authenticated and name not in _WITHOUT_LOGIN:
        return Error("NOAUTH Authentication required.")
    if session.queue is not None and "no_multi" in shape.flags:
        return Error("ERR Command not allowed inside a transaction")
    if (
        session.master is not None
        and "write" in shape.flags
        and session.setting("replica-read-only") == "yes"
    ):
        return Error("READONLY You can't write against a read only replica.")
    if session.is_monitoring and shape.flags & _ON_KEYS:
        return Error("ERR Replica can't interact with the keyspace")
    if session.channels and session.protocol == 2 and name not in _WHILE_LISTENING:
        return Error(
            f"ERR Can't execute '{shape.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
            "allowed in this context"
        )
    return None


def _enqueue(session: Session, queue: list[list[bytes]], words: list[bytes]) -> Value:
    if len(queue) >= QUEUE_MAX:
        session.is_dirty = True
        return Error(NO_MEMORY)
    session.charge(cost(words))
    queue.append(words)
    return Status("QUEUED")


def cost(words: list[bytes]) -> int:
    """What it costs to keep these words."""
    return sum(map(len, words)) + WORD_BYTES * len(words)


def _execute(session: Session, full: bytes, shape: Shape, words: list[bytes]) -> Value:
    match full:
        case b"multi":
            return _multi(session)
        case b"exec":
            return _exec(session)
        case b"discard":
            return _discard(session)
        case b"watch" if session.queue is not None:
            raise Refused("ERR WATCH inside MULTI is not allowed")
    if "write" in shape.flags:
        session.charge(cost(words))
        session.changes += 1
    session.calls[shape.name] = session.calls.get(shape.name, 0) + 1
    handler = HANDLERS.get(full)
    if handler is not None:
        return handler(session, words)
    # what said nothing when it was recorded blocks
    return session.instance.table.answers.get(full, SILENCE)


def _multi(session: Session) -> Value:
    if session.queue is not None:
        raise Refused("ERR MULTI calls can not be nested")
    session.queue = []
    session.is_dirty = False
    return OK


def _discard(session: Session) -> Value:
    if session.queue is None:
        raise Refused("ERR DISCARD without MULTI")
    session.queue = None
    return OK


def _exec(session: Session) -> Value:
    queue, session.queue = session.queue, None
    if queue is None:
        raise Refused("ERR EXEC without MULTI")
    if session.is_dirty:
        raise Refused("EXECABORT Transaction discarded because of previous errors.")
    session.is_executing = True
    answers = [run(session, words) for words in queue]
    session.is_executing = False
    return list(answers)
