"""Who vouches for a pushed lure, or a pushed rule: Ed25519 (RFC 8032) over its id, version and text.

A public key is 43 characters, the base64url (RFC 4648, 5) of its 32 bytes; a private key is a PEM file (PKCS #8) of
mode 0600. An installation that names no key has one of its own (:func:`own_key`), so that a lone operator needs
nothing; sensors on other hosts are told its public half in ``flaws.trusted``.
"""

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from propolis.config import Config
from propolis.errors import ConfigError, PropolisError
from propolis.stream import subjects

_KEY_ID_CHARACTERS = 16


class SignatureError(PropolisError):
    """A pushed file that nobody we trust vouches for, or a key that cannot be used."""


class Cargo(msgspec.Struct, frozen=True):
    """A kind of file that travels: ``word`` names one, ``key`` stands before its id in the bucket ``lures``.

    What is signed names its kind, so that a signed lure is never taken for a rule.
    """

    word: str
    key: str

    @property
    def purpose(self) -> str:
        """What a signature is for."""
        return f"propolis {self.word} 1"

    @property
    def command(self) -> str:
        """The group of commands that is about them."""
        return f"propolis {self.word}s"

    def subject(self, name: str) -> str:
        """Where the versions of one are on the stream; ``*`` for all of them."""
        return subjects.key(subjects.LURES, self.key + name)


LURE = Cargo("lure", subjects.FLAW)
RULE = Cargo("rule", subjects.RULE)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of a lure or a rule as it travels, one JSON object.

    ``version`` grows by one with every push of this ``id``; ``made`` is UTC nanoseconds. An empty ``text`` withdraws
    it: what the files say holds again. ``repeats`` names the version whose text this is once more (a rollback),
    0 for a text that is new. ``key`` is the :func:`key_id` of the signing key.
    """

    id: str
    version: int
    made: int
    text: str
    repeats: int
    key: str
    signature: bytes = b""

    def signed_bytes(self, cargo: Cargo) -> bytes:
        """What the signature is about: everything but itself, and what it is for."""
        return msgspec.msgpack.encode(
            (cargo.purpose, self.id, self.version, self.made, self.text, self.repeats, self.key)
        )


_DECODER = msgspec.json.Decoder(Envelope)


def sign(envelope: Envelope, private: Ed25519PrivateKey, cargo: Cargo = LURE) -> Envelope:
    """The envelope with the signing key's id and signature in it."""
    named = msgspec.structs.replace(envelope, key=key_id(public_text(private)))
    return msgspec.structs.replace(named, signature=private.sign(named.signed_bytes(cargo)))


def encode(envelope: Envelope) -> bytes:
    """An envelope as JSON, its signature in base64."""
    return msgspec.json.encode(envelope)


def decode(data: bytes, cargo: Cargo = LURE) -> Envelope:
    """What :func:`encode` wrote, not yet believed. Raises :class:`SignatureError`."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"is no signed {cargo.word}: {error}") from error


def verify(envelope: Envelope, trusted: Collection[str], cargo: Cargo = LURE) -> None:
    """Return if one of these public keys signed it. Raises :class:`SignatureError` with the cure."""
    key = next((public for public in trusted if key_id(public) == envelope.key), None)
    if not envelope.signature:
        raise SignatureError(f"is not signed; push it with `{cargo.command} push`")
    if key is None:
        raise SignatureError(
            f"is signed with the key {envelope.key!r}, which is not trusted; name its public key in flaws.trusted"
        )
    try:
        Ed25519PublicKey.from_public_bytes(_public_bytes(key)).verify(
            envelope.signature, envelope.signed_bytes(cargo)
        )
    except InvalidSignature as error:
        raise SignatureError("was changed after it was signed; push it again") from error


def make_key(path: Path) -> str:
    """Write a fresh private key to ``path`` (mode 0600) and return its public key.

    Raises :class:`SignatureError` when there is a file already, which is never overwritten, or it cannot be written.
    """
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError as error:
        raise SignatureError(f"{path}: exists already; choose another name") from error
    except OSError as error:
        raise SignatureError(f"{path}: cannot be written ({error.strerror})") from error
    return public_text(read_key(path))


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises :class:`SignatureError` with the cure."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SignatureError(
            f"{path}: cannot be read ({error.strerror}); make one with `propolis lures keygen`"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError(
            f"{path}: is no private key without a password; make one with `propolis lures keygen`"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"{path}: is not an Ed25519 key; make one with `propolis lures keygen`")
    return key


def public_text(private: Ed25519PrivateKey) -> str:
    """The public half of a key, as ``flaws.trusted`` takes it."""
    return base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()


def key_id(public: str) -> str:
    """A short name of a public key: the beginning of its SHA-256 in hexadecimal."""
    return hashlib.sha256(public.encode()).hexdigest()[:_KEY_ID_CHARACTERS]


def own_key(config: Config) -> Path:
    """Where this installation's private key is: ``flaws.key``, or its own in ``host.state``."""
    if config.flaws.key:
        return (config.path.parent / config.flaws.key).resolve()
    return config.state / "flaws" / "signing.pem"


def ensure_own_key(config: Config) -> Path:
    """:func:`own_key`, made if there is none yet and the configuration names none."""
    path = own_key(config)
    if not config.flaws.key and not path.exists():
        with contextlib.suppress(
            SignatureError
        ):  # somebody else made it meanwhile, or reading it says why not
            make_key(path)
    return path


def trusted_keys(config: Config) -> tuple[str, ...]:
    """The public keys whose lures and rules go live: those in ``flaws.trusted``, or else this installation's own.

    Raises :class:`~propolis.errors.ConfigError` for one that is none.
    """
    for index, public in enumerate(config.flaws.trusted):
        try:
            Ed25519PublicKey.from_public_bytes(_public_bytes(public))
        except ValueError as error:
            raise ConfigError(
                config.path, f"flaws.trusted[{index}]", "is no public key; `propolis lures keygen` prints one"
            ) from error
    if config.flaws.trusted:
        return config.flaws.trusted
    try:
        return (public_text(read_key(own_key(config))),)
    except SignatureError:
        return ()


def _public_bytes(public: str) -> bytes:
    """Raises ``ValueError`` for what is no base64url of 32 bytes."""
    try:
        data = base64.b64decode(public + "=", altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f"{public!r} is no base64url") from error
    if len(data) != 32:
        raise ValueError(f"{public!r} is not 32 bytes")
    return data
