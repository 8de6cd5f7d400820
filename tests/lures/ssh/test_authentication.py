"""The authentication dialogue, message for message as sshd's; and what is reported of it."""

import asyncio
from typing import Any

import pytest
from asyncssh.packet import Boolean, SSHPacket, String
from asyncssh.packet import UInt32 as Number
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propolis.events import CredentialTried
from propolis.lures.lure import Reply, Visit
from propolis.lures.ssh.authentication import MAX_SECRET_CHARS, Authentication
from propolis.lures.ssh.lure import _options
from propolis.lures.ssh.persona import load
from propolis.lures.ssh.record import Daemon
from propolis.lures.ssh.scribe import connect
from propolis.lures.ssh.transport import Transport
from propolis.lures.ssh.wire import Wire

NO, YES = Boolean(value=False), Boolean(value=True)
ED25519 = String("ssh-ed25519") + String(b"a" * 32)


def offer(user: str | bytes, method: str, *rest: bytes, service: str = "ssh-connection") -> tuple[int, bytes]:
    return 50, String(user) + String(service) + String(method) + b"".join(rest)


DIALOGUES = {
    "another service": [(5, String("ssh-connection"))],
    "no service": [offer("root", "none"), (90, String("session")), (60, b"")],
    "service twice": [(5, String("ssh-userauth"))] * 2,
    "a type that does not exist": [(192, b"")],
    "none of six": [(5, String("ssh-userauth")), *[offer("root", "none")] * 7],
    "methods there are not": [
        (5, String("ssh-userauth")),
        *(
            offer("root", method)
            for method in ("keyboard-interactive", "hostbased", "gssapi-with-mic", "x", "", "y")
        ),
    ],
    "keys": [
        (5, String("ssh-userauth")),
        offer("root", "publickey", NO, String("ssh-ed25519"), String(ED25519)),
        offer("root", "publickey", NO, String("ssh-none"), String(ED25519)),
        offer("root", "publickey", NO, String("rsa-sha2-256"), String(ED25519)),
        offer("root", "publickey", NO, String("ssh-ed25519"), String(b"xyz")),
    ],
    "a key bound to another host": [
        (5, String("ssh-userauth")),
        offer(
            "root",
            "publickey-hostbound-v00@openssh.com",
            NO,
            String("ssh-ed25519"),
            String(ED25519),
            String("x"),
        ),
    ],
    "half a key": [(5, String("ssh-userauth")), offer("root", "publickey", NO, String("ssh-ed25519"))],
    "half a password": [(5, String("ssh-userauth")), offer("root", "password", NO)],
    "another user": [(5, String("ssh-userauth")), offer("root", "none"), offer("bob", "none")],
    "another style": [(5, String("ssh-userauth")), offer("root:skey", "none"), offer("root", "none")],
    "another service later": [
        (5, String("ssh-userauth")),
        offer("root", "none"),
        offer("root", "none", service="x"),
    ],
    "a long user": [(5, String("ssh-userauth")), offer("r" * 3000, "none")],
    "a NUL": [(5, String("ssh-userauth")), offer(b"r\0t", "none")],
    "not UTF-8": [(5, String("ssh-userauth")), offer(b"r\xff", "none"), offer(b"\xfe", "none")],
    "a new password": [(5, String("ssh-userauth")), offer("root", "password", YES, String("a"), String("b"))],
    "the transport's": [(5, String("ssh-userauth")), (80, String("x") + YES), (31, b""), (21, b"")],
}


async def said(port: int, messages: list[tuple[int, bytes]]) -> list[object]:
    scribe = await connect(port)
    answers: list[object] = []
    for kind, body in messages:
        answers.append([m for m in await scribe.ask(kind, body, patience=0.7) if m[0] not in {7, 21}])
    return [*answers, scribe.is_over]


@pytest.mark.root
async def test_authentication_is_answered_as_sshd_answers_it(stage: Any, sshd: Daemon) -> None:
    real = await asyncio.gather(*(said(sshd.port, messages) for messages in DIALOGUES.values()))
    ours = await asyncio.gather(*(said(stage.port, messages) for messages in DIALOGUES.values()))
    for name, expected, answer in zip(DIALOGUES, real, ours, strict=True):
        assert (name, answer) == (name, expected)
    assert (
        CredentialTried(
            "root",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
            "publickey",
        )
        in stage
    )


class Deaf(Transport):
    """A transport whose key exchange is over, so that a test may speak in the clear."""

    def begin(self) -> None:
        self._kex_complete = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def transport(visit: Visit, wire: Wire) -> Deaf:
    made = Deaf(_options(visit.persona, visit.keys), load(visit.persona), wire, visit.random)
    made.begin()
    return made


def receive(authentication: Authentication, kind: int, body: bytes) -> bool:
    packet = SSHPacket(bytes((kind,)) + body)
    packet.get_byte()
    return authentication.receive(kind, packet)


async def test_the_weak_password_gets_in_and_no_other(
    visit: Visit, wire: Wire, transport: Deaf, password: str
) -> None:
    welcomed: list[str] = []
    for secret in (password, password, "something-else"):
        authentication = Authentication(transport, visit, wire, welcomed.append)
        receive(authentication, 5, String("ssh-userauth"))
        receive(authentication, *offer("root", "password", NO, String(secret)))
    assert welcomed == ["root", "root"]


async def test_refusals_come_after_sshds_own_times(visit: Visit, wire: Wire, transport: Deaf) -> None:
    authentication = Authentication(transport, visit, wire, lambda _: None)
    receive(authentication, 5, String("ssh-userauth"))
    wire.take()
    for _ in range(4):
        receive(authentication, *offer("root", "password", NO, String("wrong")))
    receive(authentication, *offer("root", "publickey", NO, String("ssh-ed25519"), String(ED25519)))
    *passwords, key = [effect.after_seconds for effect in wire.take() if isinstance(effect, Reply)]
    assert 0.005 <= key <= 0.0093
    assert {seconds / key for seconds in passwords} <= {128.0, 256.0, 512.0}


async def test_long_secrets_are_cut(visit: Visit, wire: Wire, transport: Deaf) -> None:
    authentication = Authentication(transport, visit, wire, lambda _: None)
    receive(authentication, 5, String("ssh-userauth"))
    receive(authentication, *offer("root", "password", NO, String("x" * 100_000)))
    tried = [effect.event for effect in wire.take() if hasattr(effect, "event")]
    assert tried == [CredentialTried("root", "x" * MAX_SECRET_CHARS)]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=st.binary(max_size=20),
    method=st.sampled_from(["none", "password", "publickey", "publickey-hostbound-v00@openssh.com", "x"]),
    rest=st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=30).map(lambda secret: NO + String(secret)),
        st.binary(max_size=30).map(lambda blob: NO + String("ssh-rsa") + String(blob)),
        st.integers(0, 2**32 - 1).map(lambda size: NO + String("ssh-rsa") + String(Number(size) + b"abc")),
    ),
)
async def test_any_request_is_survived(
    visit: Visit, transport: Deaf, user: bytes, method: str, rest: bytes
) -> None:
    authentication = Authentication(transport, visit, transport._wire, lambda _: None)
    transport.service = authentication
    for kind, body in ((5, String("ssh-userauth")), offer(user, method, rest), offer(user, method, rest)):
        transport._step = lambda kind=kind, body=body: receive(authentication, kind, body) and False
        transport.feed(b"")
