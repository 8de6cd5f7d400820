"""Which weak passwords open a host: few, and the same ones every time the same client comes back."""

import hashlib

ONE_IN = 4
"""Every host opens to about one in so many of the weak pairs that one source may try."""

_USERS = frozenset(("admin", "default", "guest", "root", "support", "supervisor", "ubnt", "user"))
_PASSWORDS = frozenset(
    {
        "",
        "1111",
        "1234",
        "12345",
        "123456",
        "54321",
        "666666",
        "888888",
        "admin",
        "admin1234",
        "anko",
        "default",
    }
    | {
        "dreambox",
        "guest",
        "hi3518",
        "ikwb",
        "juantech",
        "jvbzd",
        "klv123",
        "klv1234",
        "pass",
        "password",
        "realtek",
    }
    | {
        "root",
        "smcadmin",
        "support",
        "system",
        "ubnt",
        "user",
        "vizxv",
        "xc3511",
        "xmhdipc",
        "zlxx.",
        "zte521",
    }
    | {"Zte521", "7ujMko0admin"}
)


def is_accepted(seed: bytes, source: str, username: str, password: str) -> bool:
    """Whether this host (its ``seed``) lets this source in; deterministic, so a password that worked works again."""
    if username not in _USERS or (password not in _PASSWORDS and password != username):
        return False
    text = f"{source}\0{username}\0{password}".encode(errors="backslashreplace")
    return hashlib.blake2b(text, digest_size=4, key=seed[:64]).digest()[0] % ONE_IN == 0
