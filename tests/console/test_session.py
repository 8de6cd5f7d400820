import pytest

from propolis.clock import SECOND, ManualClock
from propolis.console.session import (
    FREE_ATTEMPTS,
    IDLE_SECONDS,
    LIFE_SECONDS,
    MAX_ADDRESSES,
    MAX_FAILURES_PER_MINUTE,
    MAX_PAUSE_SECONDS,
    MAX_SESSIONS,
    Attempts,
    Sessions,
)


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    secrets = iter(range(1_000_000))
    return Sessions(clock, lambda: f"secret {next(secrets)}")


def test_a_cookie_opens_its_session_and_no_other(sessions: Sessions) -> None:
    cookie, session = sessions.open("127.0.0.1")
    assert sessions.by_cookie(cookie) == session
    assert sessions.by_cookie("") is None
    assert sessions.by_cookie(session.key) is None
    assert cookie not in str(session)


def test_a_session_ends_when_it_is_told_to(sessions: Sessions) -> None:
    cookie, session = sessions.open("127.0.0.1")
    sessions.end(session)
    assert sessions.by_cookie(cookie) is None


def test_a_session_that_is_not_used_ends(sessions: Sessions, clock: ManualClock) -> None:
    cookie, _ = sessions.open("127.0.0.1")
    clock.advance(IDLE_SECONDS * SECOND)
    assert sessions.by_cookie(cookie)
    clock.advance(IDLE_SECONDS * SECOND + 1)
    assert sessions.by_cookie(cookie) is None
    assert len(sessions) == 0


def test_a_session_ends_after_its_life_however_much_it_is_used(
    sessions: Sessions, clock: ManualClock
) -> None:
    cookie, _ = sessions.open("127.0.0.1")
    for _ in range(LIFE_SECONDS // IDLE_SECONDS):
        clock.advance(IDLE_SECONDS * SECOND)
        assert sessions.by_cookie(cookie)
    clock.advance(SECOND)
    assert sessions.by_cookie(cookie) is None


def test_the_longest_silent_makes_room(sessions: Sessions) -> None:
    first, _ = sessions.open("127.0.0.1")
    second, _ = sessions.open("127.0.0.1")
    assert sessions.by_cookie(first)
    for _ in range(MAX_SESSIONS - 1):
        sessions.open("127.0.0.1")
    assert len(sessions) == MAX_SESSIONS
    assert sessions.by_cookie(second) is None
    assert sessions.by_cookie(first)


def test_after_a_few_wrong_passwords_each_pause_is_twice_the_last(clock: ManualClock) -> None:
    attempts = Attempts()
    pauses = []
    for _ in range(FREE_ATTEMPTS + 12):
        pauses.append(attempts.pause("192.0.2.1", clock.monotonic()))
        attempts.failed("192.0.2.1", clock.monotonic())
    assert pauses[:FREE_ATTEMPTS] == [0] * FREE_ATTEMPTS
    assert pauses[FREE_ATTEMPTS:][:4] == [1, 2, 4, 8]
    assert pauses[-1] == MAX_PAUSE_SECONDS
    assert attempts.pause("192.0.2.2", clock.monotonic()) == 0


def test_a_pause_passes_and_the_right_password_forgives() -> None:
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS):
        attempts.failed("192.0.2.1", 0)
    assert attempts.pause("192.0.2.1", SECOND // 2) == 0.5
    assert attempts.pause("192.0.2.1", SECOND) == 0
    attempts.succeeded("192.0.2.1")
    assert attempts.pause("192.0.2.1", 0) == 0


def test_one_customer_of_ipv6_is_one() -> None:
    attempts = Attempts()
    for number in range(FREE_ATTEMPTS):
        attempts.failed(f"2001:db8::{number}", 0)
    assert attempts.pause("2001:db8::ffff", 0) == 1
    assert attempts.pause("2001:db8:0:1::", 0) == 0


def test_many_addresses_guess_no_faster_than_the_limit_for_all() -> None:
    attempts = Attempts()
    for number in range(MAX_FAILURES_PER_MINUTE):
        attempts.failed(f"198.18.{number // 256}.{number % 256}", 0)
    assert attempts.pause("192.0.2.1", 10 * SECOND) == 50
    assert attempts.pause("192.0.2.1", 60 * SECOND) == 0


def test_addresses_are_forgotten_the_oldest_first() -> None:
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS):
        attempts.failed("192.0.2.1", 0)
    for number in range(MAX_ADDRESSES):
        attempts.failed(f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}", 0)
    assert attempts.pause("192.0.2.1", 61 * SECOND) == 0


def test_an_address_that_is_none_is_bounded() -> None:
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS):
        attempts.failed("x" * 100_000, 0)
    assert attempts.pause("x" * 99_999, 0) == 1
