"""What every command needs: the configuration file, a connection, who asks, and somewhere to write."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import uvloop
from rich.console import Console

from propolis.cli.settings import DEFAULT_CONFIG, ConfigPath, configured
from propolis.config import Config
from propolis.decisions import commands
from propolis.errors import PropolisError, StreamError
from propolis.stream import Stream, address_of, connect
from propolis.supervisor import running

ANSWER_SECONDS = 10.0
out = Console(soft_wrap=True)
"""Lines are left whole: a password or a path that was broken in two cannot be copied."""
err = Console(stderr=True)

T = TypeVar("T")

__all__ = [
    "DEFAULT_CONFIG",
    "ConfigPath",
    "ask",
    "configured",
    "connected",
    "err",
    "out",
    "who",
    "with_stream",
]


def who() -> str:
    """Who gives this command, for the ledger."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[Stream]:
    """A connection to the running stream. Raises :class:`StreamError` when there is none."""
    if not config.stream.url and running(config.state) is None:
        raise StreamError(
            f"nothing runs with {config.path} (state {config.state}); start it with `propolis up`"
        )
    address = address_of(config)
    stream = await connect(address.url, "command line", credential=address.credential, wait=False)
    try:
        yield stream
    finally:
        await stream.close()


def with_stream(path: Path, work: Callable[[Config, Stream], Awaitable[T]]) -> T:
    """Run ``work`` with a connection and give what it gives."""
    config = configured(path)

    async def job() -> T:
        async with connected(config) as stream:
            return await work(config, stream)

    return uvloop.run(job())


async def ask(stream: Stream, command: commands.Command) -> commands.Answer:
    """Give the decider a command. Raises :class:`PropolisError` with its reason when nothing came of it."""
    future = await stream.ask_later(commands.SUBJECT, commands.encode(command))
    try:
        message = await asyncio.wait_for(future, ANSWER_SECONDS)
    except (TimeoutError, StreamError) as error:
        raise StreamError("no decider answers; is `propolis decide` (or `propolis up`) running?") from error
    answer = commands.decode_answer(message.data)
    if answer.error:
        raise PropolisError(answer.error)
    return answer
