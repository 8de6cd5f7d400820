"""nats-py without aiohttp.

It loads that for websocket links, which are never used here, and it costs every process of ours 11 MB and half a
second. Imported before anything else of nats-py; a process that needs aiohttp still gets it.
"""

from propolis.memory import load_without

load_without("aiohttp", "nats.aio.transport")

from nats.aio.msg import Msg  # noqa: E402 - it has to come behind

__all__ = ["Msg"]
