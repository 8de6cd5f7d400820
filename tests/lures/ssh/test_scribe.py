"""The scribe against the lure; against a real sshd it works in test_record."""

from typing import Any

from propolis.lures.ssh.scribe import connect, talk


async def test_talk_hears_until_the_server_is_quiet_or_gone(stage: Any) -> None:
    said, is_over = await talk(stage.port)
    assert (said, is_over) == (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", False)
    said, is_over = await talk(stage.port, b"x\r\n")
    assert said.endswith(b"Invalid SSH identification string.\r\n")
    assert is_over


async def test_every_message_is_taken_down(stage: Any) -> None:
    scribe = await (await connect(stage.port)).begin()
    assert [message[0] for message in scribe.messages] == [20, 31, 21, 7, 6]
    assert await scribe.offer("root", "none") == [b"3\0\0\0\x12publickey,password\0"]
    assert not scribe.is_over
