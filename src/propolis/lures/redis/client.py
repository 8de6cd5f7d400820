"""Commands on the connection: greeting, authentication, its name, and messages."""

import hmac

from propolis.clock import SECOND
from propolis.lures.redis.session import (
    CHANNEL_BYTES,
    CHANNELS_MAX,
    NO_MEMORY,
    SYNTAX,
    Handler,
    Refused,
    Session,
    number_of,
)
from propolis.lures.redis.wire import OK, SILENCE, Many, Several, Status, Value, Verbatim, integer

_NO_PASSWORD = (
    "ERR AUTH <password> called without any password configured for the default user. "  # noqa: S105 - a message
    "Are you sure your configuration is correct?"
)
_WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."  # noqa: S105 - a message
_BAD_NAME = "ERR Client names cannot contain spaces, newlines or special characters."
_CLIENT_TYPES = frozenset((b"normal", b"master", b"replica", b"slave", b"pubsub"))
_KILL_FILTERS = frozenset((b"id", b"type", b"user", b"addr", b"laddr", b"skipme"))
_NAME_BYTES = 1_024
"""The longest name that is kept."""


def ping(session: Session, words: list[bytes]) -> Value:
    """``PING [text]``; a list while it listens to channels in RESP2."""
    if len(words) > 2:
        raise Refused("ERR wrong number of arguments for 'ping' command")
    if session.channels and session.protocol == 2:
        return [b"pong", words[1] if len(words) == 2 else b""]
    return words[1] if len(words) == 2 else Status("PONG")


def echo(_session: Session, words: list[bytes]) -> Value:
    """``ECHO text``."""
    return words[1]


def select(session: Session, words: list[bytes]) -> Value:
    """``SELECT index``."""
    session.database = _index(session, words[1], "ERR value is not an integer or out of range")
    return OK


def _index(session: Session, word: bytes, complaint: str) -> int:
    index = number_of(word, complaint)
    if not 0 <= index < int(session.setting("databases")):
        raise Refused("ERR DB index is out of range")
    return index


def swapdb(session: Session, words: list[bytes]) -> Value:
    """``SWAPDB index index``."""
    first = _index(session, words[1], "ERR invalid first DB index")
    second = _index(session, words[2], "ERR invalid second DB index")
    spaces = session.keyspaces
    swapped = {{first: second, second: first}.get(index, index): keys for index, keys in spaces.items()}
    session.keyspaces = swapped
    return OK


def auth(session: Session, words: list[bytes]) -> Value:
    """``AUTH [user] password``."""
    if len(words) > 3:
        raise Refused(SYNTAX)
    user = words[1] if len(words) == 3 else b"default"
    password = session.setting("requirepass").encode("latin-1")
    if len(words) == 2 and not password:
        raise Refused(_NO_PASSWORD)
    _authenticate(session, user, words[-1])
    return OK


def _authenticate(session: Session, user: bytes, secret: bytes) -> None:
    password = session.setting("requirepass").encode("latin-1")
    # without a password the default user lets in whoever names it
    if user != b"default" or (password and not hmac.compare_digest(password, secret)):
        raise Refused(_WRONG_PASSWORD)
    session.is_authenticated = True


def hello(session: Session, words: list[bytes]) -> Value:
    """``HELLO [version [AUTH user password] [SETNAME name]]``: what the server is, in the protocol asked for."""
    protocol = session.protocol
    if len(words) > 1:
        wanted = integer(words[1])
        if wanted is None:
            raise Refused("ERR Protocol version is not an integer or out of range")
        if wanted not in {2, 3}:
            raise Refused("NOPROTO unsupported protocol version")
        protocol = 3 if wanted == 3 else 2
    _introduce(session, words)
    if not session.is_authenticated:
        raise Refused(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            "the same time"
        )
    session.protocol = protocol
    role = b"replica" if session.master is not None else b"master"
    version = session.instance.table.persona.version.encode()
    facts: list[Value] = [
        b"server",
        b"redis",
        b"version",
        version,
        b"proto",
        protocol,
        b"id",
        session.client_id,
    ]
    return Many("%", [*facts, b"mode", b"standalone", b"role", role, b"modules", []])


def _introduce(session: Session, words: list[bytes]) -> None:
    """The options of ``HELLO``, one after the other."""
    place = 2
    while place < len(words):
        match words[place].lower(), len(words) - place:
            case b"auth", left if left > 2:
                _authenticate(session, words[place + 1], words[place + 2])
                place += 3
            case b"setname", left if left > 1:
                _set_name(session, words[place + 1])
                place += 2
            case _:
                raise Refused(f"ERR Syntax error in HELLO option '{words[place].decode('latin-1')}'")


def _set_name(session: Session, name: bytes) -> None:
    if any(not 0x21 <= byte <= 0x7E for byte in name):
        raise Refused(_BAD_NAME)
    session.client_name = name[:_NAME_BYTES]


def setname(session: Session, words: list[bytes]) -> Value:
    """``CLIENT SETNAME name``."""
    _set_name(session, words[2])
    return OK


def getname(session: Session, _words: list[bytes]) -> Value:
    """``CLIENT GETNAME``."""
    return session.client_name or None


def client_id(session: Session, _words: list[bytes]) -> Value:
    """``CLIENT ID``."""
    return session.client_id


