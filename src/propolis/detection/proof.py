"""Who means no harm, by proof: search engines, published research scanners and an operator's own monitoring.

A User-Agent proves nothing, so none is asked for. A search engine is proved by forward-confirmed reverse DNS: the
address has a name, the name is the engine's, and the name has that address (RFC 1912, 2.1). Only who holds the address
block can write its reverse names, and only who holds the domain its forward ones. A scanner that publishes where it
scans from, and one's own monitoring, are proved by the address alone.
"""

import asyncio
import contextlib
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from propolis.clock import SECOND, Clock

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as Asker

LOOKUP_SECONDS = 2.0
"""One question may take that long; then there is no proof."""
MAX_NAMES = 4
"""Names of one address that are followed; whoever writes his own reverse zone could write thousands."""
MAX_PROOFS = 16_384
"""Addresses whose answer is remembered; the one asked for longest ago is forgotten."""
PROVED_SECONDS = 86_400
UNPROVED_SECONDS = 600
"""How long an answer is remembered: addresses change hands."""

Kind: TypeAlias = Literal["search", "research", "own"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Operator(msgspec.Struct, frozen=True):
    """Somebody who means no harm. ``domains`` are those that names of its addresses end in, as it documents.

    ``networks`` are those that it publishes, or that are our own; ``source`` says where that stands.
    """

    name: str
    kind: Kind
    source: str
    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()


class Proof(msgspec.Struct, frozen=True):
    """Who an address is, and how that was proved: the name that was confirmed, or the network."""

    operator: str
    kind: Kind
    by: str


OPERATORS: tuple[Operator, ...] = (
    Operator(
        "Google",
        "search",
        "developers.google.com: verify requests from crawlers",
        ("googlebot.com", "google.com"),
    ),
    Operator("Bing", "search", "bing.com/webmasters: verify Bingbot", ("search.msn.com",)),
    Operator(
        "Yandex",
        "search",
        "yandex.com/support/webmaster: verify a robot",
        ("yandex.ru", "yandex.net", "yandex.com"),
    ),
    Operator("Baidu", "search", "baidu.com/search/robots", ("crawl.baidu.com", "crawl.baidu.jp")),
    Operator("Apple", "search", "support.apple.com: about Applebot", ("applebot.apple.com",)),
    Operator("Seznam", "search", "o-seznam.cz: SeznamBot", ("seznam.cz",)),
    Operator("Censys", "research", "docs.censys.com: opt out of scanning", ("censys-scanner.com",)),
    Operator("Shadowserver", "research", "shadowserver.org: scanning", ("shadowserver.org",)),
)
"""Those who document by which names their addresses are known. Research is proved and still told: it did look."""


WEIGHTS: Mapping[Kind, float] = {"search": 6.0, "research": 0.0, "own": 12.0}
"""What a proof weighs against evidence of harm (:mod:`propolis.detection.evidence`), in nats."""


class Resolver(Protocol):
    """Asks the DNS. No answer, a wrong one and one that is late are all an empty one."""

    async def names(self, address: str) -> Sequence[str]:
        """The names of an address (PTR), without a dot at the end."""
        ...

    async def addresses(self, name: str, version: int) -> Sequence[str]:
        """The addresses of a name: A for ``version`` 4, AAAA for 6."""
        ...


class Prover:
    """Proves addresses, and remembers the answers. ``operators`` are tried in order."""

    def __init__(self, resolver: Resolver, clock: Clock, operators: Sequence[Operator] = OPERATORS) -> None:
        self._resolver = resolver
        self._clock = clock
        self._operators = tuple(operators)
        self._known: OrderedDict[str, tuple[int, Proof | None]] = OrderedDict()

    async def prove(self, address: str) -> Proof | None:
        """Who an address is; None if there is no proof. At most ``1 + MAX_NAMES`` questions; never raises."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        now, key = self._clock.monotonic(), str(ip)
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        proof = self._by_network(ip) or await self._by_name(ip)
        self._remember(key, proof, now)
        return proof

    def _by_network(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Proof | None:
        for operator in self._operators:
            for network in operator.networks:
                if ip in network:
                    return Proof(operator.name, operator.kind, str(network))
        return None

    async def _by_name(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Proof | None:
        for name in (await self._resolver.names(str(ip)))[:MAX_NAMES]:
            operator = next((one for one in self._operators if is_below(name, one.domains)), None)
            if operator is None:
                continue
            for text in await self._resolver.addresses(name, ip.version):
                with contextlib.suppress(ValueError):
                    if ipaddress.ip_address(text) == ip:
                        return Proof(operator.name, operator.kind, name)
        return None

    def _remember(self, key: str, proof: Proof | None, now: int) -> None:
        seconds = UNPROVED_SECONDS if proof is None else PROVED_SECONDS
        self._known.pop(key, None)
        self._known[key] = now + seconds * SECOND, proof
        if len(self._known) > MAX_PROOFS:
            self._known.popitem(last=False)


def is_below(name: str, domains: Sequence[str]) -> bool:
    """Whether a name is one of these domains or below one, label by label, in any case.

    >>> is_below("crawl-1.GoogleBot.com.", ["googlebot.com"]), is_below("evilgooglebot.com", ["googlebot.com"])
    (True, False)
    """
    name = name.rstrip(".").lower()
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


class Dns:
    """The DNS itself. ``servers`` (address, port) are asked; none: those of this host."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        self._servers = tuple(servers)
        self._asker: Asker | None = None

    async def names(self, address: str) -> Sequence[str]:
        """The names of an address (PTR), at most :data:`MAX_NAMES`."""
        try:
            place = ipaddress.ip_address(address).reverse_pointer
        except ValueError:
            return ()
        return await self._ask(place, "PTR")

    async def addresses(self, name: str, version: int) -> Sequence[str]:
        """The addresses of a name."""
        return await self._ask(name, "A" if version == 4 else "AAAA")

    async def _ask(self, name: str, kind: str) -> Sequence[str]:
        import dns.exception  # noqa: PLC0415 - only whoever asks pays for the library

        try:
            answer = await self._open().resolve(name, kind, lifetime=LOOKUP_SECONDS, search=False)
        except (dns.exception.DNSException, OSError, UnicodeError, asyncio.IncompleteReadError, EOFError):
            return ()
        return tuple(str(record).rstrip(".") for record in answer)

    def _open(self) -> "Asker":
        from dns.asyncresolver import Resolver as Asker  # noqa: PLC0415 - the same
        from dns.nameserver import Do53Nameserver  # noqa: PLC0415 - the same

        if self._asker is None:
            self._asker = Asker(configure=not self._servers)
            if self._servers:
                self._asker.nameservers = [Do53Nameserver(host, port) for host, port in self._servers]
        return self._asker
