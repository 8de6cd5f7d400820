"""A stream and one sensor in a process of their own, for tests that put them into a network namespace.

``python decoy.py FOLDER PORT``: an HTTP decoy on all addresses; says ``ready``, and at every line of input how many
requests are stored and how many sources were seen.
"""

import asyncio
import json
import sys
from pathlib import Path

from hive import config_of, connected, is_listening, rows_of, running, serving, until
from propolis.clock import SystemClock
from propolis.events import unpack
from propolis.lures.catalogue import CATALOGUE
from propolis.sensors import worker


async def main(folder: Path, port: int) -> None:
    """Serve until the input ends."""
    async with serving(folder / "stream") as server, connected(server) as stream:
        config = config_of(folder, server, f'[lures.http]\nports = [{port}]\naddresses = ["0.0.0.0"]\n')
        async with running(worker.run(config, 0, SystemClock(), CATALOGUE)):
            await until(lambda: is_listening(port))
            answer("ready")
            while await asyncio.to_thread(sys.stdin.readline):
                rows = await rows_of(stream)
                requests = sum(row["kind"] == "RequestReceived" for row in rows)
                answer(
                    json.dumps(
                        {"requests": requests, "sources": sorted({unpack(row["source_ip"]) for row in rows})}
                    )
                )


def answer(text: str) -> None:
    """One line of output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
