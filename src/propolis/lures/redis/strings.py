"""Commands on strings."""

from fractions import Fraction

from propolis.lures.redis.session import (
    MEMORY_BYTES,
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    SYNTAX,
    Handler,
    Refused,
    Session,
    float_of,
    number_of,
    whole_range,
)
from propolis.lures.redis.wire import BULK_MAX, OK, Value, integer

OVERFLOW = "ERR increment or decrement would overflow"
_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
FLOAT_MAX = 1e300
"""Beyond it a sum of floats is refused; the server's long doubles go further."""
_SIGNIFICAND_BITS = 64
_UNITS = {b"EX": 1_000, b"PX": 1, b"EXAT": 1_000, b"PXAT": 1}


def expiry(session: Session, command: str, unit: bytes, word: bytes) -> int:
    """UTC milliseconds of ``EX 10`` and its kin. Raises :class:`Refused` if it is no time."""
    amount = number_of(word) * _UNITS[unit]
    if amount <= 0 or amount > 2**62:
        raise Refused(f"ERR invalid expire time in '{command}' command")
    return amount if unit.endswith(b"AT") else session.keys.now() + amount


def get(session: Session, words: list[bytes]) -> Value:
    """``GET key``."""
    return session.find(words[1], bytes)


def set_(session: Session, words: list[bytes]) -> Value:
    """``SET key value [NX|XX] [GET] [EX|PX|EXAT|PXAT time|KEEPTTL]``."""
    flags: set[bytes] = set()
    until = None
    rest = iter(words[3:])
    for word in rest:
        option = word.upper()
        if option in {b"NX", b"XX", b"GET", b"KEEPTTL"}:
            flags.add(option)
        elif option in _UNITS and until is None and (amount := next(rest, None)) is not None:
            until = expiry(session, "set", option, amount)
        else:
            raise Refused(SYNTAX)
    if {b"NX", b"XX"} <= flags or (until is not None and b"KEEPTTL" in flags):
        raise Refused(SYNTAX)
    before = session.find(words[1], bytes) if b"GET" in flags else None
    is_there = session.keys.get(words[1]) is not None
    if (b"NX" in flags and is_there) or (b"XX" in flags and not is_there):
        return before
    session.keys.put(words[1], words[2], keep_expiry=b"KEEPTTL" in flags)
    if until is not None:
        session.keys.expire(words[1], until)
    return before if b"GET" in flags else OK


def setnx(session: Session, words: list[bytes]) -> Value:
    """``SETNX key value``."""
    if session.keys.get(words[1]) is not None:
        return 0
    session.keys.put(words[1], words[2])
    return 1


def setex(session: Session, words: list[bytes]) -> Value:
    """``SETEX key seconds value``, ``PSETEX key milliseconds value``."""
    name = words[0].lower()
    until = expiry(session, name.decode(), b"EX" if name == b"setex" else b"PX", words[2])
    session.keys.put(words[1], words[3])
    session.keys.expire(words[1], until)
    return OK


def getset(session: Session, words: list[bytes]) -> Value:
    """``GETSET key value``."""
    before = session.find(words[1], bytes)
    session.keys.put(words[1], words[2], keep_expiry=False)
    return before


def getdel(session: Session, words: list[bytes]) -> Value:
    """``GETDEL key``."""
    before = session.find(words[1], bytes)
    session.keys.remove(words[1])
    return before


def mget(session: Session, words: list[bytes]) -> Value:
    """``MGET key …``: null for what is no string."""
    values = [session.keys.get(key) for key in words[1:]]
    return [value if isinstance(value, bytes) else None for value in values]


def mset(session: Session, words: list[bytes]) -> Value:
    """``MSET key value …`` and ``MSETNX``, which sets all or none."""
    name = words[0].lower().decode()
    if len(words) % 2 == 0:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    if name == "msetnx" and any(session.keys.get(key) is not None for key in words[1::2]):
        return 0
    for key, value in zip(words[1::2], words[2::2], strict=True):
        session.keys.put(key, value, keep_expiry=False)
    return 1 if name == "msetnx" else OK


def append(session: Session, words: list[bytes]) -> Value:
    """``APPEND key value``."""
    value = (session.find(words[1], bytes) or b"") + words[2]
    session.keys.put(words[1], value)
    return len(value)


