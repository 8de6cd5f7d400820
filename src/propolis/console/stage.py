"""The console as a stage: the board fed from the stream, and page, API and metrics served from it."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from propolis.clock import Clock
from propolis.config import Config, host_port
from propolis.console import metrics, page
from propolis.console.api import Api
from propolis.console.board import Board
from propolis.console.console import Console
from propolis.console.gate import Gate
from propolis.console.known import Known
from propolis.console.login import Login
from propolis.console.password import api_token
from propolis.console.rulebook import KnownRules
from propolis.console.session import Attempts, Sessions
from propolis.errors import ConfigError
from propolis.notes import StageStarted, tell
from propolis.stream import Pulse, Stream, address_of, connect

MAX_CONNECTIONS = 256
MAX_MESSAGE_BYTES = 1_000_000
"""Of one WebSocket message from a browser."""
KEEP_ALIVE_SECONDS = 30
GOODBYE_SECONDS = 2
BACKLOG = 128


class Server(uvicorn.Server):
    """uvicorn that says when it is up, and leaves the signals to whoever runs this stage."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell."""
        await super().startup(sockets)
        tell(StageStarted(stage="console", detail=f"http://{self.config.host}:{self.config.port}"))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def run(config: Config, clock: Clock) -> None:
    """Serve, until cancelled.

    Raises :class:`~propolis.errors.ConfigError` when ``console.listen`` cannot be had.
    """
    token = api_token(config.state)
    address = address_of(config)
    stream = await connect(address.url, "console", credential=address.credential)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        console = Console(
            config=config,
            clock=clock,
            stream=stream,
            board=Board(clock, config.stream.max_age_seconds),
            known=Known(config, stream, clock),
            rules=KnownRules(config, stream, clock),
            sessions=Sessions(clock, secrets.token_urlsafe),
            attempts=Attempts(),
        )
        app = routes(console)
        page.mount(app, console)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        pulse = _pulse(console, stream)
        for work in (console.board.follow(stream), pulse.run()):
            tasks.create_task(work)
        await serve(config, gated(console, app, token))


def routes(console: Console) -> Starlette:
    """Everything but the page itself, which lives once in a process: :func:`propolis.console.page.mount` adds it."""
    return Starlette(
        routes=[*Login(console).routes(), Api(console).routes(), metrics.route(console.board)],
    )


def gated(console: Console, app: ASGIApp, token: str) -> Gate:
    """The console behind its gate."""
    listen, _ = _listen_at(console.config)
    return Gate(app, console.config.console, console.sessions, token, listen)


async def serve(config: Config, app: ASGIApp) -> None:
    """HTTP and WebSocket at ``console.listen`` until cancelled; then browsers have :data:`GOODBYE_SECONDS` to go."""
    host, port = _listen_at(config)
    server = Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the gate believes those proxies only that console.proxies names
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=MAX_MESSAGE_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GOODBYE_SECONDS,
            backlog=BACKLOG,
        )
    )
    serving = asyncio.ensure_future(server.serve([_listen(config, host, port)]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


def _pulse(console: Console, stream: Stream) -> Pulse:
    name = console.config.host_name
    return Pulse(
        stream,
        console.clock,
        stage="console",
        name=name,
        host=name,
        figures=lambda: {"sessions": len(console.sessions), "findings": sum(console.board.grades.values())},
    )


def _listen_at(config: Config) -> tuple[str, int]:
    return host_port(config.console.listen, config.path, "console.listen")


def _listen(config: Config, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        cure = (
            f"{host} port {port} cannot be had ({error.strerror}); stop what listens there or choose another"
        )
        raise ConfigError(config.path, "console.listen", cure) from error
    return listener
