import asyncio
import contextlib
import ipaddress
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive import config_of, free_port, is_listening, rows_of, running, say, until
from propolis.clock import SECOND, SystemClock
from propolis.config import Config
from propolis.events import CommandRun, unpack
from propolis.lures import Effect, Emit, Hangup, Reply, Visit
from propolis.sensors import worker
from propolis.sensors.conversation import ConnectionIds, _is_in
from propolis.sensors.proxy import V2_SIGNATURE
from propolis.stream import EmbeddedServer, Stream

Sensor = Callable[..., AbstractAsyncContextManager[Config]]
GET = b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Parrot:
    """Says what it is told: a line is a number of seconds to wait, a word to report, or how to end."""

    name: ClassVar[str] = "tcp"

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def connected(self) -> Iterable[Effect]:
        return [Reply(f"{self._visit.source_ip} {self._visit.source_port}\n".encode())]

    def receive(self, data: bytes) -> Iterable[Effect]:
        word, _, number = data.decode().strip().partition(" ")
        match word:
            case "wait":
                return [Reply(b"later\n", float(number)), Reply(b"after\n")]
            case "end":
                return [Reply(b"bye\n"), Hangup(float(number or 0)), Reply(b"never\n")]
            case "endlessly":
                return [Reply(bytes(int(number)))]
            case "later":
                loop = asyncio.get_running_loop()
                loop.call_later(0.05, self._visit.later, [Emit(CommandRun("later")), Reply(b"thought\n")])
                return []
            case _:
                return [Emit(CommandRun(word)), Reply(b"ok\n")]

    def closed(self) -> Iterable[Effect]:
        return [Emit(CommandRun("closed")), Reply(b"to nobody")]


@pytest.fixture
def parrot(tmp_path: Path, server: EmbeddedServer) -> Sensor:
    @asynccontextmanager
    async def start(settings: str = "") -> AsyncIterator[Config]:
        text = f'[sensors]\nname = "edge"\n{settings}\n[lures.tcp]\nports = [{free_port()}]\n'
        text += 'addresses = ["127.0.0.1"]\n'
        config = config_of(tmp_path, server, text)
        async with running(worker.run(config, 0, SystemClock(), [Parrot])):
            await until(lambda: is_listening(config.lures["tcp"].ports[0]))
            yield config

    return start


def port_of(config: Config, lure: str = "tcp") -> int:
    return config.lures[lure].ports[0]


async def closings(stream: Stream) -> list[str]:
    return [row["reason"] for row in await rows_of(stream, "ConnectionClosed")]


async def test_a_visit_is_what_was_said(sensor: Sensor, stream: Stream) -> None:
    async def said() -> list[dict[str, Any]]:
        return [row for row in await rows_of(stream) if unpack(row["source_ip"]) == "127.7.7.7"]

    async with sensor() as config:
        answer = await say(port_of(config, "http"), GET % b"secret", source="127.7.7.7")
        assert answer.startswith(b"HTTP/1.")
        await until(said)
        await asyncio.sleep(0.3)  # an ordinary end is no news
    (request,) = await said()
    assert request["kind"] == "RequestReceived"
    assert request["payload"] == GET % b"secret"
    assert (request["sensor"], request["lure"], request["target_port"]) == (
        "edge",
        "http",
        port_of(config, "http"),
    )
    assert request["opened"] <= request["time"]


async def test_an_end_that_says_more_is_reported(sensor: Sensor, stream: Stream) -> None:
    async with sensor() as config:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(config, "http"), local_addr=("127.7.7.9", 0)
        )
        writer.close()

        async def closed() -> list[dict[str, Any]]:
            rows = await rows_of(stream, "ConnectionClosed")
            return [row for row in rows if unpack(row["source_ip"]) == "127.7.7.9"]

        await until(closed)
        (row,) = await closed()
    assert (row["bytes_in"], row["bytes_out"], row["reason"]) == (0, 0, "peer")
    assert 0 < row["duration"] < 30 * SECOND
    assert row["opened"] <= row["time"]


