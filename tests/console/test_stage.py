import asyncio
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from propolis.config import Config, load
from propolis.console.stage import serve
from propolis.errors import ConfigError


async def here(_: Request) -> Response:
    return PlainTextResponse("here")


APP = Starlette(routes=[Route("/", here)])


@pytest.fixture
def config(tmp_path: Path) -> Config:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = tmp_path / "propolis.toml"
    path.write_text(f'[console]\nlisten = "127.0.0.1:{port}"\n')
    return load(path)


async def ask(config: Config) -> bytes:
    host, _, port = config.console.listen.partition(":")
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer


async def test_it_serves_until_it_is_cancelled_and_leaves_the_port(config: Config) -> None:
    task = asyncio.ensure_future(serve(config, APP))
    answer = await ask(config)
    assert answer.endswith(b"here")
    assert b"server:" not in answer.lower()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(config.console.listen.rpartition(":")[2])))


async def test_a_port_that_is_taken_is_named(config: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(config.console.listen.rpartition(":")[2])))
        taken.listen()
        with pytest.raises(ConfigError, match=r"console\.listen"):
            await serve(config, APP)
