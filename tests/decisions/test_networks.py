"""Sets of networks answer like the overlap of each with each, and the special ones are known."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import trusting
from propolis.decisions.networks import SPECIAL, UNUSABLE, Network, Networks, network_of


@st.composite
def networks(draw: st.DrawFn) -> Network:
    # few bits vary, so that they nest and touch
    if draw(st.booleans()):
        value = 0xC0000000 | draw(st.integers(0, 0xFF)) << 8
        return ipaddress.ip_network((value, draw(st.integers(14, 32))), strict=False)
    value6 = (0x2000 << 112) | draw(st.integers(0, 0xFF)) << 64
    return ipaddress.ip_network((value6.to_bytes(16, "big"), draw(st.integers(48, 128))), strict=False)


@given(known=st.lists(networks(), max_size=12), asked=networks())
def test_touching_is_overlap_with_any(known: list[Network], asked: Network) -> None:
    label = Networks((network, str(network)) for network in known).touched_by(asked)
    expected = any(network.version == asked.version and network.overlaps(asked) for network in known)
    assert (label is not None) == expected
    if label:
        assert network_of(label).overlaps(asked)


UNUSABLE_TEXTS = """
    0.0.0.0 0.1.2.3 127.0.0.1 127.9.9.9 169.254.0.1 224.0.0.1 239.1.1.1 255.255.255.255
    :: ::1 fe80::1 ff02::1 0.0.0.0/0 ::/0 128.0.0.0/1
"""
SPECIAL_TEXTS = """
    10.1.2.3 100.64.0.1 172.31.255.255 192.0.0.9 192.0.2.1 192.168.1.1 198.18.0.1 198.19.255.1 198.51.100.7 203.0.113.9
    240.0.0.1 192.88.99.1 10.0.0.0/7 64:ff9b::102:304 100::1 2001::1 2001:db8::1 2002:102:304::1 3fff::1 fc00::1 fec0::1
    4000::1 5f00::1
"""
STRANGERS = """
    1.1.1.1 9.0.0.0/8 100.63.255.255 100.128.0.0 172.32.0.0 198.17.255.255 198.20.0.0 223.255.255.255
    2001:4860::1 2400::1 2a00::/12 2003::1 2620:fe::fe
"""


@pytest.mark.parametrize("text", UNUSABLE_TEXTS.split())
def test_addresses_that_cross_no_router_are_unusable(text: str) -> None:
    assert UNUSABLE.touched_by(network_of(text))


@pytest.mark.parametrize("text", SPECIAL_TEXTS.split())
def test_special_purpose_addresses_are_special(text: str) -> None:
    assert "RFC" in (SPECIAL.touched_by(network_of(text)) or "")


@pytest.mark.parametrize("text", STRANGERS.split())
def test_strangers_are_neither(text: str) -> None:
    assert not UNUSABLE.touched_by(network_of(text))
    assert not SPECIAL.touched_by(network_of(text))


@given(st.ip_addresses(v=4))
def test_no_address_python_calls_private_is_missed(address: ipaddress.IPv4Address) -> None:
    network = network_of(str(address))
    if address.is_private or address.is_reserved or address.is_multicast or address.is_link_local:
        assert UNUSABLE.touched_by(network) or SPECIAL.touched_by(network)


def test_mapped_addresses_are_ipv4() -> None:
    assert network_of("::ffff:9.9.9.9") == network_of("9.9.9.9")
    assert network_of("::ffff:9.9.9.0/120") == network_of("9.9.9.0/24")
    assert network_of("::/0").version == 6


def test_equal_when_they_hold_the_same() -> None:
    assert trusting("9.0.0.0/8", "1.1.1.1") == trusting("1.1.1.1", "9.0.0.0/8")
    assert hash(trusting("9.0.0.0/8")) == hash(trusting("9.0.0.0/8"))
    assert trusting("9.0.0.0/8") != trusting("9.0.0.0/9")
    assert len(trusting("9.0.0.0/8", "9.1.0.0/16", "2a00::1")) == 2
