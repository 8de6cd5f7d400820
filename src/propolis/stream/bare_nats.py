"""nats-py without aiohttp.

It loads that for websocket links, which are never used here, and it costs every process of ours 11 MB and half a
second. Imported before anything else of nats-py; a process that needs aiohttp still gets it.
"""

import importlib
import sys

if "aiohttp" not in sys.modules:
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # None there makes an import fail, as nats-py expects it to
    importlib.import_module("nats.aio.transport")
    del sys.modules["aiohttp"]

from nats.aio.msg import Msg

__all__ = ["Msg"]
