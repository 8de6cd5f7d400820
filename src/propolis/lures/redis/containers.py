"""Commands on lists, sets and hashes."""

from propolis.lures.redis.generic import scan_options
from propolis.lures.redis.keyspace import Members
from propolis.lures.redis.session import SYNTAX, Handler, Refused, Session, number_of, whole_range
from propolis.lures.redis.strings import OVERFLOW, add_floats
from propolis.lures.redis.wire import NULL_ARRAY, OK, SILENCE, Many, Value, integer

_NEGATIVE = "ERR value is out of range, must be positive"
_INTEGERS_MAX = 512
"""A set of so many integers is kept sorted (``set-max-intset-entries``)."""


def push(session: Session, words: list[bytes]) -> Value:
    """``LPUSH key item …``, ``RPUSH``; with ``X`` only if the list is there."""
    name = words[0].lower()
    before = session.find(words[1], list)
    if before is None and name.endswith(b"x"):
        return 0
    items = before or []
    items = [*reversed(words[2:]), *items] if name.startswith(b"l") else [*items, *words[2:]]
    session.keys.put(words[1], items)
    return len(items)


def pop(session: Session, words: list[bytes]) -> Value:
    """``LPOP key [count]``, ``RPOP``."""
    name = words[0].lower()
    if len(words) > 3:
        raise Refused(f"ERR wrong number of arguments for '{name.decode()}' command")
    count = number_of(words[2], _NEGATIVE) if len(words) == 3 else 1
    if count < 0:
        raise Refused(_NEGATIVE)
    items = session.find(words[1], list)
    if items is None:
        return None if len(words) == 2 else NULL_ARRAY
    if name == b"lpop":
        taken, left = items[:count], items[count:]
    else:
        taken, left = items[::-1][:count], items[: max(len(items) - count, 0)]
    session.keys.put(words[1], left)
    return taken[0] if len(words) == 2 else list(taken)


def blocking_pop(session: Session, words: list[bytes]) -> Value:
    """``BLPOP key … timeout``, ``BRPOP``: takes what is there, or says nothing, as nobody else will push."""
    for key in words[1:-1]:
        items = session.find(key, list)
        if items:
            is_left = words[0].lower() == b"blpop"
            session.keys.put(key, items[1:] if is_left else items[:-1])
            return [key, items[0] if is_left else items[-1]]
    return NULL_ARRAY if session.is_executing else SILENCE


def lrange(session: Session, words: list[bytes]) -> Value:
    """``LRANGE key start stop``."""
    start, stop = number_of(words[2]), number_of(words[3])
    items = session.find(words[1], list) or []
    start, stop = whole_range(start, stop, len(items))
    return list(items[start:stop])


def llen(session: Session, words: list[bytes]) -> Value:
    """``LLEN key``."""
    return len(session.find(words[1], list) or [])


def lindex(session: Session, words: list[bytes]) -> Value:
    """``LINDEX key index``."""
    items = session.find(words[1], list)
    if items is None:
        return None
    index = number_of(words[2])
    return items[index] if -len(items) <= index < len(items) else None


def lset(session: Session, words: list[bytes]) -> Value:
    """``LSET key index item``."""
    items = session.find(words[1], list)
    if items is None:
        raise Refused("ERR no such key")
    index = number_of(words[2])
    if not -len(items) <= index < len(items):
        raise Refused("ERR index out of range")
    items[index] = words[3]
    return OK


def ltrim(session: Session, words: list[bytes]) -> Value:
    """``LTRIM key start stop``."""
    start, stop = number_of(words[2]), number_of(words[3])
    items = session.find(words[1], list)
    if items is not None:
        start, stop = whole_range(start, stop, len(items))
        session.keys.put(words[1], items[start:stop])
    return OK


def lrem(session: Session, words: list[bytes]) -> Value:
    """``LREM key count item``: from the end if the count is negative, all of them if it is 0."""
    count = number_of(words[2])
    items = session.find(words[1], list) or []
    places = [place for place, item in enumerate(items) if item == words[3]]
    chosen = set(places[count:] if count < 0 else places[: count or None])
    if chosen:
        session.keys.put(words[1], [item for place, item in enumerate(items) if place not in chosen])
    return len(chosen)


def sadd(session: Session, words: list[bytes]) -> Value:
    """``SADD key member …``."""
    members = session.members(words[1])
    before = len(members)
    members.update(dict.fromkeys(words[2:]))
    session.keys.put(words[1], members)
    return len(members) - before


def srem(session: Session, words: list[bytes]) -> Value:
    """``SREM key member …``."""
    members = session.members(words[1])
    found = [member for member in dict.fromkeys(words[2:]) if member in members]
    for member in found:
        del members[member]
    session.keys.put(words[1], members)
    return len(found)


def smembers(session: Session, words: list[bytes]) -> Value:
    """``SMEMBERS key``."""
    return Many("~", list(ordered(session.members(words[1]))))


def ordered(members: Members) -> list[bytes]:
    """Members in the order the server keeps them: small sets of integers are sorted."""
    numbers = [number for number in map(integer, members) if number is not None]
    if len(numbers) == len(members) <= _INTEGERS_MAX:
        return [b"%d" % number for number in sorted(numbers)]
    return list(members)


def sismember(session: Session, words: list[bytes]) -> Value:
    """``SISMEMBER key member``."""
    return int(words[2] in session.members(words[1]))