async def test_effects_are_carried_out_in_their_order(parrot: Sensor, stream: Stream) -> None:
    async with parrot() as config:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(config), local_addr=("127.7.7.8", 0)
        )
        assert (await reader.readline()).startswith(b"127.7.7.8 ")
        for line, answers in (
            (b"hello", [b"ok\n"]),
            (b"wait 0.1", [b"later\n", b"after\n"]),
            (b"later", [b"thought\n"]),
        ):
            writer.write(line)
            assert [await reader.readline() for _ in answers] == answers
        writer.write(b"end 0.05")
        assert await reader.read() == b"bye\n"
        writer.close()

        async def reported() -> list[str]:
            rows = await rows_of(stream, "CommandRun")
            return [row["command"] for row in rows if unpack(row["source_ip"]) == "127.7.7.8"]

        async def is_over() -> bool:
            return "closed" in await reported()

        await until(is_over)
        assert await reported() == ["hello", "later", "closed"]


async def _has(stream: Stream, reason: str) -> bool:
    return reason in await closings(stream)


async def test_a_silent_visitor_is_sent_away(parrot: Sensor, stream: Stream) -> None:
    async with parrot("idle_seconds = 3") as config:
        assert b"127.0.0.1" in await say(port_of(config), b"")
        await until(lambda: _has(stream, "idle_seconds"))
        assert len(await rows_of(stream, "ConnectionOpened")) == 1


async def test_a_slow_loris_is_too(sensor: Sensor, stream: Stream, told: list[Any]) -> None:
    """A byte now and then keeps nobody in for ever."""
    async with sensor("idle_seconds = 30\nmax_seconds = 2") as config:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(config, "http"))
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                for byte in b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 1_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
        writer.close()
        await until(lambda: _has(stream, "max_seconds"))
    assert "sensors.max_seconds" in {note.get("limit") for note in told}
    assert reader


async def test_who_sends_without_end_is_cut_off(sensor: Sensor, stream: Stream, told: list[Any]) -> None:
    async with sensor("max_bytes_in = 50000") as config:
        await say(
            port_of(config, "http"),
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + bytes(200_000),
        )
        await until(lambda: _has(stream, "max_bytes_in"))
    assert "sensors.max_bytes_in" in {note.get("limit") for note in told}


async def test_who_does_not_read_is_cut_off(parrot: Sensor, stream: Stream, told: list[Any]) -> None:
    async with parrot() as config:
        with socket.create_connection(("127.0.0.1", port_of(config))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.sendall(b"endlessly 30000000")
            await until(lambda: _has(stream, "does not read"))
    assert "unsent bytes" in {note.get("limit") for note in told}


async def test_one_source_has_only_so_many_connections(parrot: Sensor, told: list[Any]) -> None:
    async with parrot("max_connections_per_source = 3") as config:
        kept = [
            await asyncio.open_connection("127.0.0.1", port_of(config), local_addr=("127.5.5.5", 0))
            for _ in range(3)
        ]
        for reader, _ in kept:
            assert await reader.readline()
        assert await say(port_of(config), b"hello", source="127.5.5.5") == b""
        assert b"ok" in await say(port_of(config), b"hello", source="127.5.5.6", wait_seconds=0.5)
        kept[0][1].close()
        await kept[0][1].wait_closed()

        async def has_room() -> bool:
            return b"ok" in await say(port_of(config), b"hello", source="127.5.5.5", wait_seconds=0.5)

        await until(has_room)
        for _, writer in kept:
            writer.close()
    assert "sensors.max_connections_per_source" in {note.get("limit") for note in told}


async def test_the_longest_idle_makes_room(parrot: Sensor, stream: Stream, told: list[Any]) -> None:
    async with parrot("max_connections = 3") as config:
        links = []
        for number in range(5):
            link = await asyncio.open_connection(
                "127.0.0.1", port_of(config), local_addr=(f"127.6.0.{number + 1}", 0)
            )
            assert await link[0].readline()
            links.append(link)
        assert await links[0][0].read() == b""
        assert await links[1][0].read() == b""
        links[4][1].write(b"hello")
        assert await links[4][0].readline() == b"ok\n"
        for _, writer in links:
            writer.close()
        await until(lambda: _has(stream, "max_connections"))
    assert "sensors.max_connections" in {note.get("limit") for note in told}


async def test_a_half_closed_client_is_still_answered(sensor: Sensor) -> None:
    async with sensor() as config:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(config, "http"))
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.")
        writer.close()


