"""Key encapsulation and group exchange by themselves; with real clients they are in test_lure and test_transport."""

import asyncio
from typing import Any

import pytest
from asyncssh.kex import get_kex_algs
from asyncssh.packet import String, UInt32

from propolis.lures.ssh.exchange import SNTRUP, Sntrup761, register_sntrup
from propolis.lures.ssh.record import Daemon, plain_messages, plain_packet
from propolis.lures.ssh.scribe import connect, talk


def test_both_sides_come_to_the_same_secret() -> None:
    client, server = Sntrup761(b"sntrup761"), Sntrup761(b"sntrup761")
    secret, ciphertext = server.encaps(client.get_public())
    assert client.decaps(ciphertext) == secret
    assert (len(secret), len(ciphertext)) == (server.secret_bytes, server.ciphertext_bytes)


@pytest.mark.parametrize("length", [0, 1157, 1159])
def test_a_key_of_the_wrong_length_is_a_value_error(length: int) -> None:
    with pytest.raises(ValueError, match="length"):
        Sntrup761(b"sntrup761").encaps(bytes(length))


def test_registering_twice_is_registering_once() -> None:
    register_sntrup()
    register_sntrup()
    assert [name for name in get_kex_algs() if name in SNTRUP] == list(SNTRUP)


RANGES = [
    (1024, 1024, 1024),
    (1024, 2048, 8192),
    (2048, 5000, 8192),
    (8192, 2048, 2048),
    (0, 0, 0),
    (2048, 9000, 9000),
]


async def group(port: int, low: int, wanted: int, high: int) -> tuple[list[int], bool]:
    """The sizes of the moduli offered for a range, in bytes, and whether the server hung up."""
    said, _ = await talk(port, b"SSH-2.0-x\r\n")
    kexinit = plain_messages(said)[0]
    rest = kexinit[17 + 4 + int.from_bytes(kexinit[17:21], "big") :]
    offer = plain_packet(kexinit[:17] + String("diffie-hellman-group-exchange-sha256") + rest)
    request = plain_packet(b"\x22" + UInt32(low) + UInt32(wanted) + UInt32(high))
    said, is_over = await talk(port, b"SSH-2.0-x\r\n", offer, request)
    return [
        int.from_bytes(message[1:5], "big") for message in plain_messages(said) if message[0] == 31
    ], is_over


@pytest.mark.root
async def test_a_group_is_chosen_as_sshd_chooses_it(stage: Any, sshd: Daemon) -> None:
    real = await asyncio.gather(*(group(sshd.port, *sizes) for sizes in RANGES))
    ours = await asyncio.gather(*(group(stage.port, *sizes) for sizes in RANGES))
    assert dict(zip(RANGES, ours, strict=True)) == dict(zip(RANGES, real, strict=True))


@pytest.mark.root
async def test_groups_differ_from_one_connection_to_the_next(stage: Any) -> None:
    scribes = [await connect(stage.port, kex_algs=["diffie-hellman-group-exchange-sha256"]) for _ in range(5)]
    assert len({message for scribe in scribes for message in scribe.messages if message[0] == 31}) > 1
