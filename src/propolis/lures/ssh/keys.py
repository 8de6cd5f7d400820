"""Host keys: made once per sensor, read once per process."""

import os
import secrets
from functools import lru_cache
from pathlib import Path

import asyncssh

from propolis.errors import ConfigError

_KINDS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("rsa", "ssh-rsa", {"key_size": 3072}),
    ("ecdsa", "ecdsa-sha2-nistp256", {}),
    ("ed25519", "ssh-ed25519", {}),
)
"""What Debian's ``ssh-keygen -A`` makes, in the order in which sshd announces it."""


@lru_cache(maxsize=16)
def host_keys(folder: Path) -> tuple[asyncssh.SSHKey, ...]:
    """RSA 3072, ECDSA P-256 and Ed25519, from ``ssh_host_*_key`` in the folder; made if they are not there yet.

    Raises :class:`ConfigError` if the folder cannot be used or a file in it is not a key. About 0.3 s the first
    time on a host, 1 ms the first time in a process, nothing after that.
    """
    try:
        return tuple(
            _read(folder / f"ssh_host_{name}_key", algorithm, sizes) for name, algorithm, sizes in _KINDS
        )
    except OSError as error:
        raise ConfigError(
            folder, "", f"cannot hold host keys ({error.strerror}); make it writable"
        ) from error


def _read(path: Path, algorithm: str, sizes: dict[str, int]) -> asyncssh.SSHKey:
    if not path.exists():
        _make(path, asyncssh.generate_private_key(algorithm, comment="", **sizes))
    try:
        return asyncssh.import_private_key(path.read_bytes())
    except asyncssh.KeyImportError as error:
        raise ConfigError(
            path, "", f"is not a private key ({error}); remove it and a new one is made"
        ) from error


def _make(path: Path, key: asyncssh.SSHKey) -> None:
    """Write the key for the owner only. The first of several workers wins; the others then read that one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(key.export_private_key("openssh"))
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