def scard(session: Session, words: list[bytes]) -> Value:
    """``SCARD key``."""
    return len(session.members(words[1]))


def spop(session: Session, words: list[bytes]) -> Value:
    """``SPOP key [count]``: the order of removal is nobody's to expect."""
    if len(words) > 3:
        raise Refused(SYNTAX)
    count = number_of(words[2], _NEGATIVE) if len(words) == 3 else 1
    if count < 0:
        raise Refused(_NEGATIVE)
    members = session.members(words[1])
    taken: list[Value] = [members.popitem()[0] for _ in range(min(count, len(members)))]
    session.keys.put(words[1], members)
    if len(words) == 3:
        return Many("~", taken)
    return taken[0] if taken else None


def hset(session: Session, words: list[bytes]) -> Value:
    """``HSET key field value …``, ``HMSET``."""
    name = words[0].lower().decode()
    if len(words) % 2:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    fields = session.fields(words[1])
    before = len(fields)
    fields.update(zip(words[2::2], words[3::2], strict=True))
    session.keys.put(words[1], fields)
    return OK if name == "hmset" else len(fields) - before


def hsetnx(session: Session, words: list[bytes]) -> Value:
    """``HSETNX key field value``."""
    fields = session.fields(words[1])
    if words[2] in fields:
        return 0
    fields[words[2]] = words[3]
    session.keys.put(words[1], fields)
    return 1


def hget(session: Session, words: list[bytes]) -> Value:
    """``HGET key field``."""
    return session.fields(words[1]).get(words[2])


def hmget(session: Session, words: list[bytes]) -> Value:
    """``HMGET key field …``."""
    fields = session.fields(words[1])
    return [fields.get(field) for field in words[2:]]


def hgetall(session: Session, words: list[bytes]) -> Value:
    """``HGETALL key``."""
    return Many("%", [word for pair in session.fields(words[1]).items() for word in pair])


def hkeys(session: Session, words: list[bytes]) -> Value:
    """``HKEYS key``."""
    return list(session.fields(words[1]))


def hvals(session: Session, words: list[bytes]) -> Value:
    """``HVALS key``."""
    return list(session.fields(words[1]).values())


def hlen(session: Session, words: list[bytes]) -> Value:
    """``HLEN key``."""
    return len(session.fields(words[1]))


def hexists(session: Session, words: list[bytes]) -> Value:
    """``HEXISTS key field``."""
    return int(words[2] in session.fields(words[1]))


def hstrlen(session: Session, words: list[bytes]) -> Value:
    """``HSTRLEN key field``."""
    return len(session.fields(words[1]).get(words[2], b""))


def hdel(session: Session, words: list[bytes]) -> Value:
    """``HDEL key field …``."""
    fields = session.fields(words[1])
    found = [field for field in dict.fromkeys(words[2:]) if field in fields]
    for field in found:
        del fields[field]
    session.keys.put(words[1], fields)
    return len(found)


def hincrby(session: Session, words: list[bytes]) -> Value:
    """``HINCRBY key field amount``."""
    amount = number_of(words[3])
    fields = session.fields(words[1])
    value = number_of(fields.get(words[2], b"0"), "ERR hash value is not an integer")
    if not -(2**63) <= value + amount < 2**63:
        raise Refused(OVERFLOW)
    fields[words[2]] = b"%d" % (value + amount)
    session.keys.put(words[1], fields)
    return value + amount


def hincrbyfloat(session: Session, words: list[bytes]) -> Value:
    """``HINCRBYFLOAT key field amount``."""
    fields = session.fields(words[1])
    fields[words[2]] = add_floats(fields.get(words[2], b"0"), words[3], "ERR hash value is not a float")
    session.keys.put(words[1], fields)
    return fields[words[2]]


def scan_inside(session: Session, words: list[bytes]) -> Value:
    """``SSCAN key cursor …``, ``HSCAN``: small values come in one page."""
    options = scan_options(words[2], words[3:])
    if words[0].lower() == b"sscan":
        return [b"0", [member for member in ordered(session.members(words[1])) if options.matches(member)]]
    pairs = session.fields(words[1]).items()
    return [b"0", [word for pair in pairs if options.matches(pair[0]) for word in pair]]


COMMANDS: dict[bytes, Handler] = {
    b"blpop": blocking_pop,
    b"brpop": blocking_pop,
    b"hdel": hdel,
    b"hexists": hexists,
    b"hget": hget,
    b"hgetall": hgetall,
    b"hincrby": hincrby,
    b"hincrbyfloat": hincrbyfloat,
    b"hkeys": hkeys,
    b"hlen": hlen,
    b"hmget": hmget,
    b"hmset": hset,
    b"hscan": scan_inside,
    b"hset": hset,
    b"hsetnx": hsetnx,
    b"hstrlen": hstrlen,
    b"hvals": hvals,
    b"lindex": lindex,
    b"llen": llen,
    b"lpop": pop,
    b"lpush": push,
    b"lpushx": push,
    b"lrange": lrange,
    b"lrem": lrem,
    b"lset": lset,
    b"ltrim": ltrim,
    b"rpop": pop,
    b"rpush": push,
    b"rpushx": push,
    b"sadd": sadd,
    b"scard": scard,
    b"sismember": sismember,
    b"smembers": smembers,
    b"spop": spop,
    b"srem": srem,
    b"sscan": scan_inside,
}
