"""HTTP/2 as clients speak it, and as those who attack it do."""

import h2.config
import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.serve import Heard, visit
from propolis.events import ClientIdentified, Malformed, PayloadReceived, RequestReceived
from propolis.lures.http import HttpLure
from propolis.lures.http.census import PREFACE
from propolis.lures.http.h2 import LIGHTTPD, MAX_BODY_BYTES, MAX_REQUESTS, MAX_UNSENT_BYTES, NGINX, Http2
from propolis.lures.lure import Effect, Emit, Hangup, Reply

HEADERS, RST, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
GET_BLOCK = b"\x82\x87\x84\x41\x01a"
"""``GET https /`` with the authority ``a``: entries of HPACK's static table (RFC 7541, A)."""


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def goaway(code: ErrorCodes) -> bytes:
    return frame(7, bytes(4) + int(code).to_bytes(4, "big"))


def opened() -> Heard:
    return Heard(Http2(visit(), HttpLure))


class Client:
    """A real client's state machine, talking with the lure."""

    def __init__(self, heard: Heard | None = None) -> None:
        self.heard = heard or opened()
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.connection.initiate_connection()
        self.answers: dict[int, tuple[list[tuple[str, str]], bytes]] = {}
        self._place = 0

    def ask(
        self, *fields: tuple[str, str], method: str = "GET", path: str = "/", body: bytes | None = None
    ) -> int:
        number = self.connection.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "shop.example"), (":path", path)]
        self.connection.send_headers(number, [*pseudo, *fields], end_stream=body is None)
        if body is not None:
            self.connection.send_data(number, body, end_stream=True)
        return number

    def talk(self) -> "Client":
        """Send and read until nobody has anything to say."""
        while data := self.connection.data_to_send():
            self.heard.feed(data)
            self.read()
        return self

    def read(self) -> None:
        data, self._place = self.heard.sent[self._place :], len(self.heard.sent)
        for event in self.connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived(stream_id=number, headers=fields):
                    self.answers[number] = (fields, b"")
                case h2.events.DataReceived(stream_id=number, data=data):
                    fields, before = self.answers[number]
                    self.answers[number] = (fields, before + data)
                    self.connection.acknowledge_received_data(event.flow_controlled_length, number)

    def status(self, number: int) -> str:
        return self.answers[number][0][0][1]


def requests(heard: Heard) -> list[RequestReceived]:
    return [event for event in heard.events if isinstance(event, RequestReceived)]


# --- as clients speak it -----------------------------------------------------------------------------------------


def test_every_stream_is_a_request() -> None:
    client = Client()
    first = client.ask(("user-agent", "curl"))
    second = client.ask(path="/nothing?x=1")
    third = client.ask(("content-type", "text/plain"), method="POST", path="/x", body=b"abc")
    client.talk()
    assert [client.status(number) for number in (first, second, third)] == ["200", "404", "404"]
    fields, content = client.answers[first]
    assert fields[1] == ("server", "nginx/1.22.1")
    assert b"Welcome to nginx!" in content
    assert client.heard.sent.startswith(NGINX.said)
    assert [(event.method, event.path) for event in requests(client.heard)] == [
        ("GET", "/"),
        ("GET", "/nothing?x=1"),
        ("POST", "/x"),
    ]
    assert requests(client.heard)[0].host == "shop.example"
    assert requests(client.heard)[2].payload.endswith(b"content-length: 3\r\n\r\nabc")
    assert requests(client.heard)[0].fingerprint.startswith("20-01-")


def test_the_client_is_told_of_once_with_its_frames() -> None:
    client = Client()
    client.ask()
    client.ask()
    client.talk()
    (identified,) = [event for event in client.heard.events if isinstance(event, ClientIdentified)]
    assert identified.software == "HTTP/2"
    assert identified.fingerprint.endswith("|m,s,a,p")
    (frames,) = [event for event in client.heard.events if isinstance(event, PayloadReceived)]
    assert frames.payload.startswith(PREFACE)


def test_the_preamble_is_the_server_s() -> None:
    played = Heard(Http2(visit(persona="lighttpd"), HttpLure))
    assert played.sent == LIGHTTPD.said
    client = Client(played)
    number = client.ask()
    client.talk()
    assert client.status(number) in {"200", "403", "404"}


def test_a_head_request_has_no_content() -> None:
    client = Client()
    number = client.ask(method="HEAD")
    client.talk()
    assert client.answers[number][1] == b""
    assert ("content-length", "615") in client.answers[number][0]


