import random

import pytest

from propolis.lures.ssh.login import ACCOUNTS, WEAK, check_seconds, password_of, refusal_seconds


def test_a_source_has_one_password_that_stays() -> None:
    assert password_of(b"s", "192.0.2.1", "root") == password_of(b"s", "192.0.2.1", "root")
    assert password_of(b"s", "192.0.2.1", "root:skey") == password_of(b"s", "192.0.2.1", "root")


def test_passwords_are_spread_over_the_whole_list() -> None:
    found = {password_of(b"s", f"192.0.2.{last}", "root") for last in range(256)}
    assert found == {weak.format(user="root") for weak in WEAK}


def test_most_of_a_short_list_is_refused() -> None:
    tried = ("123456", "admin", "password")
    sources = [f"198.51.100.{last}" for last in range(250)]
    accepted = sum(password_of(b"s", source, "root") in tried for source in sources)
    assert 0 < accepted < len(sources) / 4


@pytest.mark.parametrize("username", ["", "nobody-we-know", "\0", "roo", "\udcff"])
def test_an_account_that_is_not_there_has_none(username: str) -> None:
    assert username not in ACCOUNTS
    assert password_of(b"s", "192.0.2.1", username) is None


def test_the_delay_doubles_until_it_is_longer_than_the_check() -> None:
    least = refusal_seconds(b"s", "root", 0.0)
    assert 0.005 <= least <= 0.0093
    assert refusal_seconds(b"s", "root", 1.5 * least) == 2 * least
    assert refusal_seconds(b"s", "root", 2.0) / least in {256.0, 512.0}
    assert refusal_seconds(b"s", "other", 0.0) != least


def test_pam_takes_between_one_second_and_three() -> None:
    rng = random.Random(1)
    seconds = [check_seconds(rng) for _ in range(200)]
    assert 1.0 <= min(seconds) < 1.7
    assert 2.3 < max(seconds) <= 3.0
