"""Who gets in, and how long a refusal takes."""

import hashlib
import random

FAIL_DELAY_SECONDS = 2.0
"""pam_unix asks for this after a wrong password; libpam varies it by up to half (``_pam_compute_delay``)."""
_MIN_REFUSAL_SECONDS = 0.005
_MAX_SPREAD_SECONDS = 2**32 / 1e12

ACCOUNTS = frozenset(
    (
        *(
            "root",
            "admin",
            "administrator",
            "user",
            "ubuntu",
            "debian",
            "test",
            "guest",
            "oracle",
            "postgres",
        ),
        *("mysql", "git", "deploy", "ftpuser", "pi", "www", "hadoop"),
    )
)
"""User names that may exist on a decoy: those that are tried most."""

WEAK = (
    *(
        "123456",
        "password",
        "admin",
        "root",
        "12345678",
        "1234",
        "12345",
        "123456789",
        "qwerty",
        "111111",
        "123123",
    ),
    *("1q2w3e4r", "P@ssw0rd", "toor", "test", "changeme", "abc123", "admin123", "root123", "000000"),
    *("{user}", "{user}123", "{user}1234", "{user}@123"),
)
"""Passwords that a careless owner sets and every list contains; ``{user}`` is the user's own name."""


def account_of(username: str) -> str:
    """The part that names the account: what follows a colon chooses a login style (sshd's ``auth2.c``)."""
    return username.partition(":")[0]


def password_of(seed: bytes, source_ip: str, username: str) -> str | None:
    """The one password this account has towards this source, or ``None`` if there is no such account.

    An account with two passwords gives a decoy away, so one of :data:`WEAK` is chosen by hash: a short list finds
    it after a few tries or not at all, and what worked works again, in every process and after a restart.
    """
    account = account_of(username)
    if account not in ACCOUNTS:
        return None
    chosen = _number(seed, "password", source_ip, account) % len(WEAK)
    return WEAK[chosen].format(user=account)


def refusal_seconds(seed: bytes, username: str, spent_seconds: float) -> float:
    """The time after which sshd refuses, given what the check itself took.

    ``ensure_minimum_time_since`` (OpenSSH ``auth2.c``) doubles a delay of 5 to 9.3 ms, fixed per user and host, until
    it is longer than the check: refusals of one user come after the same few times only.
    """
    delay = _MIN_REFUSAL_SECONDS + _number(seed, "delay", "", username) % 2**32 / 2**32 * _MAX_SPREAD_SECONDS
    while delay < spent_seconds:
        delay *= 2
    return delay


def check_seconds(rng: random.Random) -> float:
    """How long PAM sits on a wrong password: the mean of three throws, as libpam draws it."""
    return FAIL_DELAY_SECONDS * (1 + sum(rng.uniform(-0.5, 0.5) for _ in range(3)) / 3)


def _number(seed: bytes, purpose: str, source_ip: str, name: str) -> int:
    text = f"{seed.hex()}\0{purpose}\0{source_ip}\0{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
