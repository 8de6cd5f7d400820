"""A front looks like its product: whoever records it finds what was recorded of the product."""

import asyncio
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from handshake import HTTP, front_of
from hive import config_of, free_port, is_listening, rows_of, running, say, until
from propolis.clock import ManualClock, SystemClock
from propolis.config import Config
from propolis.errors import ConfigError
from propolis.events import unpack
from propolis.events.hello import Hello, Listener, ja3, ja4
from propolis.lures.catalogue import CATALOGUE
from propolis.machine.host import host_of
from propolis.sensors import conversation, worker
from propolis.sensors.flaws import Flaws
from propolis.sensors.tls import front, load
from propolis.sensors.tls.record import client, profile_of
from propolis.stream import EmbeddedServer, Stream

NOW = ManualClock().now()


def test_protocols_are_those_that_product_and_lure_share() -> None:
    assert front_of().protocols == HTTP
    assert front_of("debian12", ("h2", "http/1.1")).protocols == ("h2", "http/1.1")
    assert front_of("debian12", ()).protocols == ()
    assert front_of("apache").protocols == ("http/1.1",)


def test_only_a_lure_that_reads_clear_text_hears_it() -> None:
    assert front_of().hears_clear
    assert not front_of("debian12", ()).hears_clear
    assert front_of("lighttpd").hears_clear


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "tls_snakeoil.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"tls_snakeoil.pem.*remove it"):
        front(load("debian12"), tmp_path, "web01", (), NOW)


# --- a running sensor, and real programs -------------------------------------------------------------------------

Sensor = Callable[..., AbstractAsyncContextManager[Config]]