class Long:
    """A dialogue that answers with much, and late."""

    name = "http"
    content = bytes(range(256)) * 1_000
    delay = 0.0

    def __init__(self, _visit: object) -> None:
        pass

    def connected(self) -> list[Effect]:
        return []

    def receive(self, _data: bytes) -> list[Effect]:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.content)
        return [Reply(head + self.content, self.delay)]

    def closed(self) -> list[Effect]:
        return []


def test_content_waits_for_the_window() -> None:
    client = Client(Heard(Http2(visit(), Long)))
    numbers = [client.ask(), client.ask()]
    client.talk()
    for number in numbers:
        assert client.answers[number][1] == Long.content


def test_answers_that_are_not_read_end_the_connection() -> None:
    heard = Heard(Http2(visit(), Long))
    small = frame(SETTINGS, b"\0\4\0\0\0\0")
    heard.feed(PREFACE + small)
    for stream in range(1, 2 * MAX_UNSENT_BYTES // len(Long.content) * 2, 2):
        heard.feed(frame(HEADERS, GET_BLOCK, flags=END_STREAM | END_HEADERS, stream=stream))
    assert heard.hung_up
    assert heard.events[-1] == Malformed("HTTP/2: answers are not read", b"")


def test_a_late_answer_is_sent_late() -> None:
    class Late(Long):
        content, delay = b"x", 3.0

    lure = Http2(visit(), Late)
    said = PREFACE + frame(SETTINGS) + frame(HEADERS, GET_BLOCK, flags=END_STREAM | END_HEADERS, stream=1)
    delays = [effect.after_seconds for effect in lure.receive(said) if isinstance(effect, Reply)]
    assert delays == [0.0, 3.0]


def test_a_dialogue_that_hangs_up_without_a_word_ends_the_connection() -> None:
    class Mute(Long):
        def receive(self, _data: bytes) -> list[Effect]:
            return [Hangup()]

    client = Client(Heard(Http2(visit(), Mute)))
    client.ask()
    client.heard.feed(client.connection.data_to_send())
    assert client.heard.hung_up


def test_what_was_not_finished_is_told_at_the_end() -> None:
    client = Client()
    client.connection.send_headers(
        1, [(":method", "PUT"), (":scheme", "https"), (":path", "/up"), (":authority", "a")]
    )
    client.connection.send_data(1, b"<?php")
    client.talk()
    assert requests(client.heard) == []
    client.heard.close()
    (request,) = requests(client.heard)
    assert request.payload.endswith(b"content-length: 6\r\n\r\n<?php")


def test_a_long_body_is_answered_before_its_end() -> None:
    client = Client()
    client.connection.send_headers(
        1, [(":method", "PUT"), (":scheme", "https"), (":path", "/up"), (":authority", "a")]
    )
    client.talk()
    for _ in range(MAX_BODY_BYTES // 16_384 + 2):
        client.connection.send_data(1, bytes(16_384))
        client.talk()
    assert client.status(1) == "413"


# --- as attackers do ---------------------------------------------------------------------------------------------


def test_streams_that_are_reset_as_soon_as_they_are_opened_end_it() -> None:
    """CVE-2023-44487."""
    heard = opened().feed(PREFACE + frame(SETTINGS))
    for stream in range(1, 1_000, 2):
        heard.feed(
            frame(HEADERS, GET_BLOCK, flags=END_STREAM | END_HEADERS, stream=stream)
            + frame(RST, b"\0\0\0\x08", stream=stream)
        )
        if heard.hung_up:
            break
    assert heard.hung_up
    assert heard.sent.endswith(goaway(ErrorCodes.ENHANCE_YOUR_CALM))
    assert isinstance(heard.events[-1], Malformed)
    assert heard.events[-1].reason == "HTTP/2: too many RST_STREAM frames"
    assert len(requests(heard)) == 100


def test_a_header_block_that_never_ends_does() -> None:
    """CVE-2024-27316."""
    heard = opened().feed(PREFACE + frame(SETTINGS) + frame(HEADERS, b"", flags=END_STREAM, stream=1))
    for _ in range(100):
        heard.feed(frame(CONTINUATION, b"\0\1x" + b"\x7f\x81\x7f" + b"y" * 255, stream=1))
        if heard.hung_up:
            break
    assert heard.hung_up
    assert isinstance(heard.events[-1], Malformed)


@pytest.mark.parametrize(("kind", "payload"), [(SETTINGS, b""), (PING, bytes(8)), (0xEE, b"x")])
def test_a_flood_of_frames_ends_it(kind: int, payload: bytes) -> None:
    heard = opened().feed(PREFACE + frame(SETTINGS) + frame(kind, payload) * 1_000)
    assert heard.hung_up
    assert heard.sent.endswith(goaway(ErrorCodes.ENHANCE_YOUR_CALM))


def test_a_header_list_that_unfolds_is_refused() -> None:
    """CVE-2016-6581: one long entry in the table, named again and again."""
    entry = b"\x40\x01x\x7f\x81\x1e" + b"y" * 4_000
    heard = opened().feed(
        PREFACE
        + frame(SETTINGS)
        + frame(HEADERS, entry + b"\xbe" * 12_000, flags=END_STREAM | END_HEADERS, stream=1)
    )
    assert heard.hung_up
    assert isinstance(heard.events[-1], Malformed)


def test_more_streams_than_announced_are_refused() -> None:
    heard = opened().feed(PREFACE + frame(SETTINGS))
    for stream in range(1, 400, 2):
        heard.feed(frame(HEADERS, GET_BLOCK, flags=END_HEADERS, stream=stream))
    assert heard.hung_up
    assert heard.events[-1].reason == "HTTP/2: TooManyStreamsError"


def test_after_many_requests_the_connection_ends() -> None:
    heard = opened().feed(PREFACE + frame(SETTINGS) + frame(8, b"\x7f\0\0\0"))
    for stream in range(1, 2 * MAX_REQUESTS + 10, 2):
        heard.feed(frame(HEADERS, GET_BLOCK, flags=END_STREAM | END_HEADERS, stream=stream))
    assert heard.hung_up
    assert heard.sent.endswith(goaway(ErrorCodes.NO_ERROR))
    assert len(requests(heard)) == MAX_REQUESTS


def test_a_line_end_in_a_header_smuggles_nothing() -> None:
    evil = b"\0\x01x\x10a\r\nhost: evil\r\nb"
    heard = opened().feed(
        PREFACE + frame(SETTINGS) + frame(HEADERS, GET_BLOCK + evil, flags=END_STREAM | END_HEADERS, stream=1)
    )
    assert requests(heard) == []
    assert heard.events[-1].reason == "HTTP/2: line end in a header"
    assert not heard.hung_up


def test_a_transfer_coding_is_refused_and_told() -> None:
    coding = b"\0\x11transfer-encoding\x07chunked"
    heard = opened().feed(
        PREFACE
        + frame(SETTINGS)
        + frame(HEADERS, b"\x83\x87\x84\x41\x01a" + coding, flags=END_HEADERS, stream=1)
        + frame(0, b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n", flags=END_STREAM, stream=1)
    )
    assert b"transfer-encoding: chunked\r\n" in requests(heard)[0].payload
    assert [type(event) for event in heard.events][-2:] == [RequestReceived, Malformed]
    assert b"400 Bad Request" in heard.sent


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/2: ProtocolError"),
        (PREFACE + frame(SETTINGS, b"123"), "HTTP/2: FrameDataMissingError"),
        (PREFACE + frame(SETTINGS) + frame(0, b"x", stream=1), "HTTP/2: ProtocolError"),
        (PREFACE + frame(SETTINGS) + frame(HEADERS, b"\xff\xff\xff\xff\xff\xff", flags=5, stream=1), ""),
        (PREFACE + frame(SETTINGS) + frame(8, b"\0\0\0\0"), "HTTP/2: ProtocolError"),
    ],
)
def test_what_breaks_the_protocol_ends_it(said: bytes, reason: str) -> None:
    heard = opened().feed(said)
    assert heard.hung_up
    assert heard.sent[-17:-4] == goaway(ErrorCodes.NO_ERROR)[:-4]
    assert isinstance(heard.events[-1], Malformed)
    assert not reason or heard.events[-1].reason == reason


frames = st.builds(
    frame,
    st.integers(0, 10),
    st.binary(max_size=30) | st.just(GET_BLOCK) | st.just(b"\0\0\0\x08") | st.just(bytes(8)),
    flags=st.sampled_from((0, 1, 4, 5, 8, 0x20, 0x25)),
    stream=st.sampled_from((0, 1, 3, 5, 2, 2**31 - 1)),
)


@given(said=st.lists(frames, max_size=25), cut=st.integers(1, 200))
@settings(max_examples=250, deadline=None)
def test_any_frames_are_survived(said: list[bytes], cut: int) -> None:
    data = PREFACE + frame(SETTINGS) + b"".join(said)
    lure = Http2(visit(), HttpLure)
    effects = [
        effect for place in range(0, len(data), cut) for effect in lure.receive(data[place : place + cut])
    ]
    effects += lure.closed()
    assert all(isinstance(effect, Reply | Emit | Hangup) for effect in effects)


def test_who_leaves_within_the_preface_is_told() -> None:
    heard = opened().feed(PREFACE[:10]).close()
    assert heard.events == [Malformed("HTTP/2: unfinished preface", PREFACE[:10])]
