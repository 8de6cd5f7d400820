from propolis.machine.host import host_of


def test_a_sensor_has_one_machine_and_another_sensor_another() -> None:
    assert host_of(b"a") == host_of(b"a")
    assert len({host_of(bytes((seed,))) for seed in range(64)}) > 60


def test_uname_is_debians() -> None:
    for seed in range(32):
        host = host_of(bytes((seed,)))
        assert host.uname.startswith(f"Linux {host.name} 6.1.0-")
        assert host.uname.endswith(") x86_64 GNU/Linux")
        assert host.memory_kib % 1024
