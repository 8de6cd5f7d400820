import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.config import Config
from propolis.drill import ATTACKS, attacks, loopback
from propolis.errors import PropolisError

SOURCE = "127.64.3.9"


class Recorder:
    """Whoever is attacked: answers ``replies`` in turn, and keeps who said what."""

    def __init__(self, *replies: bytes, greeting: bytes = b"") -> None:
        self.port = 0
        self.sources: list[str] = []
        self.said = b""
        self._greeting = greeting
        self._replies = list(replies)
        self.is_over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sources.append(writer.get_extra_info("peername")[0])
        writer.write(self._greeting)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.said += data
                if self._replies:
                    writer.write(self._replies.pop(0))
        writer.close()
        self.is_over.set()


@asynccontextmanager
async def attacked(*replies: bytes, greeting: bytes = b"") -> AsyncIterator[Recorder]:
    recorder = Recorder(*replies, greeting=greeting)
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()


@pytest.mark.parametrize("text", ["127.0.0.1", "127.64.0.9", "127.255.255.254"])
def test_this_hosts_loopback(text: str) -> None:
    assert loopback(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "128.0.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "127.1",
        "127.0.0.1/32",
        "",
    ],
)
def test_nobody_else(text: str) -> None:
    with pytest.raises(PropolisError, match="a drill attacks loopback only"):
        loopback(text)


@given(st.one_of(st.text(max_size=20), st.ip_addresses().map(str)))
def test_any_text_is_loopback_or_refused(text: str) -> None:
    try:
        address = ipaddress.ip_address(loopback(text))
    except PropolisError:
        return
    assert address in ipaddress.ip_network("127.0.0.0/8")


async def test_the_exploit_is_one_whole_request_from_its_source() -> None:
    async with attacked(b"HTTP/1.1 200 OK\r\n\r\n") as decoy:
        await ATTACKS["http-exploit"].client(SOURCE, "127.0.0.1", decoy.port)
        await decoy.is_over.wait()
    head, _, body = decoy.said.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert body.startswith(b"<?php")
    assert decoy.sources == [SOURCE]


async def test_the_takeover_is_one_command_of_redis() -> None:
    async with attacked(b"+OK\r\n") as decoy:
        await ATTACKS["redis-takeover"].client(SOURCE, "127.0.0.1", decoy.port)
        await decoy.is_over.wait()
    words = decoy.said.split(b"\r\n")
    assert words[0] == b"*4"
    assert words[2:9:2] == [b"CONFIG", b"SET", b"dir", b"/var/spool/cron/"]
    assert words[1:8:2] == [b"$%d" % len(word) for word in words[2:9:2]]


async def test_the_login_waits_for_each_prompt() -> None:
    async with attacked(b"Password: ", b"# ", greeting=b"login: ") as decoy:
        await ATTACKS["telnet-login"].client(SOURCE, "127.0.0.1", decoy.port)
        await decoy.is_over.wait()
    assert decoy.said == b"root\r\nxc3511\r\n"


async def test_the_ssh_client_gives_up_quietly_on_what_is_not_ssh() -> None:
    async with attacked(greeting=b"SSH-1.0-nobody\r\n") as decoy:
        await ATTACKS["ssh-login"].client(SOURCE, "127.0.0.1", decoy.port)
        await decoy.is_over.wait()
    assert decoy.said.startswith(b"SSH-2.0-")
    assert decoy.sources == [SOURCE]


async def test_a_silent_decoy_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "REPLY_SECONDS", 0.05)
    async with attacked() as decoy:
        await ATTACKS["telnet-login"].client(SOURCE, "127.0.0.1", decoy.port)
    assert decoy.said == b""


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - {"ssh-login"}))
async def test_a_closed_port_is_told(name: str) -> None:
    async with attacked() as decoy:
        port = decoy.port
    with pytest.raises(OSError, match="Connect"):
        await ATTACKS[name].client(SOURCE, "127.0.0.1", port)


@pytest.mark.parametrize("name", ["http-exploit", "redis-takeover", "telnet-login", "ssh-login"])
async def test_no_client_leaves_loopback(name: str) -> None:
    with pytest.raises(PropolisError, match="loopback only"):
        await ATTACKS[name].client(SOURCE, "192.0.2.1", 80)
    async with attacked() as decoy:
        with pytest.raises(PropolisError, match="loopback only"):
            await ATTACKS[name].client("192.0.2.1", "127.0.0.1", decoy.port)
        assert decoy.sources == []


def test_every_attack_is_for_a_lure() -> None:
    assert {attack.lure for attack in ATTACKS.values()} <= Config().lures.keys()
    assert all(name == attack.name for name, attack in ATTACKS.items())
