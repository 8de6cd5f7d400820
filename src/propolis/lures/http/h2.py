"""HTTP/2 (RFC 9113) in front of the HTTP/1 dialogue: every stream is one request to it, as a message of HTTP/1.1.

So a request means the same however it came, and its event has a message that rules and flaws can read. Frames come
from the package ``h2``; what a client may cost by them is bounded here, by name.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import ClassVar

import h2.config
import h2.connection
import h2.events
import h2.settings
import msgspec
from h2.errors import ErrorCodes
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes

from propolis.events import ClientIdentified, Malformed, PayloadReceived, RequestReceived
from propolis.lures.http import translate
from propolis.lures.http.census import PREFACE, Census
from propolis.lures.lure import Effect, Emit, Hangup, Lure, Reply, Visit

MAX_REQUESTS = 1_000
"""``keepalive_requests``: after so many the connection ends."""
MAX_HEADER_LIST_BYTES = 65_536
MAX_FRAME_BYTES = 2**24 - 1
"""nginx takes frames of any length (RFC 9113, 4.2); what a connection may send at all bounds what is kept of one."""
MAX_BODY_BYTES = 1_048_576
"""``client_max_body_size``: a longer one is answered without the rest."""
MAX_UNSENT_BYTES = 2_097_152
"""Content that waits because the client opens no window for it."""
SAMPLE_BYTES = 4_096


class Preamble(msgspec.Struct, frozen=True):
    """What a server says first, recorded: SETTINGS and WINDOW_UPDATE; and the same as numbers."""

    said: bytes
    streams: int
    window: int
    connection_window: int


NGINX = Preamble(
    bytes.fromhex("000012040000000000000300000080000400010000000500ffffff0000040800000000007fff0000"),
    128,
    65_536,
    2_147_418_112,
)
LIGHTTPD = Preamble(
    bytes.fromhex(
        "00001e0400000000000003000000080004000100000006"
        "0000ffff000800000001000900000001"
        "00000408000000000000030001"
    ),
    8,
    65_536,
    196_609,
)
PREAMBLES = {"lighttpd": LIGHTTPD}
"""By server persona; every other one says what nginx 1.22 does."""


class _Stream(msgspec.Struct):
    """A request on its way."""

    head: translate.Head
    body: bytearray


class _Greeting(msgspec.Struct):
    """How the client began, before its first request: what its fingerprint is made of."""

    settings: str = ""
    window: int = 0
    is_told: bool = False


class Http2:
    """One HTTP/2 connection. ``dialogue`` makes the HTTP/1 dialogue that a stream's request is put to."""

    name: ClassVar[str] = "http"

    def __init__(self, visit: Visit, dialogue: Callable[[Visit], Lure]) -> None:
        self._visit = visit
        self._dialogue = dialogue
        self._census = Census()
        self._streams: dict[int, _Stream] = {}
        self._unsent: dict[int, bytearray] = {}
        self._first = b""
        self._greeting = _Greeting()
        self._requests = 0
        self._is_over = False
        self._preamble = PREAMBLES.get(_server(visit), NGINX)
        self._connection = _connection(self._preamble)

    def connected(self) -> Iterable[Effect]:
        """The preamble: a server does not wait for the client's preface."""
        return (Reply(self._preamble.said),)

    def receive(self, data: bytes) -> Iterator[Effect]:
        """Frames, split anywhere, to answers and facts."""
        if self._is_over:
            return
        self._first += data[: SAMPLE_BYTES - len(self._first)]
        limit = self._census.count(data)
        if limit:
            yield from self._end(ErrorCodes.ENHANCE_YOUR_CALM, f"too many {limit} frames", data)
            return
        try:
            events = self._connection.receive_data(data)
        except H2Error as fault:
            code = fault.error_code if isinstance(fault, ProtocolError) else ErrorCodes.PROTOCOL_ERROR
            yield from self._end(code, type(fault).__name__, data)
            return
        gone = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
        for event in events:
            yield from self._take(event, gone)
            if self._is_over:
                return
        self._send_waiting()
        yield from self._flush(0)

    def closed(self) -> Iterator[Effect]:
        """The client left; what it had not finished is told."""
        if self._is_over:
            return
        self._is_over = True
        for stream in self._streams.values():
            lure = self._dialogue(self._visit)
            raw = translate.message(stream.head, bytes(stream.body), missing=1)
            effects = [*lure.receive(raw), *lure.closed()]
            yield from self._told(effects, stream.head)
        if len(self._first) < len(PREFACE):
            yield Emit(Malformed("HTTP/2: unfinished preface", self._first))

    def _take(self, event: h2.events.Event, gone: set[int]) -> Iterator[Effect]:
        match event:
            case h2.events.RequestReceived(stream_id=int(number), headers=list(fields)):
                yield from self._open(number, fields)
            case h2.events.DataReceived(stream_id=int(number), data=bytes(data)):
                with suppress(ProtocolError):  # of a stream that is closed by now
                    self._connection.acknowledge_received_data(event.flow_controlled_length or 0, number)
                yield from self._hear(number, data, gone)
            case h2.events.StreamEnded(stream_id=int(number)):
                stream = self._streams.pop(number, None)
                if stream is not None:
                    yield from self._answer(number, stream, gone)
            case h2.events.StreamReset(stream_id=int(number)):
                self._streams.pop(number, None)
                self._unsent.pop(number, None)
            case h2.events.RemoteSettingsChanged() | h2.events.WindowUpdated(stream_id=0):
                self._note(event)
            case h2.events.ConnectionTerminated():
                yield from self._flush(0)
                yield from self._hang_up()

    def _note(self, event: h2.events.RemoteSettingsChanged | h2.events.WindowUpdated) -> None:
        """Remember how the client began."""
        if self._greeting.is_told:
            return
        if isinstance(event, h2.events.WindowUpdated):
            self._greeting.window += event.delta or 0
        else:
            changed = event.changed_settings.items()
            self._greeting.settings = ";".join(f"{int(code)}:{change.new_value}" for code, change in changed)

    def _open(self, number: int, fields: list[tuple[bytes, bytes]]) -> Iterator[Effect]:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            yield from self._end(ErrorCodes.NO_ERROR, "", b"")
            return
        head = translate.head((bytes(name), bytes(value)) for name, value in fields)
        if isinstance(head, translate.Unsound):
            sample = b"\n".join(b"%s: %s" % (name, value) for name, value in fields)
            yield Emit(Malformed(f"HTTP/2: {head.reason}", sample[:SAMPLE_BYTES]))
            with suppress(ProtocolError):
                self._connection.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
            return
        self._streams[number] = _Stream(head, bytearray())
        if not self._greeting.is_told:
            self._greeting.is_told = True
            begun = f"{self._greeting.settings}|{self._greeting.window}|{head.order}"
            yield Emit(ClientIdentified("HTTP/2", begun))
            yield Emit(PayloadReceived(self._first))

    def _hear(self, number: int, data: bytes, gone: set[int]) -> Iterator[Effect]:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.body += data
        if len(stream.body) > MAX_BODY_BYTES:
            del self._streams[number]
            yield from self._answer(number, stream, gone)

    def _answer(self, number: int, stream: _Stream, gone: set[int]) -> Iterator[Effect]:
        """Put a request to a dialogue of its own, and send what it says."""
        lure = self._dialogue(self._visit)
        effects = list(lure.receive(translate.message(stream.head, bytes(stream.body))))
        yield from self._told(effects, stream.head)
        replies = [effect for effect in effects if isinstance(effect, Reply)]
        said = translate.response(b"".join(reply.data for reply in replies))
        if said is None:
            yield from self._hang_up()  # as in HTTP/1, where the connection is closed without an answer
            return
        if number in gone:
            return
        yield from self._flush(0)
        content = b"" if stream.head.method == b"HEAD" else said.content
        with suppress(ProtocolError):
            self._connection.encoder.header_table_size = 0  # nginx remembers no header
            self._connection.send_headers(number, said.fields, end_stream=not content)
            if content:
                self._unsent[number] = bytearray(content)
        self._send_waiting()
        yield from self._flush(sum(reply.after_seconds for reply in replies))
        if sum(map(len, self._unsent.values())) > MAX_UNSENT_BYTES:
            yield from self._end(ErrorCodes.ENHANCE_YOUR_CALM, "answers are not read", b"")

    def _told(self, effects: Iterable[Effect], head: translate.Head) -> Iterator[Effect]:
        """The dialogue's facts, with the fingerprint of a client of HTTP/2."""
        for effect in effects:
            if isinstance(effect, Emit):
                event = effect.event
                if isinstance(event, RequestReceived):
                    event = msgspec.structs.replace(event, fingerprint=head.signature)
                yield Emit(event)

    def _send_waiting(self) -> None:
        """Send as much content as the client's windows allow (RFC 9113, 5.2)."""
        for number, content in list(self._unsent.items()):
            try:
                while content:
                    room = min(
                        self._connection.local_flow_control_window(number),
                        self._connection.max_outbound_frame_size,
                    )
                    if room <= 0:
                        break
                    part = bytes(content[:room])
                    del content[:room]
                    self._connection.send_data(number, part, end_stream=not content)
            except ProtocolError:  # reset meanwhile
                content.clear()
            if not content:
                del self._unsent[number]

    def _flush(self, after_seconds: float) -> Iterator[Effect]:
        data = self._connection.data_to_send()
        if data:
            yield Reply(data, after_seconds)

    def _end(self, code: ErrorCodes | int, reason: str, data: bytes) -> Iterator[Effect]:
        """Tell what broke, say GOAWAY as nginx does (its last stream is always 0), and end."""
        if reason:
            yield Emit(Malformed(f"HTTP/2: {reason}", data[:SAMPLE_BYTES]))
        self._connection.clear_outbound_data_buffer()
        yield Reply(b"\0\0\x08\x07" + bytes(9) + int(code).to_bytes(4, "big"))
        yield from self._hang_up()

    def _hang_up(self) -> Iterator[Effect]:
        self._is_over = True
        self._streams.clear()
        self._unsent.clear()
        yield Hangup()


def _server(visit: Visit) -> str:
    """The server persona of this port, as the HTTP/1 dialogue has it."""
    return (visit.flaws.server(visit.target_port) if visit.flaws else "") or visit.persona


def _connection(preamble: Preamble) -> h2.connection.H2Connection:
    """A server's side that takes any header, as if it had said its preamble."""
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
        )
    )
    connection.local_settings = h2.settings.Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: preamble.streams,
            SettingCodes.INITIAL_WINDOW_SIZE: preamble.window,
            SettingCodes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST_BYTES,
        },
    )
    connection.max_inbound_frame_size = MAX_FRAME_BYTES
    connection.initiate_connection()
    connection.increment_flow_control_window(preamble.connection_window)
    connection.clear_outbound_data_buffer()
    return connection
