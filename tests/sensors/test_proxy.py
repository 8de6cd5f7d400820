import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.sensors.proxy import (
    V2_LONGEST,
    V2_SIGNATURE,
    Incomplete,
    NotProxied,
    Proxied,
    parse,
)

PAIRS = st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)) | st.tuples(
    st.ip_addresses(v=6), st.ip_addresses(v=6)
)
PORTS = st.integers(0, 65_535)


def version_1(source: object, target: object, ports: tuple[int, int], version: int) -> bytes:
    return f"PROXY TCP{version} {source} {target} {ports[0]} {ports[1]}\r\n".encode()


def version_2(family: int, body: bytes, command: int = 0x21) -> bytes:
    return V2_SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


@given(PAIRS, PORTS, PORTS, st.binary(max_size=50), st.binary(max_size=30))
def test_who_is_behind_the_proxy(
    pair: tuple[ipaddress.IPv4Address, ipaddress.IPv4Address], near: int, far: int, rest: bytes, extra: bytes
) -> None:
    source, target = pair
    family = {4: 0x11, 6: 0x21}[source.version]
    body = source.packed + target.packed + struct.pack("!HH", near, far) + extra
    for header in (version_1(source, target, (near, far), source.version), version_2(family, body)):
        assert parse(header + rest) == Proxied(str(source), near, str(target), far, len(header))
        for cut in range(len(header)):
            assert parse(header[:cut]) == Incomplete()


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda tail: V2_SIGNATURE + tail)
    | st.binary(max_size=120).map(lambda tail: b"PROXY TCP4 " + tail)
)
def test_any_bytes_have_an_answer_that_does_not_change_as_more_come(data: bytes) -> None:
    answers = [parse(data[:end]) for end in range(len(data) + 1)]
    settled = [answer for answer in answers if not isinstance(answer, Incomplete)]
    assert all(answer == settled[0] for answer in settled)
    assert answers[len(answers) - len(settled) :] == settled
    if isinstance(answers[-1], Proxied):
        assert 0 < answers[-1].length <= len(data)


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", V2_SIGNATURE, V2_SIGNATURE + b"!"]),
)
def test_nobody_is_waited_for_without_end(data: bytes, start: bytes) -> None:
    assert not isinstance(parse((start + data).ljust(V2_LONGEST, b"x")), Incomplete)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        version_2(0x00, b""),
        version_2(0x00, b"", 0x20),
        version_2(0x31, bytes(216)),
    ],
)
def test_a_proxy_s_own_health_check_names_nobody(header: bytes) -> None:
    assert parse(header + b"more") == Proxied("", 0, "", 0, len(header))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "neither"),
        (b"PROXY TCP4 1.2.3.4\r\n", "six words"),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "six words"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", "port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xd9\xa1\r\n", "port"),
        (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "family"),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "family"),
        (b"PROXY TCP6 fe80::1%x fe80::2 1 2\r\n", "address"),
        (b"PROXY TCP4 one two 1 2\r\n", "address"),
        (b"PROXY TCP4 \xff \xfe 1 2\r\n", "address"),
        (b"PROXY " + b"x" * 200, "too long"),
        (version_2(0x11, bytes(12), 0x31), "version or command"),
        (version_2(0x11, bytes(12), 0x22), "version or command"),
        (version_2(0x11, bytes(11)), "cut short"),
        (version_2(0x21, bytes(35)), "cut short"),
        (version_2(0x11, bytes(5_000)), "too long"),
    ],
)
def test_what_is_no_header_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    answer = parse(data)
    assert isinstance(answer, NotProxied)
    assert reason in answer.reason
