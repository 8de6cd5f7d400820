"""The connection protocol of SSH (RFC 4254) as sshd plays it with forwarding and subsystems switched off."""

import re

from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_DEBUG,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
)
from asyncssh.packet import Boolean, SSHPacket, String, UInt32

from propolis.events import PayloadReceived
from propolis.lures.ssh.session import Session
from propolis.lures.ssh.shell import Shell
from propolis.lures.ssh.transport import Transport
from propolis.lures.ssh.wire import Wire

MAX_PROOFS = 8
"""Host key signatures on one connection; each costs 2 ms."""
MAX_UNSENT_BYTES = 262_144
"""Output that waits for the client's window; beyond it output is lost."""
MAX_REPORTED_BYTES = 4096
"""How much of a refused channel's opening is reported."""

_PROHIBITED, _CONNECT_FAILED = 1, 2  # RFC 4254, 5.1
_STDERR = 1
_ACCEPTED_ENVIRONMENT = re.compile(rb"LANG|LC_.*")  # AcceptEnv of Debian's sshd_config


class Channel:
    """One session channel: flow control and state; what runs in it is a :class:`Session`."""

    def __init__(self, transport: Transport, number: int, peer: int, window: int, packet: int) -> None:
        self.number = number
        self.session: Session | None = None
        self.has_terminal = False
        self._transport = transport
        self._peer = UInt32(peer)
        self._window = window
        self._packet = max(packet, 1)
        self._unsent: list[tuple[int, bytes]] = []
        self._unsent_bytes = 0
        self._status: int | None = None
        self._is_closed = False

    def send(self, kind: int, *args: bytes) -> None:
        """A message about this channel, unless it is closed."""
        if not self._is_closed:
            self._transport.send_packet(kind, self._peer, *args)

    def write(self, data: bytes, *, is_error: bool = False) -> None:
        """Output, as far as the client's window is open; the rest follows when it opens."""
        room = MAX_UNSENT_BYTES - self._unsent_bytes
        if data[:room]:
            self._unsent.append((_STDERR if is_error else 0, data[:room]))
            self._unsent_bytes += len(data[:room])
        self.flush()

    def widen(self, size: int) -> None:
        """WINDOW_ADJUST."""
        self._window = min(self._window + size, 0xFFFF_FFFF)
        self.flush()

    def flush(self) -> None:
        """Send what the window lets through, and the end once everything is through."""
        while self._unsent and self._window:
            stream, data = self._unsent[0]
            part = data[: min(self._window, self._packet, self._transport.persona.packet)]
            if stream:
                self.send(MSG_CHANNEL_EXTENDED_DATA, UInt32(stream), String(part))
            else:
                self.send(MSG_CHANNEL_DATA, String(part))
            self._window -= len(part)
            self._unsent_bytes -= len(part)
            self._unsent[0] = (stream, data[len(part) :])
            if len(part) == len(data):
                del self._unsent[0]
        if self._status is not None and not self._unsent:
            self.send(MSG_CHANNEL_REQUEST, String("exit-status"), Boolean(value=False), UInt32(self._status))
            self.send(MSG_CHANNEL_EOF)
            self.close()

    def finish(self, status: int) -> None:
        """The program ended."""
        self._status = status
        self.flush()

    def close(self) -> None:
        """CLOSE, once."""
        self.send(MSG_CHANNEL_CLOSE)
        self._is_closed = True


