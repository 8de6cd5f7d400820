"""The trusted networks: this host's own, its gateways and resolvers, and whatever the configuration names.

An entry that cannot be understood stops the start: read as empty, it would let somebody be blocked who must not be.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import msgspec
import psutil

from propolis.clock import SECOND
from propolis.config import Config, NeverBlock
from propolis.decisions.networks import Network, Networks, network_of
from propolis.errors import ConfigError

WIDEST_OWN_V4 = 8
WIDEST_OWN_V6 = 32
"""A wider on-link prefix (a tunnel's ``0.0.0.0/1``) would trust the world: there only the address counts."""

_RTF_GATEWAY = 0x2
_DIGITS = re.compile(r"[0-9./]+|[0-9A-Fa-f:./]*:[0-9A-Fa-f:./]*")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?"
)


class Host(msgspec.Struct, frozen=True):
    """How this host is read. Each reader may raise ``OSError``.

    ``interfaces`` gives (address, netmask or prefix length or ``""``); ``routes``, ``routes6`` and ``resolvers`` the
    text of ``/proc/net/route``, ``/proc/net/ipv6_route`` and ``/etc/resolv.conf``; ``resolve`` a name's addresses.
    """

    interfaces: Callable[[], Iterable[tuple[str, str]]]
    routes: Callable[[], str]
    routes6: Callable[[], str]
    resolvers: Callable[[], str]
    resolve: Callable[[str], Iterable[str]]


def this_host() -> Host:
    """The machine we run on (and its network namespace)."""
    return Host(
        _interfaces,
        lambda: _text("/proc/net/route"),
        lambda: _text("/proc/net/ipv6_route"),
        lambda: _text("/etc/resolv.conf"),
        _resolve,
    )


def trusted_networks(config: Config, now: int, host: Host) -> Networks:
    """Everything that is never acted against, each network labelled with why.

    ``now`` in UTC nanoseconds. With ``decisions.allow_private`` neighbours on own networks may be acted against: of
    those only the host's own addresses are trusted. Raises :class:`ConfigError` for an entry
    ``decisions.never_block[i]`` that is malformed, expired or cannot be resolved, and for a host that cannot be read.
    """
    try:
        own = list(_of_host(host, neighbours=not config.decisions.allow_private))
    except OSError as error:
        raise ConfigError(
            config.path,
            "decisions.never_block",
            f"{error.filename or 'this host'} cannot be read ({error.strerror}), and own addresses must not be guessed",
        ) from error
    for index, entry in enumerate(config.decisions.never_block):
        try:
            own.extend((network, _label(entry)) for network in _of_entry(entry, now, host))
        except ValueError as error:
            raise ConfigError(config.path, f"decisions.never_block[{index}]", str(error)) from error
    return Networks(own)


def _of_host(host: Host, *, neighbours: bool) -> Iterator[tuple[Network, str]]:
    for address, mask in host.interfaces():
        if (own := _address(address)) is None:
            continue
        yield network_of(str(own)), "this host's own address"
        if neighbours and (prefix := _on_link(own, mask)):
            yield prefix, "this host's own network"
    for gateway in (*_gateways(host.routes()), *_gateways6(host.routes6())):
        yield network_of(str(gateway)), "this host's gateway"
    for line in host.resolvers().splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and (resolver := _address(words[1])):
            yield network_of(str(resolver)), "this host's resolver"


def _on_link(address: ipaddress.IPv4Address | ipaddress.IPv6Address, mask: str) -> Network | None:
    """The network of an interface; ``None`` where the mask says nothing or far too much."""
    try:
        length = int(mask) if mask.isdigit() else int(ipaddress.ip_address(mask)).bit_count()
        network = ipaddress.ip_network(
            (int(address), length) if address.version == 4 else (address.packed, length), strict=False
        )
    except ValueError:
        return None
    return (
        network if network.prefixlen >= (WIDEST_OWN_V4 if network.version == 4 else WIDEST_OWN_V6) else None
    )


def _gateways(routes: str) -> Iterator[ipaddress.IPv4Address]:
    """Next hops of default routes in ``/proc/net/route``: addresses are words in the byte order of the host."""
    for line in routes.splitlines()[1:]:
        words = line.split()
        try:
            destination, gateway, flags, mask = (int(words[column], 16) for column in (1, 2, 3, 7))
        except (ValueError, IndexError):
            continue
        if destination == mask == 0 and flags & _RTF_GATEWAY:
            yield ipaddress.IPv4Address(socket.htonl(gateway))


def _gateways6(routes: str) -> Iterator[ipaddress.IPv6Address]:
    """Next hops of default routes in ``/proc/net/ipv6_route``: destination, length, source, length, next hop; hex."""
    for line in routes.splitlines():
        words = line.split()
        try:
            destination, length, gateway = (int(words[column], 16) for column in (0, 1, 4))
        except (ValueError, IndexError):
            continue
        if destination == length == 0 and gateway:
            yield ipaddress.IPv6Address(gateway)


def _of_entry(entry: NeverBlock, now: int, host: Host) -> list[Network]:
    """The networks an entry names. Raises ``ValueError`` with the cure."""
    if not entry.owner.strip():
        raise ValueError("has no owner; say who asked for it")
    if entry.until and _end_of(entry.until) <= now:
        raise ValueError(f"expired ({entry.until}); renew its until or remove the entry")
    target = entry.target.strip()
    if _DIGITS.fullmatch(target) or "/" in target:
        network = network_of(target)
        if network.prefixlen == 0:
            raise ValueError(f"{target} trusts everybody; to act against nobody, stay in shadow mode")
        return [network]
    if not _HOST_NAME.fullmatch(target):
        raise ValueError(
            f"{target!r} is not an address, a prefix or a host name; write one such as 192.0.2.0/24"
        )
    try:
        networks = [network_of(address.partition("%")[0]) for address in host.resolve(target)]
    except OSError as error:
        raise ValueError(
            f"{target!r} cannot be resolved ({error.strerror}); write its addresses, or repair DNS"
        ) from error
    if not networks:
        raise ValueError(f"{target!r} has no addresses; write them instead of the name")
    return networks


def _end_of(until: str) -> int:
    """RFC 3339 to UTC nanoseconds; a date lasts to its end. Raises ``ValueError`` with the cure."""
    cure = f"until = {until!r} is not an RFC 3339 date; write one such as 2030-01-31 or 2030-01-31T12:00:00Z"
    try:
        if len(until) == len("2030-01-31"):
            moment = datetime.combine(date.fromisoformat(until), time(), UTC) + timedelta(days=1)
        else:
            moment = datetime.fromisoformat(until)
    except (ValueError, OverflowError) as error:
        raise ValueError(cure) from error
    if moment.tzinfo is None:
        raise ValueError(cure)
    return int(moment.timestamp()) * SECOND


def _label(entry: NeverBlock) -> str:
    return f"{entry.target} ({entry.owner}{f', until {entry.until}' if entry.until else ''})"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without its zone; ``None`` for what is none (a link-layer address)."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _interfaces() -> Iterator[tuple[str, str]]:
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                yield address.address, address.netmask or ""


def _text(path: str) -> str:
    """A file of this host; a kernel without IPv6 has no table of its routes, and that is no fault."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _resolve(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(0, "not a host name") from error
    return [str(where[0]) for *_, where in found]
