from lures.redis.real import answer
from lures.serve import Heard, play, visit
from propolis.clock import SECOND, ManualClock
from propolis.lures.redis import RedisLure
from propolis.lures.redis.info import human


def lines(reply: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)


def test_figures_agree_with_each_other() -> None:
    told = lines(answer("INFO"))
    assert int(told["used_memory"]) - int(told["used_memory_overhead"]) == int(told["used_memory_dataset"])
    assert int(told["uptime_in_seconds"]) // 86_400 == int(told["uptime_in_days"])
    assert human(int(told["used_memory"])) == told["used_memory_human"]
    assert told["used_memory_peak_perc"].endswith("%")


def test_time_passes() -> None:
    clock = ManualClock()
    heard = Heard(RedisLure(visit(clock=clock)))
    before = lines(heard.feed(b"INFO server\r\n").sent)
    clock.advance(5 * SECOND)
    heard.sent = b""
    after = lines(heard.feed(b"INFO server\r\n").sent)
    assert int(after["uptime_in_seconds"]) == int(before["uptime_in_seconds"]) + 5
    assert after["run_id"] == before["run_id"]


def test_the_visitors_own_data_is_counted() -> None:
    parts = (b"SELECT 2\r\nSET a 1 EX 100\r\n", b"foo\r\n", b"INFO everything\r\n")
    told = lines(play(RedisLure, *parts).sent)
    assert told["db2"].startswith("keys=1,expires=1,avg_ttl=")
    assert told["errorstat_ERR"] == "count=1"
    assert told["cmdstat_set"].startswith("calls=1,")


def test_a_replica_says_whose() -> None:
    told = lines(answer("SLAVEOF 203.0.113.9%s 21000", "INFO replication"))
    assert (told["role"], told["master_host"], told["master_port"]) == ("slave", "203.0.113.9%s", "21000")


def test_sections_are_chosen() -> None:
    assert answer("INFO nonsense") == b"$0\r\n\r\n"
    assert answer("INFO cluster keyspace").count(b"# ") == 2


def test_memory_stats_agree_with_info() -> None:
    told = lines(answer("INFO memory"))
    assert f"total.allocated\r\n:{told['used_memory']}\r\n".encode() in answer("MEMORY STATS")
