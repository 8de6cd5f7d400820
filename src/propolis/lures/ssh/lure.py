"""The SSH lure: a Debian sshd that knows a weak password, and a shell behind it that runs nothing.

The dialogue is synchronous: asyncssh's cryptography is driven by hand (:mod:`propolis.lures.ssh.transport`), so
whatever a client causes is answered by the call that brought its bytes, and ``visit.later`` is never needed.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from asyncssh.compression import get_compression_algs
from asyncssh.connection import SSHServerConnectionOptions
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs

from propolis.lures.lure import Effect, Visit
from propolis.lures.ssh.authentication import Authentication
from propolis.lures.ssh.channels import Channels
from propolis.lures.ssh.exchange import register_sntrup
from propolis.lures.ssh.keys import host_keys
from propolis.lures.ssh.persona import load
from propolis.lures.ssh.shell import Shell
from propolis.lures.ssh.transport import Transport
from propolis.lures.ssh.wire import Wire
from propolis.notes import PersonaReduced, tell


class SshLure:
    """One SSH connection. Needs a running event loop, as asyncssh's connections do, but leaves nothing in it."""

    name: ClassVar[str] = "ssh"

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._persona = load(visit.persona)
        self._wire = Wire()
        self._transport = Transport(
            _options(visit.persona, visit.keys), self._persona, self._wire, visit.random
        )
        self._transport.service = Authentication(self._transport, visit, self._wire, self._welcome)
        self._channels: Channels | None = None

    def connected(self) -> Iterable[Effect]:
        """The identification line: sshd speaks first."""
        self._transport.greet()
        return self._wire.take()

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Bytes arrived, split anywhere; after a hangup they mean nothing."""
        self._transport.feed(data)
        return self._wire.take()

    def closed(self) -> Iterable[Effect]:
        """The client is gone: what it left half said is reported."""
        self._transport.ended()
        if self._channels:
            self._channels.ended()
        return self._wire.take()

    def _welcome(self, user: str) -> None:
        shell = Shell(self._persona, self._visit.machine, user)
        self._channels = Channels(self._transport, self._wire, shell)
        self._transport.service = self._channels


@lru_cache(maxsize=16)
def _options(name: str, folder: Path) -> SSHServerConnectionOptions:
    """Options of asyncssh for a persona: made once, since making them costs more than a connection.

    Only what this process can execute is announced; what is missing (umac without the system's nettle library)
    is told, since the lure then has another fingerprint than the product.
    """
    register_sntrup()
    algorithms = load(name).algorithms
    exchanges = tuple(name for name in algorithms.key_exchange if not name.startswith("kex-strict"))
    return SSHServerConnectionOptions(
        config=None,
        gss_host=None,  # the default looks the host's name up
        server_host_keys=list(host_keys(folder)),
        send_server_host_keys=True,
        kex_algs=_executable("key exchange", exchanges, get_kex_algs()),
        encryption_algs=_executable("cipher", algorithms.cipher, get_encryption_algs()),
        mac_algs=_executable("MAC", algorithms.mac, get_mac_algs()),
        compression_algs=_executable("compression", algorithms.compression, get_compression_algs()),
        login_timeout=0,  # time is the sensor's
        keepalive_interval=0,
    )


def _executable(kind: str, names: tuple[str, ...], known: list[bytes]) -> list[str]:
    missing = [name for name in names if name.encode() not in known]
    if missing:
        tell(PersonaReduced(lure="ssh", missing=f"{kind} {', '.join(missing)}"))
    return [name for name in names if name not in missing]
