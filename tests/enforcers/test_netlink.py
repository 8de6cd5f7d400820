import os
import socket
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SECOND, SystemClock
from propolis.enforcers import FOREVER
from propolis.enforcers.namespace import inside
from propolis.enforcers.netlink import GETS_PER_SEND, Reader, _attribute, _attributes, _elements_of

CLOCK = SystemClock()
HIVE = """
table inet hive {
    counter bees { packets 7 bytes 420 }
    set v4 { type ipv4_addr; flags timeout; elements = { 198.18.0.1 timeout 1h, 198.18.0.2 }; }
    set v6 { type ipv6_addr; flags timeout; }
    chain door { type filter hook input priority 0; ip saddr @v4 drop; }
}
table inet other { set v9 { type ipv4_addr; }; }
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"pe-n{os.getpid():x}{os.urandom(2).hex()}"
    subprocess.run(("ip", "netns", "add", name), check=True)
    try:
        nft(name, HIVE)
        yield name
    finally:
        subprocess.run(("ip", "netns", "del", name), check=True)


def nft(namespace: str, commands: str) -> None:
    subprocess.run(("ip", "netns", "exec", namespace, "nft", commands), check=True)


def packed(text: str) -> bytes:
    return socket.inet_aton(text)


@pytest.mark.root
def test_it_reads_what_nft_wrote(namespace: str) -> None:
    reader = inside(namespace, lambda: Reader(CLOCK))
    timed, lasting = packed("198.18.0.1"), packed("198.18.0.2")
    held = reader.elements("hive", "v4")
    assert held[lasting] == FOREVER
    assert abs(held[timed] - CLOCK.now() - 3_600 * SECOND) < 60 * SECOND
    assert set(held) == {timed, lasting}
    assert reader.elements("hive", "v6") == {}
    assert reader.sets("hive") == ("v4", "v6")
    assert reader.counters("hive") == {"bees": (7, 420)}
    assert set(reader.held("hive", "v4", [lasting, packed("198.18.0.3"), timed])) == {timed, lasting}
    reader.close()


@pytest.mark.root
def test_what_is_not_there_is_no_error(namespace: str) -> None:
    reader = inside(namespace, lambda: Reader(CLOCK))
    assert reader.elements("nowhere", "v4") == reader.elements("hive", "v5") == {}
    assert reader.sets("nowhere") == reader.structure("nowhere", ["door"]) == ()
    assert reader.counters("nowhere") == {}
    assert reader.held("nowhere", "v4", [packed("198.18.0.1")]) == {}
    reader.close()


@pytest.mark.root
def test_many_questions_and_many_elements(namespace: str) -> None:
    keys = [packed(f"203.0.{number >> 8}.{number & 255}") for number in range(5_000)]
    nft(namespace, f"add element inet hive v4 {{ {', '.join(map(socket.inet_ntoa, keys))} }}")
    reader = inside(namespace, lambda: Reader(CLOCK))
    assert len(reader.elements("hive", "v4")) == 5_002
    asked = keys[: 3 * GETS_PER_SEND + 1]
    absent = [packed(f"192.0.2.{number}") for number in range(100)]
    assert list(reader.held("hive", "v4", [*absent, *asked])) == asked
    reader.close()


@pytest.mark.root
@pytest.mark.parametrize(
    "change",
    [
        "flush chain inet hive door",
        "insert rule inet hive door accept",
        "add table inet hive { flags dormant; }",
        "flush ruleset",
    ],
)
def test_the_structure_tells_every_change_of_the_rules(namespace: str, change: str) -> None:
    reader = inside(namespace, lambda: Reader(CLOCK))
    before = reader.structure("hive", ["door"])
    assert len(before) == 3
    nft(namespace, "add element inet hive v4 { 203.0.113.1 }")
    nft(namespace, "flush set inet other v9")
    assert reader.structure("hive", ["door"]) == before
    nft(namespace, change)
    assert reader.structure("hive", ["door"]) != before
    reader.close()


@given(st.binary(max_size=96))
def test_any_bytes_can_be_taken_apart(data: bytes) -> None:
    assert sum(len(value) for _, value in _attributes(data)) <= len(data)
    assert all(key for key, _ in _elements_of(data))


@given(st.integers(0, 0x3FFF), st.binary(max_size=64))
def test_an_attribute_reads_as_it_was_written(kind: int, value: bytes) -> None:
    assert list(_attributes(_attribute(kind, value))) == [(kind, value)]
