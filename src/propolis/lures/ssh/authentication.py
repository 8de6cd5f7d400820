"""The authentication protocol of SSH (RFC 4252) as sshd plays it: passwords and public keys, six tries."""

import base64
from collections.abc import Callable

from asyncssh.constants import (
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from asyncssh.misc import ProtocolError
from asyncssh.packet import Boolean, NameList, SSHPacket, String

from propolis.events import CredentialTried
from propolis.lures.lure import Visit
from propolis.lures.ssh.login import account_of, check_seconds, password_of, refusal_seconds
from propolis.lures.ssh.transport import Transport
from propolis.lures.ssh.wire import Wire

MAX_NAME_CHARS = 256
"""How much of a user name is reported."""
MAX_SECRET_CHARS = 1024
"""How much of a password is reported."""
MAX_KEY_BYTES = 4096
"""How much of a public key is reported; RSA of 16,384 bits fits."""

_USERAUTH = b"ssh-userauth"
_CONNECTION = b"ssh-connection"
_HOSTBOUND = b"publickey-hostbound-v00@openssh.com"


class Authentication:
    """From the service request to the one that gets in, or to the sixth that does not.

    ``welcome`` is called with the account once, after the success was sent.
    """

    def __init__(
        self, transport: Transport, visit: Visit, wire: Wire, welcome: Callable[[str], None]
    ) -> None:
        self._transport = transport
        self._visit = visit
        self._wire = wire
        self._welcome = welcome
        self._is_requested = False
        self._user = b""
        self._service = b""
        self._attempts = 0
        self._failures = 0

    def receive(self, kind: int, packet: SSHPacket) -> bool:
        """A message above the transport; whether it means anything before login."""
        if kind == MSG_SERVICE_REQUEST:
            self._request_service(_cstring(packet))
        elif kind == MSG_USERAUTH_REQUEST and self._is_requested:
            self._try(_cstring(packet), _cstring(packet), _cstring(packet), packet)
        else:
            return False
        return True

    def _request_service(self, service: bytes) -> None:
        if service != _USERAUTH:
            self._transport.disconnect_because(self._transport.persona.texts.bad_service, service)
            return
        self._is_requested = True
        self._transport.send_packet(MSG_SERVICE_ACCEPT, String(service))

    def _try(self, user: bytes, service: bytes, method: bytes, packet: SSHPacket) -> None:
        account = user.partition(b":")[0]
        self._attempts += 1
        if self._attempts == 1:
            self._user, self._service = account, service
        elif (account, service) != (self._user, self._service):
            names = (self._user, self._service, account, service)
            self._transport.disconnect_because(self._transport.persona.texts.changed_user, *names)
            return
        name = _text(user)[:MAX_NAME_CHARS]
        if method == b"password":
            self._try_password(name, packet)
        elif method in {b"publickey", _HOSTBOUND}:
            self._try_key(name, packet, is_bound=method == _HOSTBOUND)
        else:
            self._refuse(
                0.0, is_counted=method != b"none" or self._attempts > 1, is_instant=method == b"none"
            )

    def _try_password(self, name: str, packet: SSHPacket) -> None:
        is_change = packet.get_boolean()
        password = packet.get_string()
        if is_change:
            packet.get_string()
        packet.check_end()
        secret = _text(password)
        expected = password_of(self._visit.seed, self._visit.source_ip, name)
        is_accepted = secret == expected and not is_change and self._service == _CONNECTION
        self._wire.emit(CredentialTried(name, secret[:MAX_SECRET_CHARS], "password", is_accepted))
        if is_accepted:
            self._accept(name)
        else:
            self._refuse(0.0 if is_change else check_seconds(self._visit.random))

    def _try_key(self, name: str, packet: SSHPacket, *, is_bound: bool) -> None:
        packet.get_boolean()
        packet.get_string()
        blob = packet.get_string()
        if is_bound and packet.get_string() != self._transport.host_key_blob:
            raise ProtocolError("bound to a host key that was not used")
        kind = (
            SSHPacket(blob).get_string()
            if len(blob) > 4 and int.from_bytes(blob[:4], "big") <= len(blob) - 4
            else b""
        )
        line = f"{_text(kind)[:64]} {base64.b64encode(blob[:MAX_KEY_BYTES]).decode()}"
        self._wire.emit(CredentialTried(name, line, "publickey"))
        self._refuse(0.0)

    def _refuse(self, spent_seconds: float, *, is_counted: bool = True, is_instant: bool = False) -> None:
        """FAILURE after sshd's own delay, or the end of its patience."""
        if not is_instant:
            self._wire.pause(refusal_seconds(self._visit.seed, _text(self._user), spent_seconds))
        self._failures += is_counted
        persona = self._transport.persona
        if self._failures >= persona.max_tries:
            self._transport.disconnect_because(persona.texts.too_many_failures)
            return
        methods = NameList(method.encode() for method in persona.methods)
        self._transport.send_packet(MSG_USERAUTH_FAILURE, methods, Boolean(value=False))

    def _accept(self, name: str) -> None:
        self._transport.send_packet(MSG_USERAUTH_SUCCESS)
        self._transport.open_up()
        self._welcome(account_of(name))


def _cstring(packet: SSHPacket) -> bytes:
    """A string that sshd reads as C text. Raises ``ProtocolError`` for one with a NUL in it."""
    value = packet.get_string()
    if b"\0" in value:
        raise ProtocolError("NUL in a name")
    return value


def _text(value: bytes) -> str:
    """Bytes as text that any codec takes; what is not UTF-8 is escaped."""
    return value.decode("utf-8", "backslashreplace")
