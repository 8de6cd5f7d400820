"""After login: the connection protocol, message for message as sshd's."""

import asyncio
import re
from typing import Any

import pytest
from asyncssh.packet import Boolean, SSHPacket, String, UInt32
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propolis.events import CommandRun, PayloadReceived
from propolis.lures.lure import Emit, Visit
from propolis.lures.ssh.channels import MAX_PROOFS, MAX_UNSENT_BYTES, Channels
from propolis.lures.ssh.lure import _options
from propolis.lures.ssh.persona import load
from propolis.lures.ssh.record import Daemon, logged_in
from propolis.lures.ssh.scribe import Scribe, connect
from propolis.lures.ssh.shell import Shell
from propolis.lures.ssh.transport import Transport
from propolis.lures.ssh.wire import Wire
from propolis.machine.host import host_of

NO, YES = Boolean(value=False), Boolean(value=True)
OPEN = (90, String("session") + UInt32(3) + UInt32(2_097_152) + UInt32(32_768))


def request(name: str, *body: bytes, channel: int = 0) -> tuple[int, bytes]:
    return 98, UInt32(channel) + String(name) + YES + b"".join(body)


def other(kind: str, *body: bytes) -> tuple[int, bytes]:
    return 90, String(kind) + UInt32(20) + UInt32(100_000) + UInt32(32_768) + b"".join(body)


def ask(name: str, *body: bytes) -> tuple[int, bytes]:
    return 80, String(name) + YES + b"".join(body)


WAIT = (3, UInt32(0))
"""A message that means nothing: time for a real shell to start."""
PTY = request("pty-req", String("xterm"), UInt32(80), UInt32(24), UInt32(0), UInt32(0), String(b"\0"))

DIALOGUES = {
    "requests": [
        OPEN,
        request("env", String("LANG"), String("C")),
        request("env", String("FOO"), String("C")),
        request("x11-req", NO, String("MIT"), String("aa"), UInt32(0)),
        request("auth-agent-req@openssh.com"),
        request("subsystem", String("sftp")),
        request("unknown"),
        request("signal", String("INT")),
        request("window-change", UInt32(80), UInt32(24), UInt32(0), UInt32(0)),
        PTY,
        PTY,
        (94, UInt32(0) + String("before there is a shell")),
    ],
    "a command": [OPEN, request("exec", String("echo hi; exit 3")), WAIT, WAIT, (97, UInt32(0)), OPEN],
    "no such command": [OPEN, request("exec", String("nosuchcmd a")), WAIT, WAIT],
    "a command on a terminal": [OPEN, PTY, request("exec", String("nosuch")), WAIT, WAIT],
    "eleven sessions": [OPEN] * 11,
    "other channels": [
        other("direct-tcpip", String("127.0.0.1"), UInt32(1), String("127.0.0.1"), UInt32(1)),
        other("direct-streamlocal@openssh.com", String("/x"), String(""), UInt32(0)),
        other("tun@openssh.com", UInt32(1), UInt32(0)),
        other("unknown"),
    ],
    "global requests": [
        ask("tcpip-forward", String(""), UInt32(0)),
        ask("cancel-tcpip-forward", String(""), UInt32(0)),
        ask("keepalive@openssh.com"),
        ask("hostkeys-prove-00@openssh.com", String("x")),
        ask("unknown"),
        ask("no-more-sessions@openssh.com"),
        OPEN,
    ],
    "what is over": [(50, String("root") * 3), (5, String("ssh-userauth")), (101, b""), (93, UInt32(9) * 2)],
    "half an opening": [(90, String("session"))],
    "data for no channel": [(94, UInt32(77) + String("x"))],
    "the end of no channel": [(96, UInt32(77))],
    "no channel closed": [(97, UInt32(77))],
    "a request on no channel": [request("shell", channel=77)],
}
PROGRAMS = {"a command", "no such command", "a command on a terminal"}


async def guest(port: int, password: str) -> Scribe:
    scribe = await (await connect(port)).begin()
    await scribe.offer("root", "password", NO, String(password))
    return scribe


async def said(scribe: Scribe, messages: list[tuple[int, bytes]]) -> list[object]:
    answers: list[object] = [await scribe.ask(kind, body, patience=0.7) for kind, body in messages]
    return [*answers, scribe.is_over]


def settled(name: str, answers: list[object]) -> list[object]:
    """A real program answers in its own time, and EOF and exit status come in either order."""
    if name not in PROGRAMS:
        return answers
    return sorted(message for answer in answers if isinstance(answer, list) for message in answer)


@pytest.mark.root
async def test_the_connection_is_answered_as_sshd_answers_it(stage: Any, sshd: Daemon, password: str) -> None:
    real = await asyncio.gather(*(logged_in(sshd) for _ in DIALOGUES))
    ours = await asyncio.gather(*(guest(stage.port, password) for _ in DIALOGUES))
    expected, answers = await asyncio.gather(
        asyncio.gather(*map(said, real, DIALOGUES.values())),
        asyncio.gather(*map(said, ours, DIALOGUES.values())),
    )
    for name, want, got in zip(DIALOGUES, expected, answers, strict=True):
        assert (name, settled(name, got)) == (name, settled(name, want))
    assert any(b"direct-tcpip" in event.payload for event in stage.of(PayloadReceived))