def client_info(session: Session, words: list[bytes]) -> Value:
    """``CLIENT INFO``: this connection."""
    visit, persona = session.visit, session.instance.table.persona
    query = session.query_bytes
    changed: dict[str, object] = {
        "id": session.client_id,
        "addr": f"{_address(visit.source_ip)}:{visit.source_port}",
        "laddr": f"{_address(visit.target_ip)}:{visit.target_port}",
        "name": session.client_name.decode("latin-1"),
        "age": (visit.clock.now() - session.opened) // SECOND,
        "db": session.database,
        "sub": len(session.channels),
        "qbuf": query,
        "qbuf-free": 20_474 - min(query, 20_474),
        "argv-mem": sum(map(len, words)),
        "cmd": f"client|{words[1].lower().decode('latin-1')}",
        "resp": session.protocol,
    }
    line = " ".join(f"{key}={changed.get(key, value)}" for key, value in persona.client)
    return Verbatim(f"{line}\n".encode("latin-1"))


def client_list(session: Session, words: list[bytes]) -> Value:
    """``CLIENT LIST [TYPE kind] [ID id …]``: this connection, and no other."""
    match [word.lower() for word in words[2:]]:
        case []:
            return client_info(session, words)
        case [b"type", kind]:
            if kind not in _CLIENT_TYPES:
                raise Refused(f"ERR Unknown client type '{words[3].decode('latin-1')}'")
            own = b"pubsub" if session.channels else b"normal"
            return client_info(session, words) if kind == own else Verbatim(b"")
        case [b"id", *ids] if ids:
            wanted = [number_of(word, "ERR Invalid client ID") for word in ids]
            return client_info(session, words) if session.client_id in wanted else Verbatim(b"")
        case _:
            raise Refused(SYNTAX)


def _address(text: str) -> str:
    return f"[{text}]" if ":" in text else text


def client_kill(_session: Session, words: list[bytes]) -> Value:
    """``CLIENT KILL``: nobody else is there."""
    if len(words) == 3:
        raise Refused("ERR No such client")
    if len(words) % 2 or any(word.lower() not in _KILL_FILTERS for word in words[2::2]):
        raise Refused(SYNTAX)
    return 0


def no_evict(_session: Session, words: list[bytes]) -> Value:
    """``CLIENT NO-EVICT ON|OFF``."""
    if words[2].lower() not in {b"on", b"off"}:
        raise Refused(SYNTAX)
    return OK


def pause(_session: Session, words: list[bytes]) -> Value:
    """``CLIENT PAUSE milliseconds [WRITE|ALL]``: accepted, and nobody else is kept waiting."""
    if len(words) > 3 and words[3].lower() not in {b"write", b"all"}:
        raise Refused("ERR CLIENT PAUSE mode must be WRITE or ALL")
    if number_of(words[2], "ERR timeout is not an integer or out of range") < 0:
        raise Refused("ERR timeout is negative")
    return OK


def client_reply(session: Session, words: list[bytes]) -> Value:
    """``CLIENT REPLY ON|OFF|SKIP``."""
    match words[2].lower():
        case b"on":
            session.is_muted = False
            return OK
        case b"off":
            session.is_muted = True
            return SILENCE
        case b"skip":
            session.is_skipping = True
            return SILENCE
        case _:
            raise Refused(SYNTAX)


def acknowledge(_session: Session, _words: list[bytes]) -> Value:
    """A command whose effect nobody can see."""
    return OK


def monitor(session: Session, _words: list[bytes]) -> Value:
    """``MONITOR``: from now on it sees its own commands; nobody else's are there."""
    session.is_monitoring = True
    return OK


def quit_(session: Session, _words: list[bytes]) -> Value:
    """``QUIT``."""
    session.is_over = True
    return OK


def reset(session: Session, _words: list[bytes]) -> Value:
    """``RESET``: the connection as it was when it was opened."""
    session.protocol = 2
    session.database = 0
    session.client_name = b""
    session.channels.clear()
    session.is_monitoring = False
    session.queue = None
    session.is_dirty = False
    session.is_authenticated = not session.setting("requirepass")
    return Status("RESET")


def subscribe(session: Session, words: list[bytes]) -> Value:
    """``SUBSCRIBE channel …`` and its kin: one answer a channel; nobody ever publishes."""
    verb = words[0].lower()
    answers: list[Value] = []
    for channel in words[1:]:
        if len(session.channels) >= CHANNELS_MAX or len(channel) > CHANNEL_BYTES:
            raise Refused(NO_MEMORY)
        session.channels[verb.removesuffix(b"subscribe") + b":" + channel] = channel
        answers.append(Many(">", [verb, channel, len(session.channels)]))
    return Several(answers)


def unsubscribe(session: Session, words: list[bytes]) -> Value:
    """``UNSUBSCRIBE [channel …]`` and its kin: all of them if none is named."""
    verb = words[0].lower()
    kind = verb.removesuffix(b"unsubscribe") + b":"
    known = [channel for key, channel in session.channels.items() if key.startswith(kind)]
    answers: list[Value] = []
    for channel in words[1:] or known:
        session.channels.pop(kind + channel, None)
        answers.append(Many(">", [verb, channel, len(session.channels)]))
    return Several(answers or [Many(">", [verb, None, len(session.channels)])])


COMMANDS: dict[bytes, Handler] = {
    b"auth": auth,
    b"client|getname": getname,
    b"client|id": client_id,
    b"client|info": client_info,
    b"client|kill": client_kill,
    b"client|list": client_list,
    b"client|no-evict": no_evict,
    b"client|pause": pause,
    b"client|reply": client_reply,
    b"client|setname": setname,
    b"client|unpause": acknowledge,
    b"echo": echo,
    b"hello": hello,
    b"monitor": monitor,
    b"ping": ping,
    b"psubscribe": subscribe,
    b"punsubscribe": unsubscribe,
    b"quit": quit_,
    b"reset": reset,
    b"select": select,
    b"ssubscribe": subscribe,
    b"subscribe": subscribe,
    b"sunsubscribe": unsubscribe,
    b"swapdb": swapdb,
    b"unsubscribe": unsubscribe,
}
