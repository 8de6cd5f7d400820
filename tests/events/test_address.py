"""Addresses are 16 bytes everywhere and one source is always in one shard."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.events import SHARDS, pack, shard_of, unpack


@given(address=st.ip_addresses())
def test_an_address_comes_back_in_its_shortest_form(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    packed = pack(str(address))
    mapped = getattr(address, "ipv4_mapped", None)
    assert len(packed) == 16
    assert ipaddress.ip_address(unpack(packed)) == (mapped or address)
    assert pack(unpack(packed)) == packed


@given(packed=st.binary(min_size=16, max_size=16))
def test_any_sixteen_bytes_are_an_address_in_a_shard(packed: bytes) -> None:
    assert pack(unpack(packed)) == packed
    assert 0 <= shard_of(packed) < SHARDS


def test_a_mapped_address_is_the_ipv4_address() -> None:
    assert (
        pack("198.18.0.7") == pack("::ffff:198.18.0.7") == bytes.fromhex("00000000000000000000ffffc6120007")
    )
    assert unpack(pack("::ffff:198.18.0.7")) == "198.18.0.7"


def test_a_zone_is_dropped() -> None:
    assert unpack(pack("fe80::1%eth0")) == "fe80::1"


@pytest.mark.parametrize(
    "text", ["", "198.18.0", "198.18.0.256", "host", "2001:db8::/64", "1.2.3.4\n", "%eth0"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        pack(text)


def test_the_shard_is_the_same_on_every_host_and_for_ever() -> None:
    # these three are what deployed streams hold: a change here loses the order of every source
    assert [shard_of(pack(text)) for text in ("198.18.0.1", "198.18.0.2", "2001:db8::1")] == [44, 53, 42]


def test_sources_spread_over_all_shards() -> None:
    counts = [0] * SHARDS
    for host in range(6_400):
        counts[shard_of(pack(f"198.18.{host // 256}.{host % 256}"))] += 1
    assert min(counts) > 50
    assert max(counts) < 160
