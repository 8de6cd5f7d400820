"""Canaries: secrets that prove where they came from, because only we can have made them, and for whom.

A decoy's visitor finds a password, an access key or a link of his own. Whoever presents one anywhere later is known
for certain to have been there: the value itself says which source it was given to, and no store is asked.

Form: ``tag | sealed source``, in the manner of SIV (Rogaway and Shrimpton, "A Provable-Security Treatment of the
Key-Wrap Problem", 2006): the tag is BLAKE2b (RFC 7693) of kind, family and source under one key, and the four bytes
that stand for the source are masked by BLAKE2b of the tag under another. So the same source is given the same value
again, a stranger cannot tell one from noise, and a guess passes with a probability below 2**-47.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

KEY_BYTES = 32
SOURCE_BYTES = 4
MIN_TAG_BYTES = 6
MAX_SCANNED_BYTES = 1_048_576
"""How much of a payload is searched."""
MAX_CANDIDATES = 4_096
"""Of one view of the bytes; each costs two hashes, about 3 µs."""

Kind: TypeAlias = Literal[
    "aws_key", "aws_secret", "cookie", "github_token", "password", "path", "token", "uuid"
]

_MAPPED = b"\0" * 10 + b"\xff\xff"
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"abcdefghijklmnopqrstuvwxyz234567")


class Canary(msgspec.Struct, frozen=True):
    """One that was found. ``source``: 16 bytes of the IPv4 address it was given to, or 4 of a digest for IPv6."""

    kind: Kind
    value: str
    source: bytes


class _Shape(msgspec.Struct, frozen=True):
    """How the sealed bytes of one kind are written, and a pattern that finds them in anything."""

    sealed_bytes: int
    write: Callable[[bytes], bytes]
    read: Callable[[bytes], bytes]
    pattern: bytes


def _to_base62(data: bytes, length: int) -> bytes:
    number = int.from_bytes(data, "big")
    out = bytearray()
    for _ in range(length):
        number, digit = divmod(number, 62)
        out.append(_DIGITS[digit])
    return bytes(reversed(out))


def _from_base62(text: bytes, length: int) -> bytes:
    number = 0
    for digit in text:
        number = number * 62 + _DIGITS.index(digit)
    return number.to_bytes(length, "big") if number < 1 << 8 * length else b""


def _github_checksum(text: bytes) -> bytes:
    """The last six digits of a GitHub token are the CRC-32 of the thirty before them, in base 62."""
    return _to_base62(zlib.crc32(text).to_bytes(4, "big"), 6)


def _write_uuid(data: bytes) -> bytes:
    """120 bits around the version (4) and variant of RFC 9562, 5.4."""
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:]}".encode()


def _read_uuid(text: bytes) -> bytes:
    digits = text.replace(b"-", b"")
    return bytes.fromhex((digits[:12] + digits[13:16] + digits[17:]).decode())


def _write_github(data: bytes) -> bytes:
    digits = _to_base62(data, 30)
    return b"ghp_" + digits + _github_checksum(digits)


_WORD = rb"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])"

_SHAPES: MappingProxyType[Kind, _Shape] = MappingProxyType(
    {
        "aws_key": _Shape(
            10,
            lambda data: b"AKIA" + base64.b32encode(data),
            lambda text: base64.b32decode(text[4:]),
            rb"AKIA[A-Z2-7]{16}",
        ),
        "aws_secret": _Shape(30, base64.b64encode, base64.b64decode, rb"[A-Za-z0-9+/]{40}"),
        "cookie": _Shape(
            16,
            lambda data: base64.b32hexencode(data)[:26].lower(),
            lambda text: base64.b32hexdecode(text.upper() + b"======"),
            rb"[0-9a-v]{26}",
        ),
        "github_token": _Shape(
            22, _write_github, lambda text: _from_base62(text[4:34], 22), rb"ghp_[A-Za-z0-9]{36}"
        ),
        "password": _Shape(
            10,
            lambda data: _to_base62(data, 14),
            lambda text: _from_base62(text, 10),
            rb"[A-Za-z0-9]{14}",
        ),
        "path": _Shape(
            10,
            lambda data: base64.b32encode(data).translate(_LOWER),
            lambda text: base64.b32decode(text.upper()),
            rb"[a-z2-7]{16}",
        ),
        "token": _Shape(
            16,
            lambda data: data.hex().encode(),
            lambda text: bytes.fromhex(text.decode()),
            rb"[0-9a-f]{32}",
        ),
        "uuid": _Shape(
            15, _write_uuid, _read_uuid, rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}"
        ),
    }
)
KINDS: tuple[Kind, ...] = tuple(_SHAPES)
"""What can be minted."""

# keys of clouds and forges are found wherever they begin: their first letters are marks enough
_BOUNDS: dict[Kind, bytes] = {
    "aws_key": b"%s",
    "aws_secret": rb"(?<![A-Za-z0-9+/])%s(?![A-Za-z0-9+/])",
    "github_token": b"%s",
}
_PATTERN = re.compile(
    b"|".join(
        b"(?P<%s>%s)" % (kind.encode(), _BOUNDS.get(kind, _WORD) % shape.pattern)
        for kind, shape in _SHAPES.items()
    )
)
# no shape is shorter; an escape before it (\n in JSON) is not its first letter
_CANDIDATE = re.compile(rb"(?:\\[nrt])?([A-Za-z0-9+/_-]{14,})")
_BASIC = re.compile(rb"(?i:\bbasic)(?:\s+|%20)([A-Za-z0-9+/]{8,1024}={0,2})")


class Mint:
    """Makes canaries and knows its own. ``key``: 32 secret bytes, one key per installation."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a canary key has {KEY_BYTES} bytes, not {len(key)}")
        self._tag_key = hashlib.blake2b(b"tag", key=key, digest_size=32).digest()
        self._mask_key = hashlib.blake2b(b"mask", key=key, digest_size=32).digest()

    def mint(self, kind: Kind, source: bytes) -> str:
        """The value of that kind for the source (16 bytes, IPv4 mapped); the same one whenever it is asked for."""
        is_mapped, short = _shorten(source)
        tag = self._tag(kind, short, is_mapped=is_mapped)
        return _SHAPES[kind].write(tag + self._masked(tag, short)).decode()

    def find(self, data: bytes) -> list[Canary]:
        """Every canary of ours in these bytes, each value once, in order; also inside ``Basic`` and percent encoding.

        O(bytes), and two hashes for each piece that has the shape of a secret; nothing raises. Bytes beyond
        :data:`MAX_SCANNED_BYTES` and candidates beyond :data:`MAX_CANDIDATES` are not looked at.
        """
        data = data[:MAX_SCANNED_BYTES]
        found: dict[str, Canary] = {}
        for view in _views(data):
            for kind, value in islice(_candidates(view), MAX_CANDIDATES):
                canary = self._verify(kind, value)
                if canary is not None:
                    found.setdefault(canary.value, canary)
        return list(found.values())

    def is_given_to(self, canary: Canary, source: bytes) -> bool:
        """Whether a canary was made for this source (16 bytes); for IPv6 that is all that can be known."""
        return self.mint(canary.kind, source) == canary.value

    def _verify(self, kind: Kind, value: bytes) -> Canary | None:
        shape = _SHAPES[kind]
        sealed = shape.read(value)
        if len(sealed) != shape.sealed_bytes or shape.write(sealed) != value:
            return None
        tag = sealed[:-SOURCE_BYTES]
        short = self._masked(tag, sealed[-SOURCE_BYTES:])
        for is_mapped in (True, False):
            if self._tag(kind, short, is_mapped=is_mapped) == tag:
                return Canary(kind, value.decode(), _MAPPED + short if is_mapped else short)
        return None

    def _tag(self, kind: Kind, short: bytes, *, is_mapped: bool) -> bytes:
        size = _SHAPES[kind].sealed_bytes - SOURCE_BYTES
        said = b"%s\0%d%s" % (kind.encode(), is_mapped, short)
        return hashlib.blake2b(said, key=self._tag_key, digest_size=size).digest()

    def _masked(self, tag: bytes, short: bytes) -> bytes:
        mask = hashlib.blake2b(tag, key=self._mask_key, digest_size=SOURCE_BYTES).digest()
        return bytes(one ^ other for one, other in zip(short, mask, strict=True))


def _shorten(source: bytes) -> tuple[bool, bytes]:
    """Whether the source is IPv4, and the four bytes that stand for it."""
    if source.startswith(_MAPPED) and len(source) == len(_MAPPED) + SOURCE_BYTES:
        return True, source[-SOURCE_BYTES:]
    return False, hashlib.blake2b(source, digest_size=SOURCE_BYTES).digest()


def _candidates(view: bytes) -> Iterator[tuple[Kind, bytes]]:
    for run in _CANDIDATE.finditer(view):
        for match in _PATTERN.finditer(run[1]):
            yield next(kind for kind in KINDS if kind == match.lastgroup), match[0]


def _views(data: bytes) -> Iterator[bytes]:
    """The bytes as they are, and what is hidden in them."""
    yield data
    if b"%" in data:
        yield unquote_to_bytes(data)
    if rb"\/" in data:
        yield data.replace(rb"\/", b"/")  # JSON as PHP writes it
    for match in _BASIC.finditer(data):
        try:
            yield base64.b64decode(match[1])
        except binascii.Error:
            continue
