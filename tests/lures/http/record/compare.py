"""Ask a real server and our lure of it the same, and tell where they differ."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from shutil import which

import pytest

from lures.http.probes import PROBES
from lures.serve import Heard, visit
from propolis.clock import SECOND, ManualClock
from propolis.lures.http import HttpLure
from propolis.lures.http.record.recipe import Recipe
from propolis.lures.http.record.server import ask
from propolis.lures.http.server import load

NOW = 1_795_000_000 * SECOND
NAME_BYTES = 60
MASKS = (
    (re.compile(rb"(Date|Last-Modified): [^\r]*"), rb"\1: -"),
    (re.compile(rb'ETag: (W/)?"(?!c-|8-)[^"]*?(-gzip)?"'), rb'ETag: "-\2"'),
    (re.compile(rb"(?<=Server at 127\.0\.)0\.1 "), b"1.1 "),
)


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where this Debian program or file is not installed."""
    is_there = Path(program).exists() or which(program) is not None
    return pytest.mark.skipif(not is_there, reason=f"Debian's {program} is not installed")


def name(parts: Sequence[bytes]) -> bytes:
    """What a probe is called in a list of those that are not held equal."""
    return b"|".join(parts)[:NAME_BYTES]


def masked(reply: bytes) -> bytes:
    for pattern, mark in MASKS:
        reply = pattern.sub(mark, reply)
    return re.sub(rb"Allow: ([^\r]*)", _sorted, reply)


def _sorted(found: re.Match[bytes]) -> bytes:
    # Apache and Tomcat shuffle the methods at every start
    return b"Allow: " + b",".join(sorted(re.split(rb", ?", found[1])))


def different(
    server: str, make: Callable[[], Recipe], *, at_once: int = 16
) -> dict[bytes, tuple[bytes, bytes]]:
    """The probes that the running server and our lure of it answer differently, with both answers."""
    recipe = make()
    with recipe.run() as port, ThreadPoolExecutor(at_once) as pool:
        real = list(pool.map(lambda parts: ask(port, *parts), PROBES))
    installed, ours = recipe.persona.product.encode(), load(server).product.encode()
    return {
        name(parts): (theirs, said)
        for parts, (reply, closed) in zip(PROBES, real, strict=True)
        for theirs, said, hung_up in (
            _pair(server, port, parts, reply.replace(installed, ours) if ours else reply),
        )
        if hung_up != closed or not _is_same(server, theirs, said)
    }


def _is_same(server: str, theirs: bytes, ours: bytes) -> bool:
    if server == "tomcat" and not theirs.startswith(b"HTTP/"):
        # whether a head goes before what it cannot parse depends on the connection that its processor served before
        ours = ours.partition(b"\r\n\r\n")[2]
    return theirs == ours


def _pair(server: str, port: int, parts: tuple[bytes, ...], reply: bytes) -> tuple[bytes, bytes, bool]:
    heard = Heard(HttpLure(visit(persona=server, port=port, clock=ManualClock(NOW)))).feed(*parts)
    return masked(reply), masked(heard.sent), heard.hung_up


def held(server: str, make: Callable[[], Recipe], not_held: Sequence[bytes], *, at_once: int = 16) -> None:
    """Fails with both answers to the first probe that must be answered alike and is not."""
    found = different(server, make, at_once=at_once)
    strangers = {probe: pair for probe, pair in found.items() if probe not in not_held}
    assert not strangers, next(iter(strangers.items()))


held_by_few = partial(held, at_once=4)
"""For servers that queue no more than a handful of connections."""
