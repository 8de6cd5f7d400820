from typing import Any

from facts import counts_of
from propolis.detection.behaviours.keyed import LOGIN


def logins(pairs: list[tuple[object, object]]) -> list[tuple[int, dict[str, Any]]]:
    return [(n, {"user": f"u{user}", "secret": f"s{secret}"}) for n, (user, secret) in enumerate(pairs)]


def test_pairs_that_each_come_once_are_a_list() -> None:
    assert counts_of(LOGIN, "stuffing", logins([(n, n) for n in range(12)]))[-1] >= 10


def test_guessing_and_spraying_are_not() -> None:
    assert max(counts_of(LOGIN, "stuffing", logins([(1, n) for n in range(50)]))) == 1
    assert max(counts_of(LOGIN, "stuffing", logins([(n, 1) for n in range(50)]))) == 1


def test_every_secret_for_every_user_is_not() -> None:
    assert counts_of(LOGIN, "stuffing", logins([(n % 10, n // 10) for n in range(100)]))[-1] == 0
