from lures.redis.real import answer, answers
from propolis.lures.redis.strings import add_floats


def test_values_are_kept_for_the_visit() -> None:
    assert answers("SET k v", "GET k", "APPEND k w", "STRLEN k") == [
        b"+OK\r\n",
        b"$1\r\nv\r\n",
        b":2\r\n",
        b":2\r\n",
    ]


def test_floats_add_as_long_doubles_do() -> None:
    assert add_floats(b"10.5", b"0.1") == b"10.6"
    assert add_floats(b"10.6", b"-5.0e3") == b"-4989.39999999999999991"
    assert add_floats(b"-1", b"1") == b"0"


def test_a_hole_is_paid_for() -> None:
    assert answer("SETRANGE k 536870000 x").startswith(b"-OOM")
    assert answer("SETRANGE k 536870912 x").startswith(b"-ERR string exceeds")


def test_what_a_visitor_may_write_ends_and_begins_anew() -> None:
    lines = [f"SET k{number} {'x' * 60_000}" for number in range(20)]
    said = answers(*lines, "GET none", "FLUSHALL", "SET a 1")
    assert said[0] == b"+OK\r\n"
    assert said[19].startswith(b"-OOM")
    assert said[-1] == b"+OK\r\n"
