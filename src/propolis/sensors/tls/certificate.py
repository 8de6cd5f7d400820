"""The certificate a product has when nobody bought one: made once per sensor, as its own tools make it.

Each habit is held against the real tool's output by ``tests/sensors/tls/test_certificate.py``.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type  # keytool writes printable strings, and there is no other way to
from cryptography.x509.oid import NameOID

from propolis.clock import SECOND
from propolis.errors import ConfigError

Habit: TypeAlias = Literal["snakeoil", "openssl", "keytool"]
"""``make-ssl-cert generate-default-snakeoil`` of Debian, ``openssl req -x509`` with its defaults, Java's keytool."""

KEY_BITS = 2_048
OLDEST_DAYS = 600
"""A certificate was made some days before the sensor was: who installs a server seldom starts today."""


class _Style(msgspec.Struct, frozen=True):
    """``name`` as (type, text), a text of ``{host}`` is the host's; ``extensions`` in their order."""

    name: tuple[tuple[x509.ObjectIdentifier, str], ...]
    days: int
    serial_bits: int
    extensions: tuple[str, ...]
    is_printable: bool = False


_STYLES: dict[Habit, _Style] = {
    "snakeoil": _Style(((NameOID.COMMON_NAME, "{host}"),), 3_650, 159, ("end entity", "host", "key")),
    "openssl": _Style(
        (
            (NameOID.COUNTRY_NAME, "AU"),
            (NameOID.STATE_OR_PROVINCE_NAME, "Some-State"),
            (NameOID.ORGANIZATION_NAME, "Internet Widgits Pty Ltd"),
        ),
        365,
        159,
        ("key", "issuer key", "authority"),
    ),
    "keytool": _Style(
        tuple(
            (kind, "Unknown")
            for kind in (
                NameOID.COUNTRY_NAME,
                NameOID.STATE_OR_PROVINCE_NAME,
                NameOID.LOCALITY_NAME,
                NameOID.ORGANIZATION_NAME,
                NameOID.ORGANIZATIONAL_UNIT_NAME,
                NameOID.COMMON_NAME,
            )
        ),
        90,
        64,
        ("key",),
        is_printable=True,
    ),
}

_EXTENSIONS: dict[str, tuple[Callable[[rsa.RSAPublicKey, str], x509.ExtensionType], bool]] = {
    "end entity": (lambda _, __: x509.BasicConstraints(ca=False, path_length=None), False),
    "authority": (lambda _, __: x509.BasicConstraints(ca=True, path_length=None), True),
    "host": (lambda _, host: x509.SubjectAlternativeName([x509.DNSName(host)]), False),
    "key": (lambda key, _: x509.SubjectKeyIdentifier.from_public_key(key), False),
    "issuer key": (lambda key, _: x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),
}
"""An extension by what it says: how it is made, and whether it is critical (RFC 5280, 4.2)."""


def certificate(folder: Path, habit: Habit, host: str, now: int) -> Path:
    """The file of a private key and its certificate for ``host``, in the folder; made if it is not there yet.

    ``now`` is UTC nanoseconds. The file is the owner's only, and stays as it is: whoever comes back sees the same
    certificate. Raises :class:`~propolis.errors.ConfigError` when it cannot be written. About 0.2 s the first time.
    """
    path = folder / f"tls_{habit}.pem"
    if not path.exists():
        try:
            _write(path, make(habit, host, now))
        except OSError as error:
            raise ConfigError(
                path, "", f"cannot be written ({error.strerror}); make its folder writable"
            ) from error
    return path


def make(habit: Habit, host: str, now: int) -> bytes:
    """A new private key and its self-signed certificate, as PEM. ``now`` is UTC nanoseconds."""
    style = _STYLES[habit]
    key = rsa.generate_private_key(65_537, KEY_BITS)
    kind = _ASN1Type.PrintableString if style.is_printable else None
    name = x509.Name(
        [
            # keytool's country has seven letters
            x509.NameAttribute(oid, text.format(host=host), kind, _validate=not style.is_printable)
            for oid, text in style.name
        ]
    )
    begun = _begin(host, style.days, now)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(style.serial_bits) | 1)
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=style.days))
    )
    for says in style.extensions:
        extension, is_critical = _EXTENSIONS[says]
        builder = builder.add_extension(extension(key.public_key(), host), is_critical)
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    )  # fmt: skip


def _begin(host: str, days: int, now: int) -> datetime:
    """Some moment of the past from which such a certificate is still valid for a while, the same for one host."""
    span = min(OLDEST_DAYS, days * 2 // 3) * 86_400
    ago = int.from_bytes(
        hashlib.blake2b(host.encode(), digest_size=4, person=b"propolis tls").digest(), "big"
    )
    return datetime.fromtimestamp(now // SECOND - 3_600 - ago % span, UTC)


def _write(path: Path, pem: bytes) -> None:
    """Write it for the owner only. The first of several workers wins; the others then read that one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
