"""Commands on keys of any type."""

from propolis.lures.redis.keyspace import NAMES, Members, Stored
from propolis.lures.redis.session import SYNTAX, WORD_BYTES, Handler, Refused, Session, glob, number_of
from propolis.lures.redis.wire import OK, Status, Value, integer

_NO_KEY = "ERR no such key"


def delete(session: Session, words: list[bytes]) -> Value:
    """``DEL key …``, ``UNLINK``."""
    # get first: a key whose time has come does not count
    return sum(session.keys.get(key) is not None and session.keys.remove(key) for key in words[1:])


def exists(session: Session, words: list[bytes]) -> Value:
    """``EXISTS key …``, ``TOUCH``."""
    return sum(session.keys.get(key) is not None for key in words[1:])


def keys(session: Session, words: list[bytes]) -> Value:
    """``KEYS pattern``."""
    _look_through(session, words[1])
    matches = glob(words[1]).fullmatch
    return [key for key in session.keys.keys() if matches(key)]  # noqa: SIM118 - not a dict


def scan(session: Session, words: list[bytes]) -> Value:
    """``SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]``; cursors are places."""
    options = scan_options(words[1], words[2:], may_have_type=True)
    _look_through(session, options.pattern)
    found = session.keys.keys()
    page = found[options.place : options.place + options.count]
    kind = options.kind
    chosen = [
        key for key in page if options.matches(key) and (not kind or NAMES[_kind(session, key)] == kind)
    ]
    end = options.place + options.count
    return [b"%d" % end if end < len(found) else b"0", list(chosen)]


def _look_through(session: Session, pattern: bytes) -> None:
    """Account for matching every name with a pattern."""
    names = session.keys.keys()
    session.exert((sum(map(len, names)) + len(names)) * (1 + len(pattern)))


def _kind(session: Session, key: bytes) -> type[Stored]:
    value = session.keys.get(key)
    return bytes if value is None else type(value)


