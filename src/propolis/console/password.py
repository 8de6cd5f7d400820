"""The console's one password: made by us, shown once, kept as an scrypt hash (RFC 7914); and the API's token.

Both are files in ``<state>/console`` that only their owner reads. Lost the password? Delete its file: the next start
makes a new one and shows it.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from propolis.errors import ConfigError

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""No character that is taken for another: 31 of them, 4.95 bits each."""
GROUPS = 5
GROUP_LENGTH = 5
MAX_PASSWORD_BYTES = 256
TOKEN_BYTES = 32

COST = 2**15
BLOCK = 8
LANES = 1
MEMORY_BYTES = 64 * 1024 * 1024
"""What scrypt may take; these parameters need 32 MiB and some 70 ms."""


class Hashed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A password's scrypt hash with its salt and parameters (RFC 7914, section 2: N, r, p)."""

    salt: bytes
    key: bytes
    cost: int = COST
    block: int = BLOCK
    lanes: int = LANES


def first_password(state: Path) -> str | None:
    """Make the password if there is none, keep its hash, and return the text: the only time it is known.

    None when there is one already. Some 124 bits, as five groups of five characters.
    """
    path = password_file(state)
    if path.exists():
        return None
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    text = "-".join(groups)
    return text if _write_once(path, msgspec.json.encode(hashed(text))) else None


def hashed(text: str) -> Hashed:
    """A new hash of a password, with a salt of its own. Takes some 70 ms and 32 MiB."""
    salt = secrets.token_bytes(16)
    return Hashed(salt, _scrypt(text, salt, COST, BLOCK, LANES))


def fits(text: str, kept: Hashed) -> bool:
    """Whether this is the password; takes the same time whatever the text (some 70 ms), so do it in a thread."""
    return hmac.compare_digest(_scrypt(text, kept.salt, kept.cost, kept.block, kept.lanes), kept.key)


def read_password(state: Path) -> Hashed:
    """The kept hash. Raises :class:`~propolis.errors.ConfigError` when there is none, or no hash in its file."""
    path = password_file(state)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Hashed)
    except OSError as error:
        cure = "cannot be read; start with `propolis up` or `propolis console`, which make it and show the password"
        raise ConfigError(path, "", f"{cure} ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(
            path, "", f"is no password ({error}); delete it, the next start makes a new one"
        ) from error


def api_token(state: Path) -> str:
    """The bearer token of the API and the metrics (RFC 6750); made at the first call, mode 0600."""
    path = token_file(state)
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(TOKEN_BYTES).encode())
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            path, "", f"cannot be read ({error}); delete it, the next start makes a new one"
        ) from error
    if len(token) < TOKEN_BYTES:
        raise ConfigError(path, "", "is too short to be a secret; delete it, the next start makes a new one")
    return token


def password_file(state: Path) -> Path:
    """Where the password's hash is kept."""
    return state / "console" / "password"


def token_file(state: Path) -> Path:
    """Where the API's token is kept."""
    return state / "console" / "token"


def _scrypt(text: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    password = text.encode("utf-8", "replace")[:MAX_PASSWORD_BYTES]
    return hashlib.scrypt(password, salt=salt, n=cost, r=block, p=lanes, maxmem=MEMORY_BYTES, dklen=32)


def _write_once(path: Path, data: bytes) -> bool:
    """Write a file that only we read, whole or not at all; False if somebody else was quicker."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True
