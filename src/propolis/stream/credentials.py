"""Who may do what on the embedded server: one NKEY seed a file, its role in the file's name.

``owner.nk`` may do everything; ``<role>-<name>.nk`` is another host's. Answers travel to inboxes that only the
credential they belong to may listen to: else whoever may ask anything could read what others are answered.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import nkeys  # type: ignore[import-untyped]  # it ships no type information

from propolis.errors import StreamError

OWNER = "owner"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Permissions = dict[str, list[str]]


def enforcer(_name: str) -> Permissions:
    """Watch the decisions, acknowledge, give signs of life, and nothing else."""
    return {
        "publish": [
            "clock.>",
            "$JS.API.INFO",
            "$JS.API.STREAM.INFO.KV_decisions",
            "$JS.API.CONSUMER.*.KV_decisions",
            "$JS.API.CONSUMER.*.KV_decisions.>",
            "$JS.API.CONSUMER.MSG.NEXT.KV_decisions.>",
            "$JS.API.DIRECT.GET.KV_sensors.$KV.sensors.enforcer.>",
            "$KV.sensors.enforcer.>",
        ]
    }


def sensor(name: str) -> Permissions:
    """Report events, follow the lures, give signs of life under its own name, and nothing else."""
    return {
        "publish": [
            "events.>",
            "$JS.API.STREAM.INFO.KV_lures",
            "$JS.API.CONSUMER.*.KV_lures",
            "$JS.API.CONSUMER.*.KV_lures.>",
            "$JS.API.CONSUMER.MSG.NEXT.KV_lures.>",
            "$JS.API.DIRECT.GET.KV_lures.>",
            f"$JS.API.DIRECT.GET.KV_sensors.$KV.sensors.sensor.{name}.>",
            f"$KV.sensors.sensor.{name}.>",
        ]
    }


ROLES: dict[str, Callable[[str], Permissions]] = {"enforcer": enforcer, "sensor": sensor}
"""What a credential of another host allows, by role; each is told the credential's name."""


def make(path: Path) -> str:
    """Write a fresh NKEY seed to ``path`` (mode 0600) and return its public key."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(seed)
    return public_key(path)


def seed_of(path: Path) -> str:
    """The seed in a credential file. Raises :class:`StreamError` with the cure when it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StreamError(
            f"stream.credentials: {path}: cannot be read ({error}); make one with `propolis credential`"
        ) from error


def public_key(path: Path) -> str:
    """The public key of a credential file. Raises :class:`StreamError` if it holds no NKEY seed."""
    try:
        return bytes(nkeys.from_seed(bytearray(seed_of(path).encode())).public_key).decode()
    except (nkeys.NkeysError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise StreamError(
            f"{path}: is no credential ({reason}); make one with `propolis credential`"
        ) from error


def inbox_of(key: str) -> str:
    """Where the answers to the holder of this public key go."""
    return f"_INBOX.{key}"


def user(path: Path) -> dict[str, object] | None:
    """The server's entry for a credential file; None if its name says no role that we know."""
    if path.stem == OWNER:
        return {"nkey": public_key(path)}
    role, _, name = path.stem.partition("-")
    if role not in ROLES or not NAME.fullmatch(name):
        return None
    key = public_key(path)
    return {"nkey": key, "permissions": {**ROLES[role](name), "subscribe": [f"{inbox_of(key)}.>"]}}