async def test_a_proxy_s_word_is_taken_for_the_source(parrot: Sensor, stream: Stream) -> None:
    async with parrot('proxies = ["127.9.0.0/16"]') as config:
        body = ipaddress.ip_address("198.18.2.2").packed + ipaddress.ip_address("192.0.2.9").packed
        headers = (
            b"PROXY TCP4 198.18.1.1 192.0.2.9 4001 22\r\n",
            V2_SIGNATURE + b"\x21\x11" + struct.pack("!H", 12) + body + struct.pack("!HH", 4002, 22),
        )
        answers = [
            await say(port_of(config), header + b"hello", source="127.9.1.1", wait_seconds=0.5)
            for header in headers
        ]
        assert answers == [b"198.18.1.1 4001\nok\n", b"198.18.2.2 4002\nok\n"]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(config), local_addr=("127.9.1.1", 0)
        )
        for byte in headers[0] + b"hello":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await reader.readline() == b"198.18.1.1 4001\n"
        assert (await reader.readline()).startswith(b"ok")
        writer.close()

        async def are_all_seen() -> bool:
            return len(await rows_of(stream, "CommandRun")) >= len(headers)

        await until(are_all_seen)
        seen = {
            (unpack(row["source_ip"]), row["source_port"], row["target_port"])
            for row in await rows_of(stream, "CommandRun")
        }
        assert {("198.18.1.1", 4001, 22), ("198.18.2.2", 4002, 22)} <= seen


async def test_nobody_else_s_word_is(parrot: Sensor) -> None:
    async with parrot('proxies = ["127.9.0.0/16"]') as config:
        answer = await say(
            port_of(config),
            b"PROXY TCP4 198.18.1.1 192.0.2.9 4001 22\r\n",
            source="127.8.1.1",
            wait_seconds=0.5,
        )
        assert answer.startswith(b"127.8.1.1 ")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY UNKNOWN\r\n",
        V2_SIGNATURE + b"\x20\x00\0\0",
        V2_SIGNATURE + b"\x21\x11\xff\xff" + bytes(5_000),
        b"\xff" * 5_000,
    ],
)
async def test_a_proxy_without_a_header_is_sent_away(parrot: Sensor, stream: Stream, data: bytes) -> None:
    async with parrot('proxies = ["127.0.0.0/8"]') as config:
        assert await say(port_of(config), data) == b""
        assert await rows_of(stream) == []


async def test_a_proxy_that_says_nothing_is_not_waited_for(
    parrot: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("propolis.sensors.conversation.PROXY_SECONDS", 0.2)
    async with parrot('proxies = ["127.0.0.0/8"]') as config:
        assert await say(port_of(config), b"PROXY TCP4 ") == b""


@pytest.mark.root
@pytest.mark.parametrize("sends", ["send-proxy", "send-proxy-v2"])
async def test_haproxy_in_front(parrot: Sensor, tmp_path: Path, sends: str) -> None:
    front = free_port()
    async with parrot('proxies = ["127.0.0.0/8"]') as config:
        path = tmp_path / "haproxy.cfg"
        path.write_text(
            f"global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
            f"listen front\n bind 127.0.0.1:{front}\n server decoy 127.0.0.1:{port_of(config)} {sends}\n"
        )
        haproxy = await asyncio.create_subprocess_exec(
            "haproxy", "-db", "-f", str(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await until(lambda: is_listening(front))
            answer = await say(front, b"hello", source="127.44.5.6", wait_seconds=0.7)
        finally:
            haproxy.kill()
            await haproxy.wait()
    assert answer.startswith(b"127.44.5.6 ")
    assert answer.endswith(b"ok\n")


@given(st.integers(0, 2**62))
def test_a_connection_s_id_is_a_uuid_of_version_7(now: int) -> None:
    made = ConnectionIds()(now)
    assert len(made) == 16
    assert int.from_bytes(made[:6], "big") == (now // 1_000_000) & (2**48 - 1)
    assert (made[6] >> 4, made[8] >> 6) == (7, 2)


def test_no_two_ids_are_the_same() -> None:
    new_id = ConnectionIds()
    assert len({new_id(0) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("127.9.1.1", True),
        ("127.8.1.1", False),
        ("::ffff:127.9.1.1", True),
        ("fe80::1%eth0", True),
        ("fe81::1", False),
    ],
)
def test_a_network_is_known_in_any_form(text: str, is_in: bool) -> None:  # noqa: FBT001 - what is expected
    networks = (ipaddress.ip_network("127.9.0.0/16"), ipaddress.ip_network("fe80::/16"))
    assert _is_in(text, networks) is is_in