class Channels:
    """Everything after login. ``shell`` is shared: files written in one session are there in the next."""

    def __init__(self, transport: Transport, wire: Wire, shell: Shell) -> None:
        self._transport = transport
        self._wire = wire
        self._shell = shell
        self._channels: dict[int, Channel] = {}
        self._is_last = False
        self._proofs = 0

    def receive(self, kind: int, packet: SSHPacket) -> bool:
        """A message above the transport; whether it means anything after login."""
        if kind == MSG_GLOBAL_REQUEST:
            self._global_request(packet)
        elif kind == MSG_CHANNEL_OPEN:
            self._open(packet)
        elif kind == MSG_CHANNEL_WINDOW_ADJUST:
            channel = self._channels.get(packet.get_uint32())
            if channel:
                channel.widen(packet.get_uint32())
        elif kind in {MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST}:
            self._on_channel(kind, packet)
        else:
            return kind == MSG_CHANNEL_EXTENDED_DATA
        return True

    def ended(self) -> None:
        """The client is gone: what was uploaded so far is reported."""
        for channel in self._channels.values():
            if channel.session:
                channel.session.cut_off()

    def _global_request(self, packet: SSHPacket) -> None:
        name, wants_reply = packet.get_string(), packet.get_boolean()
        answer: bytes | None = None
        if name == b"no-more-sessions@openssh.com":
            self._is_last = True
            answer = b""
        elif name == b"hostkeys-prove-00@openssh.com":
            answer = self._prove(packet)
        elif name in {b"tcpip-forward", b"streamlocal-forward@openssh.com"}:
            self._refused(packet)
            self._debug(self._transport.persona.texts.forwarding_disabled)
        if wants_reply and answer is None:
            self._transport.send_packet(MSG_REQUEST_FAILURE)
        elif wants_reply and answer is not None:
            self._transport.send_packet(MSG_REQUEST_SUCCESS, answer)

    def _prove(self, packet: SSHPacket) -> bytes | None:
        signatures = []
        while packet:
            self._proofs += 1
            signature = (
                self._transport.prove_host_key(packet.get_string()) if self._proofs <= MAX_PROOFS else None
            )
            if signature is None:
                return None
            signatures.append(String(signature))
        return b"".join(signatures) or None

    def _debug(self, text: str) -> None:
        self._transport.send_packet(MSG_DEBUG, Boolean(value=False), String(text), String(""))

    def _refused(self, packet: SSHPacket) -> None:
        """Somebody wants to reach through us: whereto is worth knowing."""
        self._wire.emit(PayloadReceived(packet.get_full_payload()[:MAX_REPORTED_BYTES]))

    def _open(self, packet: SSHPacket) -> None:
        kind, peer, window, size = (
            packet.get_string(),
            packet.get_uint32(),
            packet.get_uint32(),
            packet.get_uint32(),
        )
        texts = self._transport.persona.texts
        if kind == b"session" and self._is_last:
            self._transport.disconnect_because(texts.no_more_sessions)
        elif kind == b"session" and len(self._channels) < self._transport.persona.max_sessions:
            number = next(n for n in range(len(self._channels) + 1) if n not in self._channels)
            self._channels[number] = Channel(self._transport, number, peer, window, size)
            numbers = (UInt32(peer), UInt32(number), UInt32(0), UInt32(self._transport.persona.packet))
            self._transport.send_packet(MSG_CHANNEL_OPEN_CONFIRMATION, *numbers)
        else:
            if kind != b"session":
                self._refused(packet)
            if kind == b"tun@openssh.com":
                self._debug(texts.tunnel_rejected)
            code = _PROHIBITED if kind == b"direct-tcpip" else _CONNECT_FAILED
            failure = (UInt32(peer), UInt32(code), String(texts.open_failed), String(""))
            self._transport.send_packet(MSG_CHANNEL_OPEN_FAILURE, *failure)

    def _on_channel(self, kind: int, packet: SSHPacket) -> None:
        number = packet.get_uint32()
        channel = self._channels.get(number)
        texts = self._transport.persona.texts
        if channel is None:
            unknown = {
                MSG_CHANNEL_DATA: texts.unknown_data_channel,
                MSG_CHANNEL_EOF: texts.unknown_eof_channel,
                MSG_CHANNEL_CLOSE: texts.unknown_close_channel,
                MSG_CHANNEL_REQUEST: texts.unknown_request_channel,
            }
            self._transport.disconnect_because(unknown[kind], number)
        elif kind == MSG_CHANNEL_REQUEST:
            self._request(channel, packet)
        elif kind == MSG_CHANNEL_CLOSE:
            if channel.session:
                channel.session.cut_off()
            channel.close()
            del self._channels[number]
        elif channel.session and kind == MSG_CHANNEL_DATA:
            channel.session.feed(packet.get_string())
        elif channel.session:
            channel.session.end()

    def _request(self, channel: Channel, packet: SSHPacket) -> None:
        name, wants_reply = packet.get_string(), packet.get_boolean()
        is_idle = channel.session is None
        command: bytes | None = None
        is_started = False
        match name:
            case b"env":
                is_done = _ACCEPTED_ENVIRONMENT.fullmatch(packet.get_string()) is not None and is_idle
            case b"pty-req" if channel.has_terminal:
                self._transport.disconnect_because(self._transport.persona.texts.second_terminal)
                return
            case b"pty-req":
                is_done = channel.has_terminal = is_idle
            case b"window-change":
                is_done = True
            case b"shell" | b"exec":
                is_done = is_started = is_idle
                command = packet.get_string() if name == b"exec" else None
            case _:
                is_done = False
        if is_started:
            channel.send(MSG_CHANNEL_WINDOW_ADJUST, UInt32(self._transport.persona.window))
        if wants_reply:
            channel.send(MSG_CHANNEL_SUCCESS if is_done else MSG_CHANNEL_FAILURE)
        if is_started:
            self._start(channel, command)

    def _start(self, channel: Channel, command: bytes | None) -> None:
        channel.session = Session(
            self._shell, self._wire, channel.write, channel.finish, has_terminal=channel.has_terminal
        )
        if command is None:
            channel.session.login()
        else:
            channel.session.execute(command)