def strlen(session: Session, words: list[bytes]) -> Value:
    """``STRLEN key``."""
    return len(session.find(words[1], bytes) or b"")


def getrange(session: Session, words: list[bytes]) -> Value:
    """``GETRANGE key start end``, also ``SUBSTR``."""
    start, stop = number_of(words[2]), number_of(words[3])
    value = session.find(words[1], bytes) or b""
    if start < 0 and stop < 0 and start > stop:
        return b""
    start, stop = whole_range(start, stop, len(value))
    return value[start:stop]


def setrange(session: Session, words: list[bytes]) -> Value:
    """``SETRANGE key offset value``."""
    offset = number_of(words[2])
    if offset < 0:
        raise Refused("ERR offset is out of range")
    value = session.find(words[1], bytes) or b""
    if not words[3]:
        return len(value)
    if offset + len(words[3]) > BULK_MAX:
        raise Refused(_TOO_LONG)
    session.charge(min(offset, MEMORY_BYTES))
    value = value[:offset].ljust(offset, b"\0") + words[3] + value[offset + len(words[3]) :]
    session.keys.put(words[1], value)
    return len(value)


def _add(session: Session, key: bytes, amount: int) -> int:
    before = session.find(key, bytes)
    value = 0 if before is None else integer(before)
    if value is None:
        raise Refused(NOT_AN_INTEGER)
    if not -(2**63) <= value + amount < 2**63:
        raise Refused(OVERFLOW)
    session.keys.put(key, b"%d" % (value + amount))
    return value + amount


def incr(session: Session, words: list[bytes]) -> Value:
    """``INCR key``, ``DECR key``."""
    return _add(session, words[1], 1 if words[0].lower() == b"incr" else -1)


def incrby(session: Session, words: list[bytes]) -> Value:
    """``INCRBY key amount``, ``DECRBY key amount``."""
    amount = number_of(words[2])
    if words[0].lower() == b"incrby":
        return _add(session, words[1], amount)
    if amount == -(2**63):
        raise Refused("ERR decrement would overflow")
    return _add(session, words[1], -amount)


def incrbyfloat(session: Session, words: list[bytes]) -> Value:
    """``INCRBYFLOAT key amount``."""
    before = session.find(words[1], bytes)
    value = add_floats(b"0" if before is None else before, words[2])
    session.keys.put(words[1], value)
    return value


def add_floats(first: bytes, second: bytes, complaint: str = NOT_A_FLOAT) -> bytes:
    """The sum as the server's long doubles print it: 17 decimals at most, no trailing zeros."""
    if abs(float_of(first, complaint)) > FLOAT_MAX or abs(float_of(second)) > FLOAT_MAX:
        raise Refused("ERR increment would produce NaN or Infinity")
    total = _extended(_extended(Fraction(first.decode())) + _extended(Fraction(second.decode())))
    digits = round(total * 10**17)
    whole, rest = divmod(abs(digits), 10**17)
    text = f"{'-' if digits < 0 else ''}{whole}.{rest:017d}"
    return text.rstrip("0").rstrip(".").encode()


def _extended(value: Fraction) -> Fraction:
    """The nearest number with 64 significant bits, as an x87 register holds it."""
    if not value:
        return value
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length() - _SIGNIFICAND_BITS
    shifted = value / Fraction(2) ** exponent
    # one bit more or less than 64, as the quotient of two lengths can tell
    if abs(shifted) >= 2**_SIGNIFICAND_BITS:
        exponent += 1
    return round(value / Fraction(2) ** exponent) * Fraction(2) ** exponent


COMMANDS: dict[bytes, Handler] = {
    b"append": append,
    b"decr": incr,
    b"decrby": incrby,
    b"get": get,
    b"getdel": getdel,
    b"getrange": getrange,
    b"getset": getset,
    b"incr": incr,
    b"incrby": incrby,
    b"incrbyfloat": incrbyfloat,
    b"mget": mget,
    b"mset": mset,
    b"msetnx": mset,
    b"psetex": setex,
    b"set": set_,
    b"setex": setex,
    b"setnx": setnx,
    b"setrange": setrange,
    b"strlen": strlen,
    b"substr": getrange,
}
