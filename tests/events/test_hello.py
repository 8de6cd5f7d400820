"""Client hellos: of real programs, of recordings, and of whoever sends anything."""

import hashlib
import ipaddress
import json
import ssl
import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import Flow, corpus, streams
from propolis.events.hello import (
    MAX_MESSAGE_BYTES,
    MAX_RAW_BYTES,
    Hello,
    Incomplete,
    Listener,
    NotHello,
    is_grease,
    ja3,
    ja4,
    read,
)

GREASE = (0x0A0A, 0x1A1A, 0xFAFA)


def said_by_openssl(host: str = "decoy.example", *protocols: str) -> bytes:
    """What Python's own OpenSSL says first."""
    context = ssl.create_default_context()
    context.set_ciphers("ECDHE+AESGCM")
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def block(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content


def words(*values: int) -> bytes:
    return b"".join(struct.pack(">H", value) for value in values)


def message(ciphers: tuple[int, ...], *extensions: tuple[int, bytes], version: int = 0x0303) -> bytes:
    body = words(version) + bytes(32) + block(b"", 1) + block(words(*ciphers), 2) + block(b"\0", 1)
    if extensions:
        body += block(b"".join(words(kind) + block(content, 2) for kind, content in extensions), 2)
    return b"\x01" + block(body, 3)


def records(data: bytes, size: int = 16_384) -> bytes:
    parts = [data[place : place + size] for place in range(0, len(data), size)]
    return b"".join(b"\x16\x03\x01" + block(part, 2) for part in parts)


def hello(*args: object, **options: int) -> Hello:
    found = read(message(*args, **options))  # type: ignore[arg-type]
    assert isinstance(found, Hello)
    return found


# --- what real programs say --------------------------------------------------------------------------------------


def test_a_hello_of_openssl_is_read() -> None:
    listener = Listener()
    raw = said_by_openssl("decoy.example", "h2", "http/1.1")
    found = listener.hear(raw)
    assert isinstance(found, Hello)
    assert (found.version, found.sni, found.alpn) == (0x0303, b"decoy.example", (b"h2", b"http/1.1"))
    assert 0x1301 in found.ciphers
    assert 0x0304 in found.supported_versions
    assert 29 in found.groups
    assert 0x0403 in found.signature_algorithms
    assert found.point_formats == (0, 1, 2)
    assert listener.hello_bytes == len(raw)
    assert ja4(found).startswith(f"t13d{len(found.ciphers):02d}{len(found.extensions):02d}h2_")


def test_an_address_is_no_server_name() -> None:
    found = Listener().hear(said_by_openssl("192.0.2.1"))
    assert isinstance(found, Hello)
    assert (found.sni, found.alpn) == (b"", ())
    assert ja4(found)[3:4] + ja4(found)[8:10] == "i00"


def recorded(row: dict) -> Iterator[str]:
    """The JA4 of every hello of a connection, the second one after a HelloRetryRequest included."""
    flow = Flow(
        ipaddress.ip_address(row["src"]).packed,
        int(row["srcport"]),
        ipaddress.ip_address(row["dst"]).packed,
        int(row["dstport"]),
    )
    said = streams(corpus(f"pcaps/{row['pcap']}"))[flow]
    while said:
        listener = Listener()
        found = listener.hear(said)
        if isinstance(found, Hello):
            yield ja4(found)
        taken = listener.hello_bytes or 5 + int.from_bytes(said[3:5], "big")
        said = said[taken:]


def test_every_recorded_hello_has_its_ja4() -> None:
    rows = [json.loads(line) for line in corpus("ja4_expected.jsonl").read_text().splitlines()]
    compared = 0
    for row in rows:
        wanted = [text for name, text in sorted(row.items()) if name.startswith("JA4.")]
        if wanted:
            assert list(recorded(row)) == wanted
            compared += len(wanted)
    assert compared


# --- JA3 and JA4 -------------------------------------------------------------------------------------------------


def test_a_ja3_leaves_grease_out_and_keeps_the_order() -> None:
    found = hello(
        (GREASE[0], 0x1302, 0x1301),
        (GREASE[1], b""),
        (23, b""),
        (10, block(words(GREASE[2], 29, 23), 2)),
        (11, block(b"\0\1", 1)),
    )
    text = "771,4866-4865,23-10-11,29-23,0-1"
    assert ja3(found) == hashlib.md5(text.encode()).hexdigest()
    assert ja3(hello((5,))) == hashlib.md5(b"771,5,,,").hexdigest()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_a_ja4_is_sorted_and_leaves_server_name_and_protocols_out() -> None:
    found = hello(
        (GREASE[0], 0x1302, 0x1301, 0x00FF),
        (GREASE[1], b""),
        (43, block(words(GREASE[2], 0x0303, 0x0304), 1)),
        (16, block(block(b"h2", 1), 2)),
        (13, block(words(0x0804, 0x0403), 2)),
        (0, block(b"\0" + block(b"a.example", 2), 2)),
        (0xFF01, b"\0"),
    )
    ciphers, rest = sha("00ff,1301,1302"), sha("000d,002b,ff01_0804,0403")
    assert ja4(found) == f"t13d0305h2_{ciphers}_{rest}"
    assert ja4(found, quic=True)[0] == "q"


def test_without_signature_algorithms_a_ja4_has_no_underscore_in_its_third_part() -> None:
    assert ja4(hello((5,), (23, b""))) == f"t12i010100_{sha('0005')}_{sha('0017')}"
    assert ja4(hello((), (0, b""))) == "t12d000100_000000000000_000000000000"


@pytest.mark.parametrize(
    ("protocol", "characters"),
    [
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"0\xab", "3b"),
        (b"01\xab\xcd", "3d"),
        (b"0\xab\xcd1", "01"),
        (b"\x0a\x0a", "00"),
    ],
)
def test_a_ja4_names_the_first_protocol(protocol: bytes, characters: str) -> None:
    assert ja4(hello((5,), (16, block(block(protocol, 1), 2))))[8:10] == characters