@pytest.fixture
def behind_tls(tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Sensor:
    """``behind_tls()``: a web server (nginx unless another is named) and a lure that only listens, both behind TLS."""

    @asynccontextmanager
    async def start(settings: str = "", played: str = "nginx") -> AsyncIterator[Config]:
        monkeypatch.setattr(Flaws, "server", lambda *_: played)
        lures = "".join(
            f'[lures.{name}]\ntls_ports = [{free_port()}]\naddresses = ["127.0.0.1"]\n'
            for name in ("http", "tcp")
        )
        config = config_of(tmp_path, server, f'[sensors]\nname = "edge"\n{settings}\n{lures}')
        async with running(worker.run(config, 0, SystemClock(), CATALOGUE)) as tasks:
            await until(lambda: tasks[0].done() or is_listening(port_of(config, "tcp")))
            if tasks[0].done():
                tasks[0].result()
            yield config

    return start


def port_of(config: Config, lure: str = "http") -> int:
    return config.lures[lure].tls_ports[0]


async def run(*command: str, stdin: bytes = b"") -> str:
    """What a real program says."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(stdin), 60)
    return said.decode("latin-1")


async def test_a_request_inside_tls_is_told_with_the_hello_before_it(
    behind_tls: Sensor, stream: Stream
) -> None:
    async with behind_tls() as config:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            port_of(config),
            ssl=client(highest=ssl.TLSVersion.TLSv1_3),
            server_hostname="shop.example",
        )
        writer.write(b"GET /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\nServer: nginx/1.22.1\r\n")
        await until(lambda: rows_of(stream, "RequestReceived"))
        rows = [row for row in await rows_of(stream) if row["kind"] in {"TlsOffered", "RequestReceived"}]
    offered, request = rows
    assert (offered["kind"], offered["sni"]) == ("TlsOffered", "shop.example")
    heard = Listener().hear(offered["payload"])
    assert isinstance(heard, Hello)
    assert (ja4(heard), ja3(heard)) == (offered["ja4"], offered["ja3"])
    assert request["connection"] == offered["connection"]
    assert request["target_port"] == port_of(config)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # old versions are asked for
@pytest.mark.parametrize("played", ["nginx", "apache", "lighttpd", "tomcat", "jetty", "express", "python"])
async def test_whoever_records_the_sensor_finds_the_product(behind_tls: Sensor, played: str) -> None:
    recorded = load(played)
    async with behind_tls(played=played) as config:
        found = await asyncio.to_thread(profile_of, port_of(config), recorded.product, recorded.certificate)
    assert msgspec.structs.replace(found, recorded=recorded.recorded) == recorded


async def test_clear_text_is_answered_in_clear_text(behind_tls: Sensor, stream: Stream) -> None:
    async with behind_tls() as config:
        answer = await say(port_of(config), b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"The plain HTTP request was sent to HTTPS port" in answer
        assert await say(port_of(config, "tcp"), b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        await until(lambda: rows_of(stream, "RequestReceived"))
        reasons = [row["reason"] for row in await rows_of(stream, "Malformed")]
    assert sorted(reasons) == ["TLS: record type 71", "no TLS"]


async def test_a_handshake_has_its_time(
    behind_tls: Sensor, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closed() -> bool:
        return len(await rows_of(stream, "ConnectionClosed")) > 1  # another one asked whether it listens

    monkeypatch.setattr(conversation, "HANDSHAKE_SECONDS", 0.2)
    async with behind_tls() as config:
        assert await say(port_of(config), b"\x16\x03\x01") == b""
        await until(closed)
        reasons = {row["reason"] for row in await rows_of(stream, "ConnectionClosed")}
    assert "tls handshake" in reasons


async def test_a_proxy_s_header_comes_before_the_hello(behind_tls: Sensor, stream: Stream) -> None:
    async with behind_tls('proxies = ["127.0.0.0/8"]') as config:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(config))
        writer.write(b"PROXY TCP4 198.18.0.9 10.0.0.1 40000 443\r\n")
        await writer.drain()
        await writer.start_tls(client(highest=ssl.TLSVersion.TLSv1_3))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await until(lambda: rows_of(stream, "TlsOffered"))
        (row,) = await rows_of(stream, "TlsOffered")
    assert unpack(row["source_ip"]) == "198.18.0.9"


@pytest.mark.root
async def test_openssl_reads_an_answer_and_is_not_renegotiated_with(behind_tls: Sensor) -> None:
    async with behind_tls() as config:
        place = ("-connect", f"127.0.0.1:{port_of(config)}")
        said = await run(
            "openssl", "s_client", *place, "-quiet", "-servername", "a.example", "-ign_eof",
            stdin=b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )  # fmt: skip
        assert "Welcome to nginx!" in said
        again = await run("openssl", "s_client", *place, "-tls1_2", stdin=b"R\nGET / HTTP/1.0\r\n\r\n")
        assert "no renegotiation" in again
        old = await run("openssl", "s_client", *place, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in old


@pytest.mark.root
async def test_curl_takes_the_page(behind_tls: Sensor) -> None:
    async with behind_tls() as config:
        url = f"https://127.0.0.1:{port_of(config)}/"
        said = await run("curl", "-sk", "--http1.1", "--include", url, url)
        assert said.count("HTTP/1.1 200 OK") == 2
        said = await run("curl", "-sk", "--http2", "--include", url, url)
        assert said.count("HTTP/2 200") == 2
        assert "self-signed certificate" in await run("curl", "-sS", url)


@pytest.mark.root
async def test_nmap_sees_a_debian_web_server(behind_tls: Sensor) -> None:
    async with behind_tls() as config:
        scripts = "ssl-enum-ciphers,ssl-cert,tls-alpn,http-server-header"
        port = str(port_of(config))
        said = await run("nmap", "-Pn", "-sV", "-p", port, "--script", scripts, "127.0.0.1")
    assert "ssl/http nginx 1.22.1" in said
    assert "cipher preference: server" in said
    assert "TLSv1.2" in said
    assert "TLSv1.1" not in said
    assert "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA (rsa 2048)" in said
    assert "Public Key bits: 2048" in said
    name = host_of(worker._seed(config.state / "keys" / "edge", 0)).name
    assert f"Subject: commonName={name}" in said
    assert f"Subject Alternative Name: DNS:{name}" in said