@pytest.mark.root
async def test_login_is_followed_by_the_same_announcement(stage: Any, sshd: Daemon, password: str) -> None:
    real, ours = await logged_in(sshd), await guest(stage.port, password)
    real_kinds = [
        message[0] for message in real.messages if message[0] != 4
    ]  # without debugging of the key's options
    assert [message[0] for message in ours.messages] == real_kinds
    assert ours.messages[-1].startswith(b"P\0\0\0\x17hostkeys-00@openssh.com\0\0\0\x01\x97\0\0\0\x07ssh-rsa")


@pytest.mark.root
async def test_a_terminal_echoes_as_bash_does(stage: Any, sshd: Daemon, password: str) -> None:
    texts = (b"idx\x7f\r", b"nosuch\r", b"ab", b"\x03", b"abcde\x15", b"\x04")
    dialogue = [OPEN, PTY, request("shell"), WAIT, WAIT, *((94, UInt32(0) + String(text)) for text in texts)]
    scribes = (await logged_in(sshd), await guest(stage.port, password))
    real, ours = [
        [b"".join(SSHPacket(m[5:]).get_string() for m in answer if m[0] == 94) for answer in answers[5:11]]
        for answers in await asyncio.gather(*(said(scribe, dialogue) for scribe in scribes))
    ]
    assert _nameless(ours) == _nameless(real)


def _nameless(texts: list[bytes]) -> list[bytes]:
    """Without the host's name in the prompts."""
    return [re.sub(rb"@[^:]+:", b"@:", text) for text in texts]


Made = tuple[Channels, Wire, Transport]


@pytest.fixture
async def channels(visit: Visit) -> tuple[Channels, Wire, Transport]:
    wire, persona = Wire(), load(visit.persona)
    transport = Transport(_options(visit.persona, visit.keys), persona, wire, visit.random)
    transport._kex_complete = True
    made = Channels(transport, wire, Shell(persona, host_of(visit.seed), "root"))
    transport.service = made
    return made, wire, transport


def feed(made: Made, *messages: tuple[int, bytes]) -> None:
    service, _, transport = made
    for kind, body in messages:
        packet = SSHPacket(bytes((kind,)) + body)
        packet.get_byte()
        transport._step = lambda kind=kind, packet=packet: service.receive(kind, packet) and False
        transport.feed(b"")


async def test_output_waits_for_the_clients_window(channels: Made) -> None:
    narrow = (90, String("session") + UInt32(3) + UInt32(2) + UInt32(32_768))
    feed(channels, narrow, request("exec", String("echo abc")))
    assert String("ab") in channels[1].take()[-1].data
    feed(channels, (93, UInt32(0) + UInt32(100)))
    sent = channels[1].take()[-1].data
    assert String("c\n") in sent
    assert String("exit-status") in sent


async def test_output_that_nobody_takes_is_bounded(channels: Made) -> None:
    narrow = (90, String("session") + UInt32(3) + UInt32(0) + UInt32(32_768))
    feed(channels, narrow, request("shell"))
    for _ in range(40):
        feed(channels, (94, UInt32(0) + String(b"echo " + b"a" * 20_000 + b"\n")))
    (channel,) = channels[0]._channels.values()
    assert channel._unsent_bytes <= MAX_UNSENT_BYTES


async def test_proofs_of_host_keys_are_bounded(channels: Made) -> None:
    key = next(iter(channels[2]._all_server_host_keys))
    feed(channels, *[ask("hostkeys-prove-00@openssh.com", String(key))] * (MAX_PROOFS + 1))
    replies = b"".join(effect.data for effect in channels[1].take())
    assert replies.count(b"rsa-sha2-512") == MAX_PROOFS


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(
        st.one_of(
            st.sampled_from(
                [
                    OPEN,
                    PTY,
                    request("shell"),
                    request("exec", String("cat")),
                    (96, UInt32(0)),
                    (97, UInt32(0)),
                ]
            ),
            st.binary(max_size=60).map(lambda data: (94, UInt32(0) + String(data))),
            st.binary(max_size=60).map(lambda line: request("exec", String(line))),
            st.tuples(st.integers(80, 127), st.binary(max_size=40)),
        ),
        max_size=12,
    )
)
async def test_any_messages_are_survived(visit: Visit, messages: list[tuple[int, bytes]]) -> None:
    wire, persona = Wire(), load(visit.persona)
    transport = Transport(_options(visit.persona, visit.keys), persona, wire, visit.random)
    transport._kex_complete = True
    made = Channels(transport, wire, Shell(persona, host_of(visit.seed), "root"))
    feed((made, wire, transport), *messages)
    made.ended()


async def test_an_upload_is_reported_when_the_client_vanishes(channels: Made) -> None:
    feed(channels, OPEN, request("exec", String("cat > x")), (94, UInt32(0) + String("half")))
    channels[0].ended()
    assert [effect.event for effect in channels[1].take() if isinstance(effect, Emit)] == [
        CommandRun("cat > x", b"cat > x"),
        PayloadReceived(b"half"),
    ]