def test_a_grease_protocol_is_passed_over() -> None:
    offered = block(b"\x1a\x1a", 1) + block(b"h2", 1)
    assert ja4(hello((5,), (16, block(offered, 2))))[8:10] == "h2"


def test_counts_end_at_99() -> None:
    many = tuple(range(0x2000, 0x2000 + 120))
    assert ja4(hello(many, *((kind, b"") for kind in many)))[4:8] == "9999"


@pytest.mark.parametrize(("version", "characters"), [(0x0302, "11"), (0x0300, "s3"), (0x0199, "00")])
def test_without_supported_versions_the_legacy_one_counts(version: int, characters: str) -> None:
    assert ja4(hello((5,), version=version))[1:3] == characters


def test_there_are_sixteen_grease_values() -> None:
    values = [value for value in range(0x10000) if is_grease(value)]
    assert len(values) == 16
    assert {b - a for a, b in pairwise(values)} == {0x1010}


# --- how it arrives ----------------------------------------------------------------------------------------------

SAID = said_by_openssl()


@given(size=st.integers(40, 700), cut=st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_it_may_come_in_any_number_of_records_and_pieces(size: int, cut: int) -> None:
    said = records(SAID[5:], size)
    listener = Listener()
    found = [listener.hear(said[place : place + cut]) for place in range(0, len(said), cut)]
    assert found[:-1] == [Incomplete()] * (len(found) - 1)
    assert found[-1] == read(SAID[5:])
    assert (bytes(listener.raw), listener.hello_bytes) == (said, len(said))


def test_what_follows_the_hello_is_kept_apart() -> None:
    listener = Listener()
    assert isinstance(listener.hear(SAID + b"\x17\x03\x03early"), Hello)
    assert listener.raw[listener.hello_bytes :] == b"\x17\x03\x03early"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "record type 71"),
        (b"\x15\x03\x01\0\2\2\0", "record type 21"),
        (b"\x80\x2e\x01\0\2" + bytes(44), "SSL 2.0 hello"),
        (b"\x16\x02\x00\0\4", "record version 2.0"),
        (b"\x16\x03\x01\0\0", "record of 0 bytes"),
        (b"\x16\x03\x01\xff\xff", "record of 65535 bytes"),
        (records(b"\x02\0\0\0"), "handshake type 2"),
        (records(b"\x01\xff\xff\xff"), "hello too long"),
        (records(b"\x01\0\0\1\0"), "hello cut short"),
        (records(message(())[:-2] + b"\x09\0"), "compression methods"),
        (records(b"\x01" + block(bytes(34) + b"\0\0\3\0\5\0\1\0", 3)), "cipher suites"),
        (records(b"\x01" + block(message((5,))[4:] + b"\0\x09\0", 3)), "extensions"),
        (records(message((5,), (5, b""))[:-2] + b"\0\7"), "extension"),
    ],
)
def test_what_is_no_hello_is_refused_with_a_reason(said: bytes, reason: str) -> None:
    assert Listener().hear(said) == NotHello(reason)


def test_a_first_byte_of_anything_else_is_enough() -> None:
    assert Listener().hear(b"S") == NotHello("record type 83")
    assert Listener().hear(b"\x16") == Incomplete()


def test_of_two_extensions_that_are_alike_the_first_counts() -> None:
    first, second = (block(block(name, 1), 2) for name in (b"h2", b"x"))
    found = hello((5,), (16, first), (16, second))
    assert (found.alpn, found.extensions) == ((b"h2",), (16, 16))


def test_an_endless_hello_ends_at_its_limit() -> None:
    listener = Listener()
    head = b"\x01" + (MAX_MESSAGE_BYTES - 4).to_bytes(3, "big")
    assert listener.hear(records(head)) == Incomplete()
    for _ in range(MAX_RAW_BYTES // 6):
        found = listener.hear(records(b"\0"))
    assert found == NotHello("hello too long")


@given(data=st.binary(max_size=300), is_framed=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_hello_or_none(data: bytes, *, is_framed: bool) -> None:
    said = records(b"\x01" + block(data, 3)) if is_framed else data
    found = Listener().hear(said)
    if isinstance(found, Hello):
        ja3(found)
        ja4(found)


@given(damage=st.lists(st.tuples(st.integers(5, len(SAID) - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_damaged_hello_is_a_hello_or_none(damage: list[tuple[int, int]]) -> None:
    said = bytearray(SAID)
    for place, value in damage:
        said[place] = value
    found = Listener().hear(bytes(said))
    if isinstance(found, Hello):
        assert len(ja4(found)) == 36
        assert len(ja3(found)) == 32
