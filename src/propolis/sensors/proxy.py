"""PROXY protocol versions 1 and 2: the true source address behind a load balancer.

Source: the PROXY protocol specification (Tarreau, 2020), sections 2.1 and 2.2. Only believed from networks the
operator named, and required from them.
"""

import ipaddress
from typing import TypeAlias

import msgspec

V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1_LONGEST = 107
V2_LONGEST = 16 + 4_096
_FAMILIES = {0x11: (4, 12), 0x12: (4, 12), 0x21: (16, 36), 0x22: (16, 36)}


class Proxied(msgspec.Struct, frozen=True):
    """Who is behind the proxy (text addresses), and how many bytes the header took.

    ``source_ip`` is empty for the proxy's own health checks (``LOCAL``, ``UNKNOWN``).
    """

    source_ip: str
    source_port: int
    target_ip: str
    target_port: int
    length: int


class NotProxied(msgspec.Struct, frozen=True):
    """These bytes are no PROXY header; ``reason`` says why."""

    reason: str


class Incomplete(msgspec.Struct, frozen=True):
    """More bytes are needed."""


Header: TypeAlias = Proxied | NotProxied | Incomplete


def parse(data: bytes) -> Header:
    """The header at the beginning of ``data``."""
    if data[:12] == V2_SIGNATURE[: len(data)]:
        return _version_2(data) if len(data) >= 16 else Incomplete()
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    return NotProxied("neither PROXY v1 nor v2")


def _version_1(data: bytes) -> Header:
    end = data.find(b"\r\n", 0, V1_LONGEST)
    if end < 0:
        return NotProxied("v1 line too long") if len(data) >= V1_LONGEST else Incomplete()
    words = data[:end].split(b" ")
    if len(words) >= 2 and words[1] == b"UNKNOWN":
        return Proxied("", 0, "", 0, end + 2)
    if len(words) != 6 or words[1] not in {b"TCP4", b"TCP6"}:
        return NotProxied("v1 line has not six words")
    if b"%" in data[:end]:
        return NotProxied("v1 address with a zone")
    try:
        source = ipaddress.ip_address(words[2].decode("ascii"))
        target = ipaddress.ip_address(words[3].decode("ascii"))
    except ValueError:
        return NotProxied("v1 address")
    if {source.version, target.version} != {4 if words[1] == b"TCP4" else 6}:
        return NotProxied("v1 family")
    ports = [int(word) for word in words[4:] if word.isdigit() and len(word) <= 5]
    if len(ports) != 2 or max(ports) > 65_535:
        return NotProxied("v1 port")
    return Proxied(str(source), ports[0], str(target), ports[1], end + 2)


def _version_2(data: bytes) -> Header:
    length = 16 + int.from_bytes(data[14:16], "big")
    if data[12] >> 4 != 2 or data[12] & 0x0F > 1:
        return NotProxied("v2 version or command")
    if length > V2_LONGEST:
        return NotProxied("v2 header too long")
    if len(data) < length:
        return Incomplete()
    if data[12] & 0x0F == 0 or data[13] not in _FAMILIES:
        return Proxied("", 0, "", 0, length)
    size, needed = _FAMILIES[data[13]]
    if length - 16 < needed:
        return NotProxied("v2 addresses cut short")
    source = ipaddress.ip_address(data[16 : 16 + size])
    target = ipaddress.ip_address(data[16 + size : 16 + 2 * size])
    ports = data[16 + 2 * size : 20 + 2 * size]
    return Proxied(
        str(source), int.from_bytes(ports[:2], "big"), str(target), int.from_bytes(ports[2:], "big"), length
    )
