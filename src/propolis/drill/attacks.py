"""Small clients that attack our own decoys over loopback: one per kind, one attack per source."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncssh
import msgspec

from propolis.errors import PropolisError

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 3.0
MAX_REPLY_BYTES = 4_096


class Attack(msgspec.Struct, frozen=True):
    """A kind of attack: the lure it is for, and the client that carries it out (source, target, port)."""

    name: str
    lure: str
    client: Callable[[str, str, int], Awaitable[None]]


def loopback(text: str) -> str:
    """An address of this host's loopback. Raises :class:`PropolisError` for any other: a drill attacks nobody else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if not isinstance(address, ipaddress.IPv4Address) or not address.is_loopback:
        raise PropolisError(f"a drill attacks loopback only (127.0.0.0/8), never {text!r}")
    return str(address)


async def _dialogue(source: str, target: str, port: int, lines: Sequence[bytes]) -> None:
    """Send each of ``lines`` once the last was answered; give up quietly when the other side has had enough."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(loopback(target), port, local_addr=(loopback(source), 0)), CONNECT_SECONDS
    )
    with contextlib.suppress(TimeoutError, ConnectionError):
        for line in lines:
            if line:
                writer.write(line)
                await writer.drain()
            await asyncio.wait_for(reader.read(MAX_REPLY_BYTES), REPLY_SECONDS)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _http(source: str, target: str, port: int) -> None:
    body = b"<?php echo md5('drill'); ?>"
    head = (
        b"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1\r\nHost: %s\r\nUser-Agent: drill\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (target.encode(), len(body))
    )
    await _dialogue(source, target, port, [head + body])


async def _redis(source: str, target: str, port: int) -> None:
    command = b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$3\r\ndir\r\n$16\r\n/var/spool/cron/\r\n"
    await _dialogue(source, target, port, [command])


async def _telnet(source: str, target: str, port: int) -> None:
    await _dialogue(source, target, port, [b"", b"root\r\n", b"xc3511\r\n"])


async def _ssh(source: str, target: str, port: int) -> None:
    with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
        connection = await asyncssh.connect(
            loopback(target),
            port,
            local_addr=(loopback(source), 0),
            username="root",
            password="admin",  # noqa: S106 - the guess a scanner would make
            known_hosts=None,
            client_keys=None,
            config=None,
            connect_timeout=CONNECT_SECONDS,
        )
        connection.close()
        await connection.wait_closed()


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack("http-exploit", "http", _http),
        Attack("redis-takeover", "redis", _redis),
        Attack("telnet-login", "telnet", _telnet),
        Attack("ssh-login", "ssh", _ssh),
    )
}
"""Every kind of attack a drill knows."""
