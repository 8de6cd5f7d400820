from pathlib import Path

from propolis.memory import give_back

PAGE = 4_096


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def test_what_is_free_goes_back() -> None:
    held = [bytes(1_000) for _ in range(100_000)]
    last = held[-1]
    before = resident()
    del held
    give_back()
    assert resident() < before - 50_000_000
    assert len(last) == 1_000
