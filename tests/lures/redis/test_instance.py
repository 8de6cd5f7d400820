from itertools import pairwise

from propolis.clock import SECOND
from propolis.lures.redis.instance import Instance, instance
from propolis.machine.host import host_of

NOW = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND
MACHINE = host_of(b"machine")


def test_a_sensor_stays_what_it_is() -> None:
    one, again, other = (
        Instance("", b"one", MACHINE),
        Instance("", b"one", MACHINE),
        Instance("", b"other", MACHINE),
    )
    assert one.memory_bytes == again.memory_bytes == MACHINE.memory_kib * 1_024
    assert one.identity(NOW, "run") == again.identity(NOW, "run") != other.identity(NOW, "run")
    assert instance("", b"one", MACHINE) is instance("", b"one", MACHINE)


def test_uptime_grows_and_a_restart_changes_the_run() -> None:
    one = Instance("", b"one", MACHINE)
    times = [NOW + day * DAY for day in range(200)]
    uptimes = [one.uptime_seconds(time) for time in times]
    runs = {one.identity(time, "run") for time in times}
    restarts = sum(later < earlier for earlier, later in pairwise(uptimes))
    assert restarts >= 2
    assert len(runs) == restarts + 1
    assert all(one.uptime_seconds(time) < MACHINE.up_seconds(time) for time in times)
    assert all(one.started(time) + one.uptime_seconds(time) == time // SECOND for time in times)


def test_clients_are_counted() -> None:
    one = Instance("", b"one", MACHINE)
    assert [one.next_client(NOW) for _ in range(3)] == [
        first := one.next_client(NOW) - 3,
        first + 1,
        first + 2,
    ]
