"""Who a sensor pretends to be: on each port one web server, and a few products that are believed on it.

A host that answers to every product at once is no host, and nor is one that is a Windows server at one port and a
router at the next: all ports of a sensor are of one kind. The cast is drawn from the sensor's seed and changes with the
epoch; it is the same for the same seed, epoch and catalogue. Choices are made by rendezvous hashing (Thaler and
Ravishankar, 1998), so a new lure changes the cast only where it wins a place.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from propolis.flaws.file import Flaw
from propolis.flaws.index import Catalogue

MAX_PRODUCTS = 3
"""Products on one port."""
Kind: TypeAlias = Literal["unix", "windows", "device"]
"""What a host is."""
KINDS: tuple[Kind, ...] = ("unix", "unix", "unix", "unix", "device", "device", "device", "windows")
"""One of these is drawn: nearly what answers on the internet."""
_SERVERS: dict[str, frozenset[Kind]] = {
    "iis": frozenset({"windows"}),
    "tomcat": frozenset({"unix", "windows"}),
    "lighttpd": frozenset({"unix", "device"}),
    **dict.fromkeys(("boa", "busybox", "goahead", "mini_httpd"), frozenset[Kind]({"device"})),
}
"""On which kinds of host a server is found; one that is not named here, on Unix."""
SERVERS = ("nginx", "apache")
"""What stands in front of a product that goes with any server, on Unix."""
_PLAIN: dict[Kind, tuple[str, ...]] = {"windows": ("iis",), "device": ("lighttpd", "mini_httpd", "goahead")}
"""What a host of another kind has where it has no product."""


class Product(msgspec.Struct, frozen=True):
    """What the catalogue knows of a product: its server, empty for any, and its ports, none for any HTTP port."""

    name: str
    server: str
    ports: frozenset[int]

    @property
    def kinds(self) -> frozenset[Kind]:
        """The hosts it is found on."""
        return _SERVERS.get(self.server, frozenset({"unix"}))


class _Part(msgspec.Struct, frozen=True):
    """What is played on one port."""

    server: str
    products: frozenset[str]


class Cast:
    """The parts of one sensor.

    ``pinned`` products are played on every port, whatever their number and ports, and then no others are.
    ``servers`` are those that a product without a server of its own may stand behind. ``kind`` is what the host is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        seed: bytes,
        epoch: int,
        *,
        pinned: Collection[str] = (),
        servers: Sequence[str] = SERVERS,
    ) -> None:
        self._products = products(catalogue.flaws.values())
        self._draw = hashlib.blake2b(b"%d" % epoch, key=hashlib.blake2b(seed).digest()).digest()
        self._pinned = frozenset(pinned)
        self.kind: Kind = "unix" if pinned else KINDS[self._draw[0] % len(KINDS)]
        self._servers = _PLAIN.get(self.kind, tuple(servers))
        self._parts: dict[int, _Part] = {}

    def plays(self, port: int) -> frozenset[str]:
        """The products on a port; only their lures answer there."""
        return self._part(port).products

    def server(self, port: int) -> str:
        """The server persona on a port."""
        return self._part(port).server

    def _part(self, port: int) -> _Part:
        part = self._parts.get(port)
        if part is None:
            part = self._parts[port] = self._pinned_part(port) if self._pinned else self._drawn_part(port)
        return part

    def _pinned_part(self, port: int) -> _Part:
        known = [product for product in self._products if product.name in self._pinned]
        servers = Counter(product.server for product in known if product.server)
        server = max(servers, key=lambda name: (servers[name], name), default="")
        return _Part(server or self._any_server(port), self._pinned)

    def _drawn_part(self, port: int) -> _Part:
        fitting = self._fitting(port)
        # a product that is found on this very port is likelier there than one that can be anywhere
        ranked = sorted(fitting, key=lambda product: (not product.ports, self._rank(port, product.name)))
        if not ranked:
            return _Part(self._any_server(port), frozenset())
        server = ranked[0].server or self._any_server(port)
        together = [product.name for product in ranked if product.server in ("", server)]
        return _Part(server, frozenset(together[:MAX_PRODUCTS]))

    def _fitting(self, port: int) -> list[Product]:
        """The products of this kind of host that a port may have; a port that only others live on is theirs."""
        fitting = [product for product in self._products if not product.ports or port in product.ports]
        alike = [product for product in fitting if self.kind in product.kinds]
        living = [product for product in fitting if product.ports]
        if living and not any(product.ports for product in alike):
            return living
        return alike or fitting

    def _any_server(self, port: int) -> str:
        return min(self._servers, key=lambda name: self._rank(port, name), default="")

    def _rank(self, port: int, name: str) -> bytes:
        return hashlib.blake2b(b"%d %s" % (port, name.encode()), key=self._draw, digest_size=8).digest()


def products(flaws: Iterable[Flaw]) -> tuple[Product, ...]:
    """The products that flaws are of, by name: the server most of them name, and every port any of them names."""
    by_name: dict[str, list[Flaw]] = {}
    for flaw in flaws:
        by_name.setdefault(flaw.product, []).append(flaw)
    return tuple(_product(name, known) for name, known in sorted(by_name.items()))


def _product(name: str, flaws: Sequence[Flaw]) -> Product:
    servers = Counter(flaw.server for flaw in flaws if flaw.server)
    server = max(servers, key=lambda each: (servers[each], each), default="")
    is_anywhere = any(not flaw.ports for flaw in flaws)
    ports = frozenset[int]() if is_anywhere else frozenset(port for flaw in flaws for port in flaw.ports)
    return Product(name, server, ports)
