"""Commands on sorted sets."""

from propolis.lures.redis.session import SYNTAX, Handler, Refused, Session, float_of, number_of, whole_range
from propolis.lures.redis.wire import Value, number

_OPTIONS = frozenset((b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"))
_BOUNDS = "ERR min or max is not a float"


def zadd(session: Session, words: list[bytes]) -> Value:
    """``ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member …``."""
    flags: set[bytes] = set()
    place = 2
    while place < len(words) and words[place].upper() in _OPTIONS:
        flags.add(words[place].upper())
        place += 1
    pairs = words[place:]
    if not pairs or len(pairs) % 2:
        raise Refused(SYNTAX)
    if {b"NX", b"XX"} <= flags:
        raise Refused("ERR XX and NX options at the same time are not compatible")
    if {b"GT", b"LT"} <= flags or (b"NX" in flags and flags & {b"GT", b"LT"}):
        raise Refused("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in flags and len(pairs) > 2:
        raise Refused("ERR INCR option supports a single increment-element pair")
    wanted = [float_of(score) for score in pairs[::2]]
    scores = session.scores(words[1])
    added = changed = 0
    last: float | None = None
    for score, member in zip(wanted, pairs[1::2], strict=True):
        before = scores.get(member)
        value = score + (before or 0.0) if b"INCR" in flags else score
        if value != value:  # noqa: PLR0124 - the only value that differs from itself
            raise Refused("ERR resulting score is not a number (NaN)")
        if not _is_taken(flags, before, value):
            continue
        scores[member] = last = value
        added += before is None
        changed += before is None or before != value
    session.keys.put(words[1], scores)
    if b"INCR" in flags:
        return last
    return changed if b"CH" in flags else added


def _is_taken(flags: set[bytes], before: float | None, value: float) -> bool:
    if before is None:
        return b"XX" not in flags
    is_worse = (b"GT" in flags and value <= before) or (b"LT" in flags and value >= before)
    return b"NX" not in flags and not is_worse


def zincrby(session: Session, words: list[bytes]) -> Value:
    """``ZINCRBY key amount member``."""
    amount = float_of(words[2])
    scores = session.scores(words[1])
    value = scores.get(words[3], 0.0) + amount
    if value != value:  # noqa: PLR0124 - the only value that differs from itself
        raise Refused("ERR resulting score is not a number (NaN)")
    scores[words[3]] = value
    session.keys.put(words[1], scores)
    return value


def zrange(session: Session, words: list[bytes]) -> Value:
    """``ZRANGE key start stop [REV] [WITHSCORES]``, ``ZREVRANGE``; ranges by score or name are not played."""
    options = {word.upper() for word in words[4:]}
    is_reversed = words[0].lower() == b"zrevrange" or b"REV" in options
    if options - {b"REV", b"WITHSCORES"}:
        raise Refused(SYNTAX)
    start, stop = number_of(words[2]), number_of(words[3])
    ranked = session.ranked(words[1])
    if is_reversed:
        ranked.reverse()
    start, stop = whole_range(start, stop, len(ranked))
    return _listed(session, ranked[start:stop], with_scores=b"WITHSCORES" in options)


def _listed(session: Session, ranked: list[tuple[bytes, float]], *, with_scores: bool) -> Value:
    """Members, or pairs: nested in RESP3, flat in RESP2."""
    if not with_scores:
        return [member for member, _ in ranked]
    if session.protocol == 3:
        return [[member, score] for member, score in ranked]
    return [word for member, score in ranked for word in (member, number(score))]


def zrangebyscore(session: Session, words: list[bytes]) -> Value:
    """``ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]``."""
    low, high = _bound(words[2]), _bound(words[3])
    with_scores, offset, count = False, 0, -1
    rest = iter(words[4:])
    for word in rest:
        match word.upper():
            case b"WITHSCORES":
                with_scores = True
            case b"LIMIT":
                offset, count = number_of(next(rest, b"")), number_of(next(rest, b""))
            case _:
                raise Refused(SYNTAX)
    found = [pair for pair in session.ranked(words[1]) if _is_within(pair[1], low, high)]
    found = found[offset:] if offset >= 0 else []
    return _listed(session, found if count < 0 else found[:count], with_scores=with_scores)


def _bound(word: bytes) -> tuple[float, bool]:
    """A score and whether it is excluded."""
    return float_of(word.removeprefix(b"("), _BOUNDS), word.startswith(b"(")


def _is_within(score: float, low: tuple[float, bool], high: tuple[float, bool]) -> bool:
    is_above = score > low[0] or (score == low[0] and not low[1])
    return is_above and (score < high[0] or (score == high[0] and not high[1]))


def zcount(session: Session, words: list[bytes]) -> Value:
    """``ZCOUNT key min max``."""
    low, high = _bound(words[2]), _bound(words[3])
    return sum(_is_within(score, low, high) for score in session.scores(words[1]).values())


def zcard(session: Session, words: list[bytes]) -> Value:
    """``ZCARD key``."""
    return len(session.scores(words[1]))


def zscore(session: Session, words: list[bytes]) -> Value:
    """``ZSCORE key member``."""
    return session.scores(words[1]).get(words[2])


def zrank(session: Session, words: list[bytes]) -> Value:
    """``ZRANK key member``, ``ZREVRANK``."""
    members = [member for member, _ in session.ranked(words[1])]
    if words[2] not in members:
        return None
    rank = members.index(words[2])
    return rank if words[0].lower() == b"zrank" else len(members) - 1 - rank


def zrem(session: Session, words: list[bytes]) -> Value:
    """``ZREM key member …``."""
    scores = session.scores(words[1])
    found = [member for member in dict.fromkeys(words[2:]) if member in scores]
    for member in found:
        del scores[member]
    if found:
        session.keys.put(words[1], scores)
    return len(found)


COMMANDS: dict[bytes, Handler] = {
    b"zadd": zadd,
    b"zcard": zcard,
    b"zcount": zcount,
    b"zincrby": zincrby,
    b"zrange": zrange,
    b"zrangebyscore": zrangebyscore,
    b"zrank": zrank,
    b"zrem": zrem,
    b"zrevrange": zrange,
    b"zrevrank": zrank,
    b"zscore": zscore,
}
