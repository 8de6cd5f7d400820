from propolis.machine.host import MAKERS, host_of


def test_a_sensor_has_one_machine_and_another_sensor_another() -> None:
    assert host_of(b"a") == host_of(b"a")
    assert len({host_of(bytes((seed,))) for seed in range(64)}) > 60


def test_uname_is_debians() -> None:
    for seed in range(32):
        host = host_of(bytes((seed,)))
        assert host.uname.startswith(f"Linux {host.name} 6.1.0-")
        assert host.uname.endswith(") x86_64 GNU/Linux")
        assert host.memory_kib % 1024


def test_a_machine_has_a_card_of_a_maker_and_has_been_up() -> None:
    for seed in range(32):
        host = host_of(bytes((seed,)))
        assert host.mac[:8] in MAKERS
        assert len(host.machine_id) == 32
        assert 0 < host.up_seconds(1_700_000_000_000_000_000) < 121 * 86_400
    host = host_of(b"a")
    assert host.up_seconds(10**18 + 10**9) - host.up_seconds(10**18) in {1, 1 - host.uptimes[0]}
