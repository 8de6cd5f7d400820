from propolis.clock import SECOND, ManualClock
from propolis.lures.redis.keyspace import Fields, Keyspace, Members, Scores


def test_a_key_is_gone_when_its_time_has_come() -> None:
    clock = ManualClock()
    keys = Keyspace(clock)
    keys.put(b"a", b"1")
    keys.expire(b"a", keys.now() + 1_000)
    assert keys.get(b"a") == b"1"
    assert len(keys.expiring()) == 1
    clock.advance(SECOND)
    assert keys.get(b"a") is None
    assert keys.keys() == []
    assert keys.expiring() == []


def test_what_is_empty_is_not_kept() -> None:
    keys = Keyspace(ManualClock())
    for value in ([], Members(), Fields(), Scores()):
        keys.put(b"a", value)
        assert keys.get(b"a") is None
    keys.put(b"a", b"")
    assert keys.get(b"a") == b""


def test_an_expiry_may_be_kept_or_dropped() -> None:
    keys = Keyspace(ManualClock())
    keys.put(b"a", b"1")
    keys.expire(b"a", 2**50)
    keys.put(b"a", b"2")
    assert keys.expiry(b"a") == 2**50
    keys.put(b"a", b"3", keep_expiry=False)
    assert keys.expiry(b"a") is None
    assert keys.remove(b"a")
    assert not keys.remove(b"a")


def test_members_are_ranked_by_score_then_name() -> None:
    assert Scores({b"b": 1.0, b"a": 1.0, b"c": 0.5}).ranked() == [(b"c", 0.5), (b"a", 1.0), (b"b", 1.0)]