class ScanOptions:
    """What ``SCAN`` and its kin were asked for."""

    __slots__ = ("count", "kind", "pattern", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.count = 10
        self.kind = ""
        self.pattern = b"*"

    def matches(self, name: bytes) -> bool:
        """Whether the pattern lets this name through."""
        return self.pattern == b"*" or glob(self.pattern).fullmatch(name) is not None

    def take(self, option: bytes, word: bytes, *, may_have_type: bool) -> None:
        """One option and its value. Raises :class:`Refused`."""
        match option:
            case b"MATCH":
                self.pattern = word
            case b"COUNT":
                self.count = number_of(word)
                if self.count < 1:
                    raise Refused(SYNTAX)
            case b"TYPE" if may_have_type:
                self.kind = word.decode("latin-1").lower()
            case _:
                raise Refused(SYNTAX)


def scan_options(cursor: bytes, words: list[bytes], *, may_have_type: bool = False) -> ScanOptions:
    """Cursor and options of a scan. Raises :class:`Refused`."""
    place = integer(cursor)
    if place is None or place < 0:
        raise Refused("ERR invalid cursor")
    options = ScanOptions(place)
    if len(words) % 2:
        raise Refused(SYNTAX)
    for option, word in zip(words[::2], words[1::2], strict=True):
        options.take(option.upper(), word, may_have_type=may_have_type)
    return options


def type_(session: Session, words: list[bytes]) -> Value:
    """``TYPE key``."""
    value = session.keys.get(words[1])
    return Status("none" if value is None else NAMES[type(value)])


def expire(session: Session, words: list[bytes]) -> Value:
    """``EXPIRE key time [NX|XX|GT|LT]`` and its kin: seconds or milliseconds, from now or since the epoch."""
    name = words[0].lower()
    amount = number_of(words[2])
    until = amount if name.startswith(b"p") else amount * 1_000
    until += 0 if name.endswith(b"at") else session.keys.now()
    if not -(2**63) <= until < 2**63:
        raise Refused(f"ERR invalid expire time in '{name.decode()}' command")
    flags = {word.upper() for word in words[3:]}
    for word in words[3:]:
        if word.upper() not in {b"NX", b"XX", b"GT", b"LT"}:
            raise Refused(f"ERR Unsupported option {word.decode('latin-1')}")
    if b"NX" in flags and len(flags) > 1:
        raise Refused("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= flags:
        raise Refused("ERR GT and LT options at the same time are not compatible")
    if session.keys.get(words[1]) is None:
        return 0
    before = session.keys.expiry(words[1])
    is_kept = (
        (b"NX" in flags and before is not None)
        or (b"XX" in flags and before is None)
        or (b"GT" in flags and (before is None or until <= before))
        or (b"LT" in flags and before is not None and until >= before)
    )
    if is_kept:
        return 0
    session.keys.expire(words[1], until)
    return 1


def ttl(session: Session, words: list[bytes]) -> Value:
    """``TTL``, ``PTTL``, ``EXPIRETIME``, ``PEXPIRETIME``: -2 without the key, -1 without an end."""
    name = words[0].lower()
    if session.keys.get(words[1]) is None:
        return -2
    until = session.keys.expiry(words[1])
    if until is None:
        return -1
    left = until if name.endswith(b"time") else until - session.keys.now()
    if name.startswith(b"p"):
        return left
    return left // 1_000 if name.endswith(b"time") else (left + 500) // 1_000


def persist(session: Session, words: list[bytes]) -> Value:
    """``PERSIST key``."""
    if session.keys.get(words[1]) is None or session.keys.expiry(words[1]) is None:
        return 0
    session.keys.expire(words[1], None)
    return 1


def rename(session: Session, words: list[bytes]) -> Value:
    """``RENAME key new``, ``RENAMENX``."""
    only_new = words[0].lower() == b"renamenx"
    value = session.keys.get(words[1])
    if value is None:
        raise Refused(_NO_KEY)
    if only_new and session.keys.get(words[2]) is not None:
        return 0
    until = session.keys.expiry(words[1])
    session.keys.remove(words[1])
    session.keys.put(words[2], value, keep_expiry=False)
    if until is not None:
        session.keys.expire(words[2], until)
    return 1 if only_new else OK


def copy(session: Session, words: list[bytes]) -> Value:
    """``COPY source destination [REPLACE]``."""
    if len(words) > 3 and [word.upper() for word in words[3:]] != [b"REPLACE"]:
        raise Refused(SYNTAX)
    if words[1] == words[2]:
        raise Refused("ERR source and destination objects are the same")
    value = session.keys.get(words[1])
    if value is None or (session.keys.get(words[2]) is not None and len(words) == 3):
        return 0
    session.charge(size(value))
    session.keys.put(words[2], value if isinstance(value, bytes) else type(value)(value), keep_expiry=False)  # type: ignore[arg-type]  # a container of its own kind
    return 1


def size(value: Stored) -> int:
    """About how many bytes a value takes. O(items)."""
    if isinstance(value, bytes):
        return WORD_BYTES + len(value)
    return sum(WORD_BYTES + len(item) for item in value)


def randomkey(session: Session, _words: list[bytes]) -> Value:
    """``RANDOMKEY``."""
    found = session.keys.keys()
    return session.visit.random.choice(found) if found else None


def encoding(session: Session, words: list[bytes]) -> Value:
    """``OBJECT ENCODING key``: as small values are stored by default."""
    value = session.keys.get(words[2])
    match value:
        case None:
            return None
        case bytes():
            short = b"embstr" if len(value) <= 44 else b"raw"
            return b"int" if integer(value) is not None else short
        case list():
            return b"quicklist"
        case Members():
            return b"hashtable" if None in map(integer, value) else b"intset"
        case _:
            return b"listpack"


def dbsize(session: Session, _words: list[bytes]) -> Value:
    """``DBSIZE``."""
    return len(session.keys.keys())


def flush(session: Session, words: list[bytes]) -> Value:
    """``FLUSHALL [ASYNC|SYNC]``, ``FLUSHDB``."""
    if len(words) > 2 or (len(words) == 2 and words[1].upper() not in {b"ASYNC", b"SYNC"}):
        raise Refused(SYNTAX)
    if words[0].lower() == b"flushall":
        session.keyspaces.clear()
        session.written = 0
    else:
        session.keyspaces.pop(session.database, None)
    return OK


COMMANDS: dict[bytes, Handler] = {
    b"copy": copy,
    b"dbsize": dbsize,
    b"del": delete,
    b"exists": exists,
    b"expire": expire,
    b"expireat": expire,
    b"expiretime": ttl,
    b"flushall": flush,
    b"flushdb": flush,
    b"keys": keys,
    b"object|encoding": encoding,
    b"persist": persist,
    b"pexpire": expire,
    b"pexpireat": expire,
    b"pexpiretime": ttl,
    b"pttl": ttl,
    b"randomkey": randomkey,
    b"rename": rename,
    b"renamenx": rename,
    b"scan": scan,
    b"touch": exists,
    b"ttl": ttl,
    b"type": type_,
    b"unlink": delete,
}
