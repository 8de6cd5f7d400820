"""Sets of networks that answer "what do you touch?", and the special-purpose ones nobody is defended against."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(text: str) -> Network:
    """An address or prefix to a network; IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2) reads as IPv4.

    Raises ``ValueError`` for anything else, and for a prefix with host bits set.
    """
    network = ipaddress.ip_network(text)
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


class Networks:
    """Labelled networks that never change. Lookup is O(log n), and so independent of how many there are.

    Networks are nested or disjoint, so dropping those inside another leaves disjoint ranges in order.
    """

    def __init__(self, labelled: Iterable[tuple[Network, str]] = ()) -> None:
        self._ranges: dict[int, tuple[list[int], list[int], list[str]]] = {4: ([], [], []), 6: ([], [], [])}
        for network, label in sorted(labelled, key=_widest_first):
            firsts, lasts, labels = self._ranges[network.version]
            if lasts and int(network.broadcast_address) <= lasts[-1]:
                continue
            firsts.append(int(network.network_address))
            lasts.append(int(network.broadcast_address))
            labels.append(label)

    def __len__(self) -> int:
        return sum(len(labels) for _, _, labels in self._ranges.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(len(self))

    def touched_by(self, network: Network) -> str | None:
        """The label of a network here that shares at least one address with this one; ``None`` if none does."""
        firsts, lasts, labels = self._ranges[network.version]
        index = bisect_right(firsts, int(network.broadcast_address)) - 1
        return labels[index] if index >= 0 and lasts[index] >= int(network.network_address) else None


def _widest_first(labelled: tuple[Network, str]) -> tuple[int, int, int]:
    network = labelled[0]
    return network.version, int(network.network_address), network.prefixlen


def _table(rows: Iterable[tuple[str, str]]) -> Networks:
    return Networks((ipaddress.ip_network(text), label) for text, label in rows)


UNUSABLE = _table(
    [
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link-local (RFC 3927)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("255.255.255.255/32", "broadcast (RFC 919)"),
        ("::/128", "unspecified (RFC 4291)"),
        ("::1/128", "loopback (RFC 4291)"),
        ("fe80::/10", "link-local (RFC 4291)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    ]
)
"""Never the source of traffic that crossed a router: no setting lets these be acted against."""

SPECIAL = _table(
    [
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "shared by a carrier's customers (RFC 6598)"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112 anycast (RFC 7535)"),
        ("192.52.193.0/24", "AMT anycast (RFC 7450)"),
        ("192.88.99.0/24", "6to4 relay anycast (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("192.175.48.0/24", "AS112 anycast (RFC 7534)"),
        ("198.18.0.0/15", "benchmarking (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("240.0.0.0/4", "reserved (RFC 1112)"),
        # All that is not 2000::/3 is not global unicast: mapped, translated, discard-only, unique local, unassigned.
        ("::/3", "not global unicast (RFC 4291, 2.4)"),
        ("4000::/2", "not global unicast (RFC 4291, 2.4)"),
        ("8000::/1", "not global unicast (RFC 4291, 2.4)"),
        ("2001::/23", "IETF protocol assignments (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4, carries an IPv4 address (RFC 3056)"),
        ("2620:4f:8000::/48", "AS112 anycast (RFC 7534)"),
        ("3fff::/20", "documentation (RFC 9637)"),
    ]
)
"""IANA's special-purpose registries (RFC 6890): acted against only where ``decisions.allow_private`` is set."""
