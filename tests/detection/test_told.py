import pytest

from propolis.detection import told as module
from propolis.detection.told import Told


def identity(number: int) -> str:
    return f"{number:016x}{0:016x}"


def test_a_claim_is_told_once() -> None:
    told = Told()
    assert [told.tell(identity(1), 5), told.tell(identity(1), 5), told.tell(identity(2), 5)] == [
        True,
        False,
        True,
    ]


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOLD", 2)
    monkeypatch.setattr(module, "MAX_ANSWERED", 2)
    told = Told()
    for number in range(3):
        told.tell(identity(number), 1)
        told.answer(bytes((number,)) * 16, (bytes(16), number, 1, 0))
    assert len(told.claims) == len(told.answered) == 2
    assert told.tell(identity(0), 1)
    assert bytes(16) not in told.answered


def test_windows_that_are_over_are_forgotten() -> None:
    told = Told()
    told.tell(identity(1), 4)
    told.tell(identity(2), 5)
    told.expire(5)
    assert list(told.claims.values()) == [5]


def test_it_comes_back_as_it_went_and_knows_the_latest_answer() -> None:
    told = Told()
    told.tell(f"{2**64 - 1:016x}{0:016x}", 7)
    told.tell(identity(3), 8)
    source = bytes(range(16))
    told.answer(source, (bytes(16), 1, 2, 3))
    told.answer(source, (bytes(range(16, 32)), 4, 5, 6))
    told.answer(bytes(16), (bytes(16), 7, 8, 9))
    again = Told.of(told.columns(8), 8)
    assert list(again.claims.items()) == list(told.claims.items())
    assert list(again.answered.items()) == list(told.answered.items())
    assert again.answered[source] == (bytes(range(16, 32)), 4, 5, 6)


def test_nothing_comes_back_as_nothing() -> None:
    again = Told.of(Told().columns(0), 0)
    assert (again.claims, again.answered) == ({}, {})
