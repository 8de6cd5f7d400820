"""The transport layer of SSH (RFC 4253) as OpenSSH's sshd plays it, on asyncssh's key exchange and ciphers.

asyncssh brings cryptography, negotiation and packets out. What comes in is read here: which bytes make a server
complain, in which words, and which make it hang up in silence is what tells one server from another.
"""

import asyncio
import copy
import hashlib
import random
import re
import zlib
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, cast

from asyncssh.connection import SSHServerConnection, SSHServerConnectionOptions
from asyncssh.constants import (
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_IGNORE,
    MSG_KEX_LAST,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_UNIMPLEMENTED,
)
from asyncssh.misc import DisconnectError, KeyExchangeFailed, ProtocolError
from asyncssh.packet import (
    Boolean,
    Byte,
    NameList,
    PacketDecodeError,
    SSHPacket,
    SSHPacketLogger,
    String,
    UInt32,
)
from asyncssh.public_key import SSHKeyPair

from propolis.events import ClientIdentified, Malformed
from propolis.lures.ssh.exchange import as_sshd
from propolis.lures.ssh.persona import Persona
from propolis.lures.ssh.wire import Wire

MAX_PACKET_BYTES = 256 * 1024
"""OpenSSH's own bound for one packet, before and after decompression."""
MAX_INFLATED_BYTES = 4 * 1_048_576
"""What one connection may say under compression, whatever it took on the wire."""
MAX_LINE_BYTES = 8192
"""OpenSSH's own bound for the client's first line."""
MAX_DISCONNECT_BYTES = 1023
"""OpenSSH's own bound for the text of a disconnect."""
MAX_SAMPLE_BYTES = 256
"""How much of what broke the protocol is reported."""
MAX_REASON_CHARS = 256
"""How much is said of why."""
MAX_SOFTWARE_CHARS = 512
"""How much of the client's name is reported."""

_PROTOCOL_ERROR = 2  # RFC 4253, 11.1; sshd gives no other reason
_LAST_TRANSPORT = 49
_KEX_STEPS = frozenset(
    {30, 32, 34}
)  # what a client says in an exchange (RFC 4253, 8; RFC 4419, 5; RFC 5656, 7.1)
_LAST_KNOWN = 191
_IDENTIFICATION = re.compile(rb"SSH-\s*([+-]?\d{1,9})\.\s*([+-]?\d{1,9})-.+", re.DOTALL)
_STRICT = b"kex-strict-s-v00@openssh.com"
_STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
_FAULTS = (DisconnectError, PacketDecodeError, ValueError)


class Service(Protocol):
    """What runs above the transport."""

    def receive(self, kind: int, packet: SSHPacket) -> bool:
        """Whether the message, which is not one of the transport's, means anything now."""
        ...


