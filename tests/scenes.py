"""A sensor, a visitor and a request, for tests of what is answered."""

import random
from typing import Any

from propolis.events.canary import Mint
from propolis.flaws.request import Request
from propolis.flaws.scene import Scene, Scope, scene
from propolis.flaws.session import Session

MINT = Mint(b"k" * 32)
NOW = 1_700_000_000_000_000_000
SOURCE = "203.0.113.9"


def a_scene(**changes: Any) -> Scene:
    facts: dict[str, Any] = {
        "server": "nginx",
        "ip": "198.51.100.1",
        "source_ip": SOURCE,
        "now": NOW,
        "chance": random.Random(1),
        "mint": MINT,
    }
    facts.update(changes)
    return scene(facts.pop("seed", b"seed"), **facts)


def a_scope(
    request: bytes = b"GET /?id=7 HTTP/1.1\r\nHost: h.example\r\nX-Y: hy\r\n\r\n", **values: bytes
) -> Scope:
    return Scope("a-flaw", Request.parse(request), a_scene(), values, Session())
