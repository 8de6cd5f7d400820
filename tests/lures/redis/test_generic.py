from lures.redis.real import answer, answers
from lures.serve import Heard, visit
from propolis.clock import SECOND, ManualClock
from propolis.lures.redis import RedisLure


def test_time_to_live_is_the_clocks() -> None:
    clock = ManualClock()
    heard = Heard(RedisLure(visit(clock=clock))).feed(b"SET k v EX 10\r\n")
    clock.advance(3 * SECOND)
    assert heard.feed(b"TTL k\r\n").sent.endswith(b":7\r\n")
    clock.advance(7 * SECOND)
    assert heard.feed(b"EXISTS k\r\n").sent.endswith(b":0\r\n")


def test_a_scan_comes_to_its_end() -> None:
    lines = [f"SET k{number} x" for number in range(25)]
    assert b"$2\r\n10\r\n*10\r\n" in answer(*lines, "SCAN 0")
    assert b"$1\r\n0\r\n*5\r\n" in answer(*lines, "SCAN 20")
    assert b"$1\r\n0\r\n*25\r\n" in answer(*lines, "SCAN 0 COUNT 100")


def test_looking_through_everything_ends() -> None:
    said = answers(f"SET {'a' * 60_000} x", *["KEYS *" + "a" * 200 + "b"] * 20)
    assert len(said) < 20
    assert said[-1].startswith(b"-OOM")


def test_a_copy_is_paid_for_and_its_own() -> None:
    assert answers("RPUSH a 1", "COPY a b", "RPUSH a 2", "LRANGE b 0 -1")[-1] == b"*1\r\n$1\r\n1\r\n"
    big = [f"APPEND k {'x' * 60_000}" for _ in range(5)]
    copies = answers(*big, *[f"COPY k copy{number}" for number in range(9)])
    assert copies[-1].startswith(b"-OOM")
