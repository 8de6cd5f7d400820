"""A small installation in one process, for a browser: stream, decider, an enforcer that pretends, the console."""

import asyncio
import signal
import sys
from pathlib import Path

from propolis.clock import SystemClock
from propolis.config import host_port, load
from propolis.console import stage as console
from propolis.decisions import stage as decide
from propolis.enforcers import CATALOGUE
from propolis.enforcers import stage as enforce
from propolis.stream import EmbeddedServer, connect, folder, provision


async def main(path: Path) -> None:
    config, clock = load(path), SystemClock()
    server = EmbeddedServer(folder(config), host_port(config.stream.listen, path, "stream.listen"), clock)
    await server.start()
    try:
        stream = await connect(server.url, "test", credential=server.credential)
        await provision(stream, config.stream)
        await stream.close()
        enforcer = CATALOGUE["dry-run"](config.enforcers, clock, config.state)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(decide.run(config, clock))
            tasks.create_task(enforce.run(config, enforcer, clock))
            tasks.create_task(console.run(config, clock))
    finally:
        await server.stop()


async def until_told(path: Path) -> None:
    task = asyncio.ensure_future(main(path))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


if __name__ == "__main__":
    asyncio.run(until_told(Path(sys.argv[1])))
