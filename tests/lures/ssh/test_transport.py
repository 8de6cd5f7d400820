"""The same bytes to a real sshd and to the lure must bring the same bytes back; and no bytes may raise."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from asyncssh.packet import String, UInt32
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propolis.events import ClientIdentified, Malformed
from propolis.lures.lure import Emit, Hangup, Reply, Visit
from propolis.lures.ssh import SshLure
from propolis.lures.ssh.record import Daemon, plain_messages, plain_packet
from propolis.lures.ssh.scribe import connect, talk
from propolis.lures.ssh.transport import MAX_INFLATED_BYTES, MAX_PACKET_BYTES, Inflater

CLIENT = b"SSH-2.0-x\r\n"
COOKIE = re.compile(rb"\x14.{16}(?=\x00\x00\x01=sntrup)", re.DOTALL)

FIRST_LINES = {
    "nothing": b"",
    "a number": b"SSH-1337\n",
    "version 1": b"SSH-1.0-x\r\n",
    "version 1.99": b"SSH-1.99-x\r\n",
    "version 2.2": b"SSH-2.2-x\r\n",
    "version 3": b"SSH-3.0-x\r\n",
    "a negative version": b"SSH--1.0-a\r\n",
    "a space in the version": b"SSH-2 .0-a\r\n",
    "no software": b"SSH-2.0-\r\n",
    "no dash": b"SSH-2.0\r\n",
    "HTTP": b"GET / HTTP/1.0\r\n\r\n",
    "empty lines": b"\n\n\n\nSSH-2.0-x\r\n",
    "300 letters": b"A" * 300,
    "255 letters and a newline": b"A" * 255 + b"\n",
    "9000 letters": b"A" * 9000,
    "no newline": b"SSH-2.0-x\r",
    "no return": b"SSH-2.0-x\n",
    "a return too many": b"SSH-2.0-x\ry\r\n",
    "not ASCII": b"SSH-2.0-\xff\xfe\r\n",
    "a NUL": b"SSH-2.0-a\0b\r\n",
    "a long version": b"SSH-2.0-" + b"A" * 247 + b"\r\n",
    "spaces": b"SSH-2.0-a b c\r\n",
    "two lines": b"SSH-2.0-x\r\nSSH-2.0-x\r\n",
}

FIRST_PACKETS = {
    "HTTP": b"GET / HTTP/1.0\r\nabcdefghijklmnopqrst\r\n\r\n",
    "zeros": bytes(64),
    "length 1": b"\0\0\0\x01" + bytes(64),
    "padding of 3": b"\0\0\0\x0c\x03" + b"\x14" * 64,
    "half a block": b"\0\0\0\x09\x04" + b"\x14" * 64,
    "IGNORE, then zeros": b"\0\0\0\x0c\x04\x02" + bytes(68),
    "DISCONNECT": plain_packet(b"\x01" + UInt32(11) + String("") * 2),
    "type 200": plain_packet(b"\xc8"),
    "type 0": plain_packet(b"\x00"),
    "USERAUTH_REQUEST": plain_packet(b"\x32"),
    "SERVICE_REQUEST": plain_packet(b"\x05" + String("ssh-userauth")),
    "KEXDH_INIT": plain_packet(b"\x1e" + String("x")),
    "NEWKEYS": plain_packet(b"\x15"),
    "a KEXINIT without lists": plain_packet(b"\x14" + bytes(10)),
    "KEXINIT with empty lists": plain_packet(b"\x14" + bytes(16) + String("") * 10 + bytes(5)),
    "UNIMPLEMENTED": plain_packet(b"\x03" + UInt32(0)),
}


async def both(stage: Any, sshd: Daemon, *parts: bytes) -> tuple[tuple[bytes, bool], tuple[bytes, bool]]:
    """What the real one and ours say, without the cookie, and whether they hang up."""
    said = await asyncio.gather(talk(sshd.port, *parts), talk(stage.port, *parts))
    (real, real_is_over), (ours, our_is_over) = said
    return (COOKIE.sub(b"", real), real_is_over), (COOKIE.sub(b"", ours), our_is_over)


async def same(stage: Any, sshd: Daemon, *parts: bytes) -> bytes:
    real, ours = await both(stage, sshd, *parts)
    assert ours == real
    return ours[0]


@pytest.mark.root
async def test_a_first_line_is_answered_as_sshd_answers_it(stage: Any, sshd: Daemon) -> None:
    pairs = await asyncio.gather(*(both(stage, sshd, line) for line in FIRST_LINES.values()))
    for name, (real, ours) in zip(FIRST_LINES, pairs, strict=True):
        assert (name, ours) == (name, real)


@pytest.mark.root
async def test_a_first_packet_is_answered_as_sshd_answers_it(stage: Any, sshd: Daemon) -> None:
    pairs = await asyncio.gather(*(both(stage, sshd, CLIENT, packet) for packet in FIRST_PACKETS.values()))
    for name, (real, ours) in zip(FIRST_PACKETS, pairs, strict=True):
        assert (name, ours) == (name, real)


@pytest.mark.root
async def test_strict_key_exchange_is_as_strict_as_sshds(stage: Any, sshd: Daemon) -> None:
    said, _ = await talk(sshd.port, CLIENT)
    strict = plain_packet(plain_messages(said)[0].replace(b"kex-strict-s-v00", b"kex-strict-c-v00"))
    for packets in (
        (strict, plain_packet(b"\x02" + String("x"))),
        (plain_packet(b"\x02" + String("x")), strict),
    ):
        assert b"strict KEX violation" in await same(stage, sshd, CLIENT, b"".join(packets))
    await same(stage, sshd, CLIENT, strict + plain_packet(b"\x05" + String("ssh-userauth")))
    await same(stage, sshd, CLIENT, strict + plain_packet(b"\x1f" + String("x")))
    await same(stage, sshd, CLIENT, strict + plain_packet(b"\x1e" + UInt32(99)))


@pytest.mark.root
@pytest.mark.parametrize(
    "algorithms",
    [
        {"kex_algs": ["sntrup761x25519-sha512@openssh.com"]},
        {"kex_algs": ["diffie-hellman-group-exchange-sha256"]},
        {
            "kex_algs": ["curve25519-sha256"],
            "encryption_algs": ["aes128-ctr"],
            "mac_algs": ["umac-64@openssh.com"],
        },
        {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
    ],
)
async def test_the_key_exchange_ends_in_the_same_messages(
    stage: Any, sshd: Daemon, algorithms: dict[str, list[str]]
) -> None:
    real, ours = await asyncio.gather(connect(sshd.port, **algorithms), connect(stage.port, **algorithms))
    real_rest, our_rest = await asyncio.gather(real.begin(), ours.begin())
    assert [m[0] for m in our_rest.messages] == [m[0] for m in real_rest.messages]
    assert ours.messages[0][17:] == real.messages[0][17:]
    assert ours.messages[-2:] == real.messages[-2:]


@pytest.mark.root
@pytest.mark.parametrize("cipher", ["aes128-ctr", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"])
async def test_a_corrupted_message_ends_in_silence(stage: Any, sshd: Daemon, cipher: str) -> None:
    for port in (sshd.port, stage.port):
        scribe = await connect(port, encryption_algs=[cipher])
        known = len(scribe.messages)
        scribe._send(bytes(64))
        await scribe.ask(2, String(""), patience=3)
        assert [message[0] for message in scribe.messages[known:]] in ([], [7])


@pytest.mark.root
async def test_no_common_algorithm_ends_in_silence(stage: Any, sshd: Daemon) -> None:
    for port in (sshd.port, stage.port):
        scribe = await connect(port, kex_algs=["diffie-hellman-group14-sha1"])
        assert scribe.is_over
        assert [message[0] for message in scribe.messages] == [20]
    assert not stage.of(Malformed)


def play(visit: Visit, parts: Iterator[bytes]) -> list[object]:
    """A whole connection to the lure; nothing may come after a hangup."""
    lure = SshLure(visit)
    effects = list(lure.connected())
    for part in parts:
        effects += lure.receive(part)
    effects += lure.closed()
    ends = [index for index, effect in enumerate(effects) if isinstance(effect, Hangup)]
    assert len(ends) <= 1
    if ends:
        assert not [effect for effect in effects[ends[0] :] if isinstance(effect, Reply)]
    return effects


async def test_the_client_is_fingerprinted_from_its_lists(visit: Visit) -> None:
    lists = [String(name) for name in ("k1,k2", "h", "e1", "e2", "m1", "m2", "none", "zlib", "", "")]
    effects = play(visit, iter([CLIENT, plain_packet(b"\x14" + bytes(16) + b"".join(lists) + bytes(5))]))
    assert Emit(ClientIdentified("SSH-2.0-x", "6a3b6b0079fcbd1a3ca4b80637cc6e97")) in effects


async def test_a_packet_is_bounded(visit: Visit) -> None:
    assert Hangup() not in play(visit, iter([CLIENT, UInt32(MAX_PACKET_BYTES - 4) + bytes(4)]))
    assert Hangup() in play(visit, iter([CLIENT, UInt32(MAX_PACKET_BYTES + 4) + bytes(4)]))


def test_compression_cannot_make_much_of_little() -> None:
    squeeze = zlib.compressobj()
    packets = [squeeze.compress(bytes(200_000)) + squeeze.flush(zlib.Z_SYNC_FLUSH) for _ in range(40)]
    inflater = Inflater()
    sizes = [inflater.decompress(packet) for packet in packets]
    assert sum(len(payload) for payload in sizes if payload) <= MAX_INFLATED_BYTES
    assert sizes[-1] is None
    assert Inflater().decompress(zlib.compress(bytes(MAX_PACKET_BYTES + 1))) is None
    assert Inflater().decompress(b"not zlib") is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from(
        [b"", b"SSH-", CLIENT, CLIENT + plain_packet(b"\x14" + bytes(16) + String("") * 10 + bytes(5))]
    ),
    data=st.binary(max_size=400),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
async def test_any_bytes_cut_anywhere_are_survived(
    visit: Visit, prefix: bytes, data: bytes, cuts: list[int]
) -> None:
    stream = prefix + data
    edges = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    play(visit, (stream[start:stop] for start, stop in pairwise(edges)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    exchange=st.sampled_from(
        [
            "sntrup761x25519-sha512",
            "curve25519-sha256",
            "ecdh-sha2-nistp256",
            "diffie-hellman-group14-sha256",
            "diffie-hellman-group-exchange-sha256",
        ]
    ),
    host_key=st.sampled_from(["rsa-sha2-512", "ecdsa-sha2-nistp256", "ssh-ed25519"]),
    bodies=st.lists(
        st.tuples(
            st.sampled_from([20, 21, 30, 31, 32, 34]),
            st.one_of(
                st.binary(max_size=80),
                st.integers(0, 2**32 - 1).map(lambda n: UInt32(n) * 3),
                st.sampled_from([32, 65, 256, 1158 + 32])
                .flatmap(lambda n: st.binary(min_size=n, max_size=n))
                .map(String),
            ),
        ),
        max_size=3,
    ),
)
async def test_any_key_exchange_is_survived(
    visit: Visit, exchange: str, host_key: str, bodies: list[tuple[int, bytes]]
) -> None:
    names = (exchange, host_key, *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2, *["none"] * 2, "", "")
    kexinit = plain_packet(b"\x14" + bytes(16) + b"".join(map(String, names)) + bytes(5))
    packets = (plain_packet(bytes((kind,)) + body) for kind, body in bodies)
    play(visit, iter([CLIENT, kexinit, *packets]))
