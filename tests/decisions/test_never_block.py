"""Who is never acted against: this host's own, and whom the configuration names; an entry is never read as empty."""

import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import NOW
from propolis.config import Config, Decisions, NeverBlock
from propolis.decisions import Host, Networks, this_host, trusted_networks
from propolis.decisions.networks import network_of
from propolis.errors import ConfigError

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010A0909\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000A0909\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000809\t020A0909\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
nonsense
eth0\tzz\t020A0909\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
ZERO = "0" * 32
ROUTES6 = f"""\
2a000000000000000000000000000000 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001 eth0
{ZERO} 00 {ZERO} 00 2a0000000000000000000000000000fe 00000400 00000001 00000000 00000003 eth0
{ZERO} 00 {ZERO} 00 {ZERO} 00000400 00000001 00000000 00200200 lo
short line
"""
RESOLVERS = """\
# nameserver 8.8.8.8
search example.org
nameserver 9.9.10.53
nameserver fe80::53%eth0
nameserver
nameserver x
"""
INTERFACES = [
    ("9.9.10.7", "255.255.255.0"),
    ("2a00::7", "ffff:ffff:ffff:ffff::"),
    ("2a00:1::7%eth1", "64"),
    ("fe80::7%eth0", ""),
    ("1.2.3.4", "128.0.0.0"),
    ("5.6.7.8", "garbage"),
    ("02:42:ac:11:00:02", "ff:ff:ff:ff:ff:ff"),
]
NAMES = {"crawler.example": ["9.1.2.3", "2a01::3"], "scoped.example": ["fe80::1%3"], "nowhere.example": []}


def _resolve(name: str) -> Iterable[str]:
    if name not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return NAMES[name]


HOST = Host(
    interfaces=lambda: INTERFACES,
    routes=lambda: ROUTES,
    routes6=lambda: ROUTES6,
    resolvers=lambda: RESOLVERS,
    resolve=_resolve,
)


def trusted(*entries: NeverBlock, **settings: Any) -> Networks:
    config = Config(decisions=Decisions(never_block=entries, **settings), path=Path("hive.toml"))
    return trusted_networks(config, NOW, HOST)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9.9.10.7", "own network"),
        ("9.9.10.200", "own network"),
        ("9.9.0.0/16", "own network"),
        ("9.9.10.53", "own network"),
        ("2a00::1", "own network"),
        ("2a00:1::1", "own network"),
        ("1.2.3.4", "own address"),
        ("5.6.7.8", "own address"),
        ("fe80::53", "resolver"),
        ("9.9.10.1", "own network"),
    ],
)
def test_this_host_is_trusted(text: str, why: str) -> None:
    assert why in (trusted().touched_by(network_of(text)) or "")


@pytest.mark.parametrize("text", ["9.8.0.1", "1.2.3.5", "5.6.7.9", "8.8.8.8", "2a00:2::1"])
def test_others_are_not(text: str) -> None:
    assert trusted().touched_by(network_of(text)) is None


def test_where_private_addresses_may_be_acted_against_neighbours_may_be_too() -> None:
    near = trusted(allow_private=True)
    assert near.touched_by(network_of("9.9.10.200")) is None
    for text, why in (
        ("9.9.10.7", "own address"),
        ("9.9.10.1", "gateway"),
        ("2a00::fe", "gateway"),
        ("9.9.10.53", "resolver"),
    ):
        assert why in (near.touched_by(network_of(text)) or "")


@pytest.mark.parametrize(
    ("target", "until", "touches"),
    [
        ("9.1.2.3", "", "9.1.2.3"),
        ("9.1.0.0/16", "2030-01-31", "9.1.255.0"),
        ("2a01::/32", "2030-01-31T12:00:00Z", "2a01::1"),
        ("::ffff:9.1.2.3", "2030-01-31T12:00:00+02:00", "9.1.2.3"),
        ("crawler.example", "2023-11-14", "2a01::3"),  # NOW is in this day
        ("crawler.example", "", "9.1.2.3"),
        ("scoped.example", "", "fe80::1"),
    ],
)
def test_entries_are_trusted(target: str, until: str, touches: str) -> None:
    label = trusted(NeverBlock(target=target, owner="ops", until=until)).touched_by(network_of(touches))
    assert label == f"{target} (ops{f', until {until}' if until else ''})"


@pytest.mark.parametrize(
    ("target", "owner", "until", "cure"),
    [
        ("9.1.2.300", "ops", "", "9.1.2.300"),
        ("9.1.2.3/33", "ops", "", "9.1.2.3/33"),
        ("9.1.2.3/16", "ops", "", "host bits"),
        ("2a00::zz", "ops", "", "address, a prefix or a host name"),
        ("2a00:::1", "ops", "", "2a00:::1"),
        ("crawler.example/24", "ops", "", "crawler.example/24"),
        ("", "ops", "", "address, a prefix or a host name"),
        ("two words", "ops", "", "address, a prefix or a host name"),
        ("-x.example", "ops", "", "address, a prefix or a host name"),
        ("typo.example", "ops", "", "cannot be resolved (Name or service not known)"),
        ("nowhere.example", "ops", "", "no addresses"),
        ("0.0.0.0/0", "ops", "", "shadow mode"),
        ("::/0", "ops", "", "shadow mode"),
        ("9.1.2.3", " ", "", "owner"),
        ("9.1.2.3", "ops", "2023-11-13", "expired"),
        ("9.1.2.3", "ops", "2023-11-14T22:13:19Z", "expired"),
        ("9.1.2.3", "ops", "2030-13-01", "RFC 3339"),
        ("9.1.2.3", "ops", "2030-01-01T00:00:00", "RFC 3339"),
        ("9.1.2.3", "ops", "9999-12-31", "RFC 3339"),
        ("9.1.2.3", "ops", "next week", "RFC 3339"),
    ],
)
def test_an_entry_that_cannot_be_used_stops_the_start(target: str, owner: str, until: str, cure: str) -> None:
    good = NeverBlock(target="9.1.2.4", owner="ops")
    with pytest.raises(ConfigError) as error:
        trusted(good, NeverBlock(target=target, owner=owner, until=until))
    assert error.value.path == "hive.toml"
    assert error.value.key == "decisions.never_block[1]"
    assert cure in error.value.cure
    assert "\n" not in str(error.value)


@given(target=st.text(max_size=30), until=st.text(max_size=30))
def test_any_entry_is_trusted_or_refused_and_never_empty(target: str, until: str) -> None:
    key = ""
    known = Networks()
    try:
        known = trusted(NeverBlock(target=target, owner="ops", until=until), allow_private=True)
    except ConfigError as error:
        key = error.key
    assert key == "decisions.never_block[0]" or len(known) >= len(trusted(allow_private=True))


def test_a_host_that_cannot_be_read_is_not_guessed() -> None:
    def denied() -> str:
        raise OSError(errno.EACCES, "Permission denied", "/etc/resolv.conf")

    with pytest.raises(ConfigError, match=r"resolv\.conf cannot be read"):
        trusted_networks(Config(), NOW, msgspec.structs.replace(HOST, resolvers=denied))


def test_the_machine_we_run_on() -> None:
    known = trusted_networks(Config(), NOW, this_host())
    own = [
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]
    assert own
    assert all(known.touched_by(network_of(address)) for address in own)
    assert list(this_host().resolve("localhost"))
    with pytest.raises(OSError, match="not a host name"):
        this_host().resolve("a" * 64 + ".example")