class Inflater:
    """zlib@openssh.com towards us, with an end to it: 1 KB could become 1 MB."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj()
        self._left_bytes = MAX_INFLATED_BYTES

    def decompress(self, data: bytes) -> bytes | None:
        """The payload, or ``None`` if it is not zlib or too long."""
        try:
            payload = self._inflate.decompress(data, MAX_PACKET_BYTES)
        except zlib.error:
            return None
        self._left_bytes -= len(payload)
        return None if self._inflate.unconsumed_tail or self._left_bytes < 0 else payload


class Transport(SSHServerConnection):
    """One connection, without a loop, a task or a socket: :meth:`feed` answers before it returns."""

    def __init__(
        self, options: SSHServerConnectionOptions, persona: Persona, wire: Wire, rng: random.Random
    ) -> None:
        super().__init__(asyncio.get_running_loop(), options)
        self.persona = persona
        self.service: Service | None = None
        self._wire = wire
        self._transport = wire
        self._random = rng
        self._inbox = bytearray()
        self._sample = b""
        self._step = self._identify
        self._is_identified = False
        self._server_host_key_algs = [name.encode() for name in persona.algorithms.host_key]
        self._version = persona.identification.removeprefix("SSH-2.0-").encode()

    @property
    def host_key_blob(self) -> bytes:
        """The public host key of the last exchange."""
        return self._server_host_key.public_data if self._server_host_key else b""

    def greet(self) -> None:
        """Say who we are; sshd does so before it reads."""
        self._send_version()

    def feed(self, data: bytes) -> None:
        """Bytes from the client. Everything they lead to is on the wire when this returns."""
        if not self._wire.is_open:
            return
        self._inbox += data
        try:
            while self._wire.is_open and self._step():
                pass
        except KeyExchangeFailed:
            # a client of other algorithms is not malformed, and sshd does not tell it
            self._wire.close()
        except _FAULTS as fault:
            # what sshd says of a fault, mostly nothing, was said before it was raised
            self._wire.emit(Malformed(str(fault)[:MAX_REASON_CHARS], self._sample[:MAX_SAMPLE_BYTES]))
            self._wire.close()

    def ended(self) -> None:
        """The client is gone. One that never came to its KEXINIT is still named."""
        if self._client_version and not self._is_identified:
            self._tell_client("")

    def disconnect_because(self, text: str, *parts: bytes | int) -> None:
        """DISCONNECT in sshd's words, with the client's own in them, then hang up."""
        words = (
            part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else part for part in parts
        )
        reason = text.format(*words).encode("utf-8", "surrogateescape")[:MAX_DISCONNECT_BYTES]
        self.send_packet(MSG_DISCONNECT, UInt32(_PROTOCOL_ERROR), String(reason), String(""))
        self._wire.close()

    def open_up(self) -> None:
        """The client logged in: compression begins, and it may know our other keys (OpenSSH ``PROTOCOL``, 2.5)."""
        self._auth_complete = True
        self.send_server_host_keys()

    def prove_host_key(self, blob: bytes) -> bytes | None:
        """The signature that ``hostkeys-prove-00@openssh.com`` asks for, or ``None`` for a key that is not ours."""
        pair = self._all_server_host_keys.get(blob)
        if pair is None:
            return None
        signer = copy.copy(pair)
        if signer.algorithm in {b"ssh-rsa", b"rsa-sha2-256"}:
            signer.set_sig_algorithm(b"rsa-sha2-512")
        return signer.sign(String("hostkeys-prove-00@openssh.com") + String(self._session_id) + String(blob))

    def _identify(self) -> bool:
        """The client's first line, in the order in which sshd's ``kex_exchange_identification`` judges it."""
        end = self._inbox.find(b"\n")
        line = bytes(self._inbox[: end if end >= 0 else MAX_LINE_BYTES + 1])
        text, _, after_return = line.partition(b"\r")
        if b"\0" in line or after_return or len(line) > MAX_LINE_BYTES:
            return self._refuse(line, self.persona.texts.invalid_identification)
        if end < 0:
            return False
        match = _IDENTIFICATION.fullmatch(text)
        if match is None:
            return self._refuse(line, self.persona.texts.invalid_identification)
        major, minor = int(match[1]), int(match[2])
        if major != 2 and (major, minor) != (1, 99):
            return self._refuse(line, self.persona.texts.major_differs)
        del self._inbox[: end + 1]
        self._client_version = text
        self._send_kexinit()
        self._kexinit_sent = True
        self._step = self._read_header
        return True

    def _refuse(self, line: bytes, text: str) -> bool:
        self._wire.emit(Malformed(reason=text, payload=line[:MAX_SAMPLE_BYTES]))
        self._wire.write(text.encode() + b"\r\n")
        self._wire.close()
        return False

    def _read_header(self) -> bool:
        if len(self._inbox) < self._recv_blocksize:
            return False
        header = self._sample = bytes(self._inbox[: self._recv_blocksize])
        del self._inbox[: self._recv_blocksize]
        length = header[:4]
        if self._recv_encryption:
            header, length = self._recv_encryption.decrypt_header(self._recv_seq, header, 4)
        self._packet = header
        self._pktlen = int.from_bytes(length, "big")
        if not 5 <= self._pktlen <= MAX_PACKET_BYTES:
            raise ProtocolError(f"packet length {self._pktlen}")
        if not self._recv_encryption and (4 + self._pktlen) % 8:
            raise ProtocolError(f"packet length {self._pktlen} is not a whole number of blocks")
        self._step = self._read_body
        return True

    def _read_body(self) -> bool:
        missing = 4 + self._pktlen + self._recv_macsize - self._recv_blocksize
        if len(self._inbox) < missing:
            return False
        rest = bytes(self._inbox[: missing - self._recv_macsize])
        mac = bytes(self._inbox[missing - self._recv_macsize : missing])
        del self._inbox[:missing]
        data: bytes | None = self._packet[4:] + rest
        if self._recv_encryption:
            data = self._recv_encryption.decrypt_packet(self._recv_seq, self._packet, rest, 4, mac)
        if not data:
            raise ProtocolError("message authentication code incorrect")
        self._step = self._read_header
        self._open_packet(data)
        return True

    def _open_packet(self, data: bytes) -> None:
        padding = data[0]
        if padding < 4:
            self.disconnect_because(self.persona.texts.bad_padding, padding)
            raise ProtocolError(f"padding of {padding} bytes")
        payload: bytes | None = data[1 : len(data) - padding]
        if payload and self._decompressor and (self._auth_complete or not self._decompress_after_auth):
            payload = self._decompressor.decompress(payload)
        if not payload:
            raise ProtocolError("packet without a message")
        if not 1 <= payload[0] <= _LAST_KNOWN:
            self.disconnect_because(self.persona.texts.bad_packet_type, payload[0])
            raise ProtocolError(f"packet type {payload[0]}")
        sequence = self._recv_seq
        self._recv_seq = 0 if payload[0] == MSG_NEWKEYS and self._strict_kex else (sequence + 1) & 0xFFFF_FFFF
        self._sample = payload
        self._route(payload[0], sequence, payload)

    def _route(self, kind: int, sequence: int, payload: bytes) -> None:
        packet = SSHPacket(payload)
        packet.get_byte()
        is_initial = not self._recv_encryption
        if kind == MSG_DISCONNECT:
            self._wire.close()
        elif kind == MSG_KEXINIT:
            self._negotiate(sequence, packet)
        elif kind == MSG_NEWKEYS and self._next_recv_encryption:
            self._change_keys(packet)
        elif kind in _KEX_STEPS and self._kex and kind in self._kex._packet_handlers:  # noqa: SLF001 - no other way to ask
            self._exchange(kind, sequence, packet)
        elif is_initial and self._strict_kex and kind <= _LAST_TRANSPORT:
            self.disconnect_because(self.persona.texts.strict_violation, kind, sequence)
            raise ProtocolError(f"packet type {kind} in a strict key exchange")
        elif kind in {MSG_IGNORE, MSG_UNIMPLEMENTED, MSG_DEBUG, MSG_EXT_INFO}:
            return
        elif is_initial and kind > _LAST_TRANSPORT:
            raise ProtocolError(f"packet type {kind} before the key exchange")
        elif is_initial or self.service is None or not self.service.receive(kind, packet):
            self.send_packet(MSG_UNIMPLEMENTED, UInt32(sequence))

    def _negotiate(self, sequence: int, packet: SSHPacket) -> None:
        """Both KEXINITs are known: choose, and let asyncssh's handler of the chosen exchange take over."""
        if not self._session_id:
            self._fingerprint(packet.get_full_payload())
            if sequence and _STRICT_CLIENT in packet.get_full_payload():
                self.disconnect_because(self.persona.texts.strict_first)
                raise ProtocolError("KEXINIT was not the first packet of a strict key exchange")
        # asyncssh looks at the sequence number of the packet itself, which is ours minus the one just counted
        counted, self._recv_seq = self._recv_seq, sequence
        _finish(self._process_kexinit(MSG_KEXINIT, sequence, packet))
        self._recv_seq = counted
        self._kex = as_sshd(self._kex, self, self.persona.groups, self._random)

    def _exchange(self, kind: int, sequence: int, packet: SSHPacket) -> None:
        if self._ignore_first_kex:
            self._ignore_first_kex = False
        elif self._kex:
            self._kex.process_packet(kind, sequence, packet)

    def _change_keys(self, packet: SSHPacket) -> None:
        self._process_newkeys(MSG_NEWKEYS, 0, packet)
        if self._decompressor:
            self._decompressor = cast("Any", Inflater())

    def _fingerprint(self, kexinit: bytes) -> None:
        """HASSH (Salesforce, 2018): MD5 of the client's exchange, cipher, MAC and compression lists, as sent."""
        packet = SSHPacket(kexinit)
        packet.get_bytes(17)
        lists = [packet.get_string() for _ in range(8)]
        joined = b";".join((lists[0], lists[2], lists[4], lists[6]))
        self._tell_client(hashlib.md5(joined, usedforsecurity=False).hexdigest())

    def _tell_client(self, fingerprint: str) -> None:
        self._is_identified = True
        software = self._client_version.decode("utf-8", "backslashreplace")[:MAX_SOFTWARE_CHARS]
        self._wire.emit(ClientIdentified(software=software, fingerprint=fingerprint))

    def choose_server_host_key(self, peer_host_key_algs: Sequence[bytes]) -> bool:
        """The client's first algorithm that we announce; a copy signs, since connections share the key."""
        for name in peer_host_key_algs:
            pair: SSHKeyPair | None = self._server_host_keys.get(name)
            if pair and name in (self._server_host_key_algs or ()):
                self._server_host_key = copy.copy(pair)
                self._server_host_key.set_sig_algorithm(name)
                return True
        return False

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """One packet out (RFC 4253, 6). sshd pads with zeros until there is a cipher, and sends no fillers."""
        del handler
        if pkttype > MSG_KEX_LAST and not self._kex_complete:
            self._deferred_packets.append((pkttype, args))
            return
        payload: bytes | None = Byte(pkttype) + b"".join(args)
        if self._compressor and payload and (self._auth_complete or not self._compress_after_auth):
            payload = self._compressor.compress(payload)
        if payload is None:
            raise ProtocolError("compression failed")
        padding = -(self._send_enchdrlen + len(payload)) % self._send_blocksize
        padding += self._send_blocksize if padding < 4 else 0
        filler = self._random.randbytes(padding) if self._send_encryption else bytes(padding)
        packet = Byte(padding) + payload + filler
        header, mac = UInt32(len(packet)), b""
        if self._send_encryption:
            packet, mac = self._send_encryption.encrypt_packet(self._send_seq, header, packet)
            self._wire.write(packet + mac)
        else:
            self._wire.write(header + packet)
        self._send_seq = (
            0 if pkttype == MSG_NEWKEYS and self._strict_kex else (self._send_seq + 1) & 0xFFFF_FFFF
        )

    def _send_kexinit(self) -> None:
        self._kex_complete = False
        offered = [*self._kex_algs, _STRICT]
        hosts, languages = self._server_host_key_algs or (), NameList(())
        ciphers, macs, compressions = map(NameList, (self._enc_algs, self._mac_algs, self._cmp_algs))
        body = (NameList(offered), NameList(hosts), ciphers, ciphers, macs, macs, compressions, compressions)
        payload = b"".join(
            (self._random.randbytes(16), *body, languages, languages, Boolean(value=False), UInt32(0))
        )
        self._server_kexinit = Byte(MSG_KEXINIT) + payload
        self.send_packet(MSG_KEXINIT, payload)

    def _send_ext_info(self) -> None:
        pairs = self.persona.extensions
        body = b"".join(String(name) + String(value) for name, value in pairs)
        self.send_packet(MSG_EXT_INFO, UInt32(len(pairs)), body)

    def _force_close(self, exc: Exception | None) -> None:
        del exc
        self._wire.close()


def _finish(steps: Coroutine[Any, Any, None]) -> None:
    """Run what asyncssh declares asynchronous for clients and GSSAPI, but never waits in on this server."""
    try:
        steps.send(None)
    except StopIteration:
        return
    steps.close()
    raise ProtocolError("a step of the key exchange waited")
