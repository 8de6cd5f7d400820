"""Key exchanges that asyncssh does not have, or does not do as sshd.

Diffie-Hellman with short exponents (RFC 4253, 8) and the groups of sshd's ``moduli`` file (RFC 4419); and what OpenSSH
9.0 to 9.8 prefers, Streamlined NTRU Prime beside X25519 (draft-josefsson-ntruprime-ssh): asyncssh takes it from a
system library that Debian does not have, here it comes from ``pqcrypto``.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256, sha512
from types import MappingProxyType
from typing import TYPE_CHECKING

from asyncssh.crypto import Curve25519DH, PQClass
from asyncssh.kex import Kex, get_kex_algs, register_kex_alg
from asyncssh.kex_dh import (
    MSG_KEX_DH_GEX_INIT,
    MSG_KEX_DH_GEX_REQUEST,
    _KexDH,
    _KexDHBase,
    _KexDHGex,
    _KexHybridECDH,
)
from asyncssh.misc import ProtocolError
from asyncssh.packet import MPInt, SSHPacket
from pqcrypto.kem import sntrup_761

if TYPE_CHECKING:
    from asyncssh.connection import SSHConnection

SNTRUP = (b"sntrup761x25519-sha512", b"sntrup761x25519-sha512@openssh.com")
MIN_BITS = 2048
MAX_BITS = 8192
_GENERATOR = 2
_SECRET_BITS = 256
"""Enough for 128 bits of strength; a full exponent costs ten times as much, and nobody can tell from outside."""


class ShortExponent(_KexDHBase):
    """The server's side with a short secret."""

    _random: random.Random

    def _compute_server_shared(self) -> bytes:
        if not 1 < self._e < self._p - 1:
            raise ProtocolError("Diffie-Hellman value out of range")
        secret = self._random.getrandbits(_SECRET_BITS) | 1 << (_SECRET_BITS - 1)
        self._f = pow(self._g, secret, self._p)
        return MPInt(pow(self._e, secret, self._p))


class FixedGroup(ShortExponent, _KexDH):
    """``diffie-hellman-group14-sha256`` and its like."""

    def __init__(self, known: _KexDH, conn: "SSHConnection", rng: random.Random) -> None:
        super().__init__(known.algorithm, conn, known._hash_alg, known._g, known._p)  # noqa: SLF001 - asyncssh's choice
        self._random = rng


class GroupExchange(ShortExponent, _KexDHGex):
    """``diffie-hellman-group-exchange-sha256`` over a persona's groups."""

    def __init__(
        self, alg: bytes, conn: "SSHConnection", groups: tuple[str, ...], rng: random.Random
    ) -> None:
        super().__init__(alg, conn, sha256)
        self._groups = _by_size(groups)
        self._random = rng

    def _process_request(self, pkttype: int, _pktid: int, packet: SSHPacket) -> None:
        """The smallest size that is enough, of those any one; no group ends the connection in silence."""
        del pkttype
        if self._p:
            raise ProtocolError("group requested twice")
        self._gex_data = packet.get_remaining_payload()
        low, wanted, high = (packet.get_uint32() for _ in range(3))
        packet.check_end()
        low, high = max(low, MIN_BITS), min(high, MAX_BITS)
        wanted = min(max(wanted, MIN_BITS), MAX_BITS)
        if not low <= wanted <= high:
            raise ProtocolError(f"group of {wanted} bits between {low} and {high}")
        sizes = [size for size in self._groups if low <= size <= high]
        if not sizes:
            raise ProtocolError(f"no group between {low} and {high} bits")
        chosen = min((size for size in sizes if size >= wanted), default=sizes[-1])
        self._init_group(_GENERATOR, self._random.choice(self._groups[chosen]))
        self._gex_data += MPInt(self._p) + MPInt(self._g)
        self.send_packet(self._group_type, MPInt(self._p), MPInt(self._g))

    # without the request of before RFC 4419, which sshd no longer knows
    _packet_handlers: Mapping[int, Callable[..., None]] = MappingProxyType(
        {
            MSG_KEX_DH_GEX_REQUEST: _process_request,
            MSG_KEX_DH_GEX_INIT: _KexDHBase._process_init,  # noqa: SLF001 - handlers are private in asyncssh
        }
    )


def as_sshd(
    chosen: Kex | None, conn: "SSHConnection", groups: tuple[str, ...], rng: random.Random
) -> Kex | None:
    """The exchange that asyncssh chose, in sshd's manner where that differs."""
    match chosen:
        case _KexDHGex():
            return GroupExchange(chosen.algorithm, conn, groups, rng)
        case _KexDH():
            return FixedGroup(chosen, conn, rng)
        case _:
            return chosen


class Sntrup761:
    """A key encapsulation in the shape that asyncssh's hybrid exchange wants.

    A server only encapsulates (0.3 ms), so the key pair (25 ms) is made when somebody asks for it.
    """

    pubkey_bytes: int = sntrup_761.PUBLIC_KEY_SIZE
    privkey_bytes: int = sntrup_761.SECRET_KEY_SIZE
    ciphertext_bytes: int = sntrup_761.CIPHERTEXT_SIZE
    secret_bytes: int = sntrup_761.SHARED_SECRET_SIZE

    def __init__(self, alg_name: bytes) -> None:
        del alg_name
        self._private = b""

    def get_public(self) -> bytes:
        """A fresh public key; the private one is kept for :meth:`decaps`."""
        public, self._private = sntrup_761.keygen()
        return bytes(public)

    def encaps(self, peer_public: bytes) -> tuple[bytes, bytes]:
        """Secret and ciphertext for a public key. Raises ``ValueError`` for one of the wrong length."""
        ciphertext, secret = sntrup_761.encaps(peer_public)
        return bytes(secret), bytes(ciphertext)

    def decaps(self, ciphertext: bytes) -> bytes:
        """The secret of a ciphertext. Raises ``ValueError`` for one of the wrong length."""
        return bytes(sntrup_761.decaps(self._private, ciphertext))


def register_sntrup() -> None:
    """Teach asyncssh the exchange, if it does not know it; safe to repeat. Nothing else in the process changes."""
    kem: PQClass = Sntrup761
    for name in SNTRUP:
        if name not in get_kex_algs():
            register_kex_alg(name, _KexHybridECDH, sha512, (kem, b"sntrup761", Curve25519DH), default=False)


@lru_cache(maxsize=16)
def _by_size(groups: tuple[str, ...]) -> dict[int, Sequence[int]]:
    """Moduli by size in bits, smallest first."""
    sizes: dict[int, list[int]] = {}
    for prime in sorted(int(text, 16) for text in groups):
        sizes.setdefault(prime.bit_length(), []).append(prime)
    return dict(sizes)
