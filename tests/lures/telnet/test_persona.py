from propolis.clock import SECOND
from propolis.lures.telnet.persona import host
from propolis.machine.host import host_of

NOW = 1_795_000_000 * SECOND


def test_two_sensors_do_not_look_alike_and_one_does_not_change() -> None:
    names = {host("", host_of(bytes((seed,)))).fill("{host}") for seed in range(40)}
    assert len(names) > 3
    assert host("", host_of(b"a")).fill("{host}") == host("", host_of(b"a")).fill("{host}")


def test_memory_is_the_hosts_own_and_keeps_its_columns() -> None:
    line = "Mem:       24684092     1014228    22281\n"
    filled = {host("", host_of(bytes((seed,)))).fill(line) for seed in range(20)}
    assert len(filled) > 3
    assert {len(text) for text in filled} == {len(line)}


def test_uptime_goes_on() -> None:
    one = host("", host_of(b"a"))
    assert one.machine.up_seconds(NOW + 5 * SECOND) == one.machine.up_seconds(NOW) + 5
    assert " up " in one.uptime_line(NOW)
    assert one.banner("192.0.2.9").endswith(b" (192.0.2.9) (pts/0)\r\n\r\n")
