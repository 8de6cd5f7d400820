"""Recording the real sshd again gives the persona that is shipped."""

import msgspec
import pytest

from propolis.lures.ssh.persona import load
from propolis.lures.ssh.record import Daemon, plain_messages, plain_packet, record


def test_a_plain_packet_is_read_back() -> None:
    packets = plain_packet(b"\x02one") + plain_packet(b"\x03") + plain_packet(b"\x04" + bytes(300))
    assert plain_messages(b"SSH-2.0-x\r\n" + packets) == [b"\x02one", b"\x03", b"\x04" + bytes(300)]
    assert not len(packets) % 8


@pytest.mark.root
async def test_what_is_shipped_is_what_this_machines_sshd_says(sshd: Daemon) -> None:
    recorded, shipped = await record("debian12", sshd), load("debian12")
    for field in (
        "identification",
        "algorithms",
        "extensions",
        "methods",
        "max_tries",
        "max_sessions",
        "window",
        "packet",
    ):
        assert getattr(recorded, field) == getattr(shipped, field)
    assert msgspec.structs.asdict(recorded.texts) == msgspec.structs.asdict(shipped.texts)
