"""TCP streams out of packet captures (pcap and pcapng), for tests against recordings of real programs."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

CORPORA = Path(os.environ.get("PROPOLIS_CORPORA", "corpora"))
"""Where recordings are that belong to others: they are read in place, and what needs them is skipped without."""

ETHERNET, NULL, COOKED = 1, 0, 113
RAW = frozenset({12, 101, 228, 229})


def corpus(name: str) -> Path:
    """A file or folder of the corpora; the test is skipped where it is absent."""
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"needs {name}; name the folder that has it in PROPOLIS_CORPORA")
    return path


class Flow(msgspec.Struct, frozen=True):
    """One direction of a TCP connection."""

    source: bytes
    source_port: int
    target: bytes
    target_port: int


def streams(path: Path) -> dict[Flow, bytes]:
    """What each side of each connection said, put in order; a gap ends it."""
    segments: dict[Flow, dict[int, bytes]] = {}
    for link, packet in packets(path.read_bytes()):
        found = segment(network(link, packet))
        if found:
            flow, sequence, data = found
            parts = segments.setdefault(flow, {})
            parts[sequence] = max(parts.get(sequence, b""), data, key=len)
    return {flow: joined(parts) for flow, parts in segments.items()}


def joined(parts: dict[int, bytes]) -> bytes:
    said = b""
    begin = min(parts)
    for sequence in sorted(parts):
        skip = len(said) - (sequence - begin)
        if skip < 0:
            break
        said += parts[sequence][skip:]
    return said


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Link type and bytes of every packet."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from pcapng(data)
        return
    order = "<" if data[:4] in {b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"} else ">"
    (link,) = struct.unpack_from(order + "I", data, 20)
    place = 24
    while place + 16 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, place + 8)
        yield link & 0xFFFF, data[place + 16 : place + 16 + length]
        place += 16 + length


def pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    links: list[int] = []
    order, place = "<", 0
    while place + 12 <= len(data):
        if data[place : place + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[place + 8 : place + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        kind, length = struct.unpack_from(order + "II", data, place)
        body = data[place + 8 : place + length - 4]
        if kind == 1:
            links.append(struct.unpack_from(order + "H", body)[0])
        elif kind == 6:
            interface, _, _, captured = struct.unpack_from(order + "IIII", body)
            yield links[interface], body[20 : 20 + captured]
        place += max(length, 12)


def network(link: int, packet: bytes) -> bytes:
    """The IP packet in a frame; empty if it has none."""
    if link in RAW:
        return packet
    if link == NULL:
        return packet[4:]
    place = {ETHERNET: 12, COOKED: 14}.get(link, len(packet))
    while packet[place : place + 2] in {b"\x81\x00", b"\x88\xa8"}:
        place += 4
    return packet[place + 2 :] if packet[place : place + 2] in {b"\x08\x00", b"\x86\xdd"} else b""


def segment(packet: bytes) -> tuple[Flow, int, bytes] | None:
    if len(packet) >= 40 and packet[0] >> 4 == 6 and packet[6] == 6:
        source, target = packet[8:24], packet[24:40]
        tcp = packet[40 : 40 + int.from_bytes(packet[4:6], "big")]
    elif len(packet) >= 20 and packet[0] >> 4 == 4 and packet[9] == 6:
        source, target = packet[12:16], packet[16:20]
        tcp = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big") or None]
    else:
        return None
    if len(tcp) < 20:
        return None
    source_port, target_port, sequence = struct.unpack_from(">HHI", tcp)
    data = tcp[(tcp[12] >> 4) * 4 :]
    return (Flow(source, source_port, target, target_port), sequence, data) if data else None
