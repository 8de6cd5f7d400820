"""A client that takes down every message a server sends, and sends whatever it is told to.

The recorder and the tests ask the same questions of a real sshd and of the lure with it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from asyncssh.connection import SSHClientConnection, SSHClientConnectionOptions
from asyncssh.constants import (
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_REQUEST,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_IGNORE,
    MSG_KEX_FIRST,
    MSG_KEX_LAST,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_REQUEST,
)
from asyncssh.packet import Boolean, SSHPacket, SSHPacketLogger, String, UInt32
from asyncssh.public_key import SSHKey, decode_ssh_public_key

from propolis.lures.ssh.exchange import register_sntrup

PATIENCE_SECONDS = 10.0
QUIET_SECONDS = 0.25
"""After this much silence an answer is taken to be complete."""

_TRANSPORT = (MSG_KEXINIT, MSG_NEWKEYS, MSG_EXT_INFO)


async def talk(port: int, *parts: bytes, quiet: float = QUIET_SECONDS) -> tuple[bytes, bool]:
    """Send each part to a loopback port once the server is quiet; all it said, and whether it hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said, is_over = b"", False
    for part in (*parts, b""):
        try:
            while not is_over:
                data = await asyncio.wait_for(reader.read(65_536), quiet)
                said, is_over = said + data, not data
        except TimeoutError:
            pass
        except ConnectionError:
            is_over = True
        if not is_over:
            writer.write(part)
    writer.close()
    return said, is_over


class Scribe(SSHClientConnection):
    """An SSH connection after the key exchange; ``messages`` are payloads, the first byte their type."""

    def __init__(self, options: SSHClientConnectionOptions) -> None:
        super().__init__(asyncio.get_running_loop(), options)
        self.messages: list[bytes] = []
        self.is_over = False
        self._is_ready = asyncio.Event()
        self._has_news = asyncio.Event()

    @property
    def session_id(self) -> bytes:
        """The hash of the first key exchange, which signatures cover."""
        return self._session_id

    async def ask(self, kind: int, *body: bytes, patience: float = PATIENCE_SECONDS) -> list[bytes]:
        """Send one message; what comes back until the server is quiet or gone."""
        known = len(self.messages)
        if not self.is_over:
            self.send_packet(kind, *body)
        await self._hear(patience)
        while not self.is_over and await self._hear(QUIET_SECONDS):
            pass
        return self.messages[known:]

    async def offer(self, user: str, method: str, *rest: bytes) -> list[bytes]:
        """One authentication request for the connection service."""
        return await self.ask(
            MSG_USERAUTH_REQUEST, String(user), String("ssh-connection"), String(method), *rest
        )

    async def begin(self) -> "Scribe":
        """Ask for authentication."""
        await self.ask(MSG_SERVICE_REQUEST, String("ssh-userauth"))
        return self

    async def log_in(self, user: str, key: SSHKey) -> list[bytes]:
        """Authenticate with an Ed25519 key."""
        request = b"".join(map(String, (user, "ssh-connection", "publickey")))
        request += Boolean(value=True) + String("ssh-ed25519") + String(key.public_data)
        signature = key.sign(
            String(self._session_id) + bytes((MSG_USERAUTH_REQUEST,)) + request, b"ssh-ed25519"
        )
        return await self.ask(MSG_USERAUTH_REQUEST, request + String(signature))

    async def open_channel(self, number: int = 0, window: int = 2_097_152) -> list[bytes]:
        """Open a session channel under a number of ours."""
        return await self.ask(
            MSG_CHANNEL_OPEN, String("session"), UInt32(number), UInt32(window), UInt32(32_768)
        )

    async def request(self, name: str, *body: bytes, channel: int = 0) -> list[bytes]:
        """A channel request that wants a reply."""
        return await self.ask(MSG_CHANNEL_REQUEST, UInt32(channel), String(name), Boolean(value=True), *body)

    async def _hear(self, seconds: float) -> bool:
        self._has_news.clear()
        try:
            await asyncio.wait_for(self._has_news.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _recv_packet(self) -> bool:
        """As asyncssh reads packets, but the key exchange alone is acted upon; everything else is only noted."""
        missing = 4 + self._pktlen + self._recv_macsize - self._recv_blocksize
        if len(self._inpbuf) < missing:
            return False
        rest, mac = (
            self._inpbuf[: missing - self._recv_macsize],
            self._inpbuf[missing - self._recv_macsize : missing],
        )
        data: bytes | None = self._packet[4:] + rest
        if self._recv_encryption:
            data = self._recv_encryption.decrypt_packet(self._recv_seq, self._packet, rest, 4, mac)
        if not data:
            raise ValueError("the server's message does not verify")
        self._inpbuf = self._inpbuf[missing:]
        self._recv_handler = self._recv_pkthdr
        self._note(data[1 : len(data) - data[0]])
        return True

    def _note(self, payload: bytes) -> None:
        self.messages.append(payload)
        self._has_news.set()
        kind, sequence = payload[0], self._recv_seq
        self._recv_seq = 0 if kind == MSG_NEWKEYS and self._strict_kex else sequence + 1
        packet = SSHPacket(payload)
        packet.get_byte()
        if kind == MSG_KEXINIT:
            self._recv_seq = sequence
            _step(self._process_kexinit(kind, sequence, packet))
            self._recv_seq = sequence + 1
        elif MSG_KEX_FIRST <= kind <= MSG_KEX_LAST and self._kex:
            self._kex.process_packet(kind, sequence, packet)
        elif kind in _TRANSPORT:
            self.process_packet(kind, sequence, packet)
        elif kind == MSG_DISCONNECT:
            self.connection_lost()
        if kind == MSG_NEWKEYS:
            self._is_ready.set()

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """As asyncssh, without its fillers, and without waiting for a login that may never be."""
        if pkttype != MSG_IGNORE or args != (String(b""),):
            super().send_packet(pkttype, *args, handler=handler)

    def send_service_request(self, service: bytes) -> None:
        """Not by itself."""
        del service
        self._auth_complete = True

    def validate_server_host_key(self, key_data: bytes) -> SSHKey:
        """Any key will do: we are looking, not trusting."""
        return decode_ssh_public_key(key_data)

    def connection_lost(self, exc: Exception | None = None) -> None:
        """The server hung up."""
        self.is_over = True
        self._has_news.set()
        self._is_ready.set()
        super().connection_lost(exc)

    async def ready(self) -> None:
        """The key exchange is done, or the connection is."""
        await asyncio.wait_for(self._is_ready.wait(), PATIENCE_SECONDS)


def _step(steps: Any) -> None:
    try:
        steps.send(None)
    except StopIteration:
        return


def _options(**algorithms: Sequence[str]) -> SSHClientConnectionOptions:
    return SSHClientConnectionOptions(
        config=None, known_hosts=None, client_keys=None, agent_path=None, username="root", **algorithms
    )


async def connect(port: int, **algorithms: Sequence[str]) -> Scribe:
    """A scribe on a loopback port, after the key exchange; keywords as asyncssh's ``kex_algs`` and its like."""
    register_sntrup()
    options = _options(**algorithms)
    _, scribe = await asyncio.get_running_loop().create_connection(lambda: Scribe(options), "127.0.0.1", port)
    await scribe.ready()
    return scribe
