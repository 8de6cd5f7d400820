"""What a sensor worker knows of flaws: the catalogue, what each source was told, who each port pretends to be.

It is the :class:`~propolis.lures.lure.Knowledge` that lures are given.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.events.canary import Mint
from propolis.flaws.cast import Cast
from propolis.flaws.follow import Follower, canary_key
from propolis.flaws.index import Catalogue
from propolis.flaws.session import Sessions
from propolis.flaws.shelf import Live
from propolis.flaws.standing import Played, Standing, most_hit
from propolis.stream import Stream

MAX_PUSHED_PRODUCTS = 8
"""Products that are played because a lure of theirs was pushed: those of the newest pushes."""
MAX_UNCOUNTED = 1_000
"""Different sets of flaws that requests went for, until they are counted by flaw."""
MAX_COUNTED = 20_000
"""Lures whose hits are counted."""


class _Scene(msgspec.Struct, frozen=True):
    """What is played until ``ends`` (UTC nanoseconds) or a new catalogue: the cast, and what was pushed lately."""

    catalogue: Catalogue
    ends: int
    cast: Cast
    pushed: dict[str, frozenset[int]]
    ports: dict[int, frozenset[str]]


class Flaws:
    """``seed`` is the sensor's own secret: two sensors do not play alike, and they do not change on the same day.

    ``ports`` are those that are told of in the heartbeat. Make one with :func:`open_flaws`.
    """

    def __init__(
        self,
        config: Config,
        follower: Follower,
        *,
        mint: Mint,
        seed: bytes,
        clock: Clock,
        ports: Sequence[int],
    ) -> None:
        self._pinned = config.flaws.products
        self._epoch = max(1, int(config.flaws.rotate_seconds * SECOND))
        self._offset = int.from_bytes(seed[:8], "big") % self._epoch
        self._seed = seed
        self._clock = clock
        self._ports = ports
        self._hits: Counter[str] = Counter()
        self._uncounted: Counter[tuple[str, ...]] = Counter()
        self._follower = follower
        self._scene = self._set(clock.now())
        self.sessions = Sessions()
        self.mint = mint

    @property
    def catalogue(self) -> Catalogue:
        """Every flaw that is recognised."""
        return self._follower.catalogue

    def plays(self, port: int) -> frozenset[str]:
        """The products that answer on this port: the cast's, and those of which a lure was pushed lately."""
        scene = self._current()
        played = scene.ports.get(port)
        if played is None:
            pushed = (name for name, ports in scene.pushed.items() if not ports or port in ports)
            played = scene.ports[port] = scene.cast.plays(port) | frozenset(pushed)
        return played

    def server(self, port: int) -> str:
        """The web server that this port pretends to be."""
        return self._current().cast.server(port)

    def recognised(self, flaws: tuple[str, ...]) -> None:
        """Count a request that goes for these flaws."""
        self._uncounted[flaws] += 1
        if len(self._uncounted) >= MAX_UNCOUNTED:
            self._count()

    def _count(self) -> None:
        """Requests counted so far, as hits of each flaw."""
        for flaws, times in self._uncounted.items():
            for flaw in flaws:
                if flaw in self._hits or len(self._hits) < MAX_COUNTED:
                    self._hits[flaw] += times
        self._uncounted.clear()

    def standing(self) -> Standing:
        """For the heartbeat."""
        self._count()
        scene = self._current()
        cast = tuple(Played(port, self.server(port), tuple(sorted(self.plays(port)))) for port in self._ports)
        rotates = 0 if self._pinned else scene.ends
        return msgspec.structs.replace(
            self._follower.standing(), hits=most_hit(self._hits), cast=cast, rotates=rotates
        )

    async def catch_up(self, within_seconds: float) -> None:
        """Wait, while :meth:`run` runs, until all that was pushed before is live; not for longer than that."""
        await self._follower.catch_up(within_seconds)

    async def run(self) -> None:
        """Follow what is pushed until cancelled."""
        await self._follower.run()

    def _current(self) -> _Scene:
        now = self._clock.now()
        if self._scene.catalogue is not self._follower.catalogue or now >= self._scene.ends:
            self._scene = self._set(now)
        return self._scene

    def _set(self, now: int) -> _Scene:
        """Draw what is played at this time."""
        epoch = (now + self._offset) // self._epoch
        catalogue = self._follower.catalogue
        return _Scene(
            catalogue=catalogue,
            ends=(epoch + 1) * self._epoch - self._offset,
            cast=Cast(catalogue, self._seed, epoch, pinned=self._pinned),
            pushed=pushed_products(self._follower.live.values()),
            ports={},
        )


async def open_flaws(
    config: Config,
    stream: Stream,
    clock: Clock,
    seed: bytes,
    *,
    ports: Iterable[int],
    on_change: Callable[[], None] = lambda: None,
) -> Flaws:
    """Read the lure files and fetch the installation's canary key; raises as :meth:`Follower.open`.

    ``on_change`` is called whenever lures went live or were refused.
    """
    follower = Follower(config, stream, on_change=on_change)
    await follower.open()
    mint = Mint(await canary_key(stream))
    return Flaws(config, follower, mint=mint, seed=seed, clock=clock, ports=tuple(ports))


def pushed_products(lures: Iterable[Live]) -> dict[str, frozenset[int]]:
    """The products of the newest pushed lures, with the ports where they are found (none: any)."""
    newest = sorted((lure for lure in lures if lure.origin == "pushed"), key=lambda lure: -lure.made)
    products: dict[str, frozenset[int]] = {}
    for lure in newest:
        flaw, ports = lure.flaw, frozenset(lure.flaw.ports)
        known = products.get(flaw.product)
        if known is not None:
            products[flaw.product] = known | ports if known and ports else frozenset()
        elif len(products) < MAX_PUSHED_PRODUCTS:
            products[flaw.product] = ports
    return products
