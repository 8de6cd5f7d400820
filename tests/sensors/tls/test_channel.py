"""TLS as a dialogue of bytes: clients that speak it, clients that break it, and clients that never meant to."""

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handshake import Peer, front_of
from propolis.events import Malformed, TlsOffered
from propolis.events.hello import MAX_RAW_BYTES
from propolis.sensors.tls import Answered, Channel, Ended, Reported, Unprotected

ALERT_DECODE = b"\x15\x03\x03\0\2\2\x32"
ALERT_PROTOCOL = b"\x15\x03\x03\0\2\2\x78"


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_dialogue_inside_tls(highest: ssl.TLSVersion) -> None:
    peer = Peer(front_of(), highest=highest)
    peer.context.set_alpn_protocols(["h2", "http/1.1"])
    assert peer.shake("shop.example")
    (offered,) = peer.events
    assert isinstance(offered, TlsOffered)
    assert (offered.sni, offered.alpn) == ("shop.example", "h2,http/1.1")
    assert offered.payload.startswith(b"\x16\x03\x01")
    assert peer.opened is not None
    assert (peer.opened.ja4, peer.opened.ja3) == (offered.ja4, offered.ja3)
    assert (peer.opened.sni, peer.opened.alpn) == ("shop.example", "http/1.1")
    peer.say(b"GET / HTTP/1.1\r\n\r\n")
    assert peer.heard == b"GET / HTTP/1.1\r\n\r\n"
    assert peer.hear(peer.channel.protect(b"HTTP/1.1 200 OK\r\n\r\n")) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert peer.hear(peer.channel.goodbye()) == b""
    assert peer.channel.protect(b"too late") == b""


def test_a_long_answer_comes_whole() -> None:
    peer = Peer(front_of())
    assert peer.shake()
    sent, got = bytes(range(256)) * 1_200, b""
    got += peer.hear(peer.channel.protect(sent))
    while len(got) < len(sent):
        got += peer.hear(b"")
    assert got == sent


def test_the_client_ends_it() -> None:
    peer = Peer(front_of())
    assert peer.shake()
    peer.end()
    assert peer.ended == "peer"


def test_a_client_with_only_unknown_protocols_is_turned_away_as_nginx_does() -> None:
    peer = Peer(front_of())
    peer.context.set_alpn_protocols(["imap"])
    assert not peer.shake()
    assert (peer.wire, peer.ended) == (ALERT_PROTOCOL, "tls")
    assert [type(event) for event in peer.events] == [TlsOffered]


def test_a_lure_without_protocols_agrees_on_none() -> None:
    peer = Peer(front_of("debian12", ()))
    peer.context.set_alpn_protocols(["imap"])
    assert peer.shake()
    assert peer.opened is not None
    assert peer.opened.alpn == ""


def test_a_client_without_a_cipher_of_ours_was_heard() -> None:
    peer = Peer(front_of(), highest=ssl.TLSVersion.TLSv1_2)
    peer.context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    assert not peer.shake()
    assert peer.ended == "tls"
    assert peer.wire == b"\x15\x03\x03\0\2\2\x28"
    assert [type(event) for event in peer.events] == [TlsOffered]


@pytest.mark.parametrize(
    ("said", "reason", "answer"),
    [
        (b"\x16\x03\x01\0\5\1\0\0\1\0", "TLS: hello cut short", ALERT_DECODE),
        (b"\x80\x2e\1\0\2" + bytes(44), "TLS: SSL 2.0 hello", ALERT_DECODE),
        (b"\x16\x03\x01\0\5\1\xff\xff\xff\xff", "TLS: hello too long", b"\x15\x03\x03\0\2\2\x2f"),
    ],
)
def test_a_broken_hello_is_answered_as_openssl_does(said: bytes, reason: str, answer: bytes) -> None:
    peer = Peer(front_of())
    assert peer.give(said) == answer
    assert peer.events == [Malformed(reason, said)]
    assert peer.ended == "tls"


def test_clear_text_goes_to_a_lure_that_reads_it() -> None:
    peer = Peer(front_of())
    peer.give(b"GET / HTTP/1.1\r\n")
    assert (peer.clear, peer.events, peer.wire) == (b"GET / HTTP/1.1\r\n", [], b"")


def test_clear_text_ends_where_no_lure_reads_it() -> None:
    peer = Peer(front_of("debian12", ()))
    peer.give(b"PING\r\n\r\n")
    assert (peer.clear, peer.ended) == (b"", "tls")
    assert peer.events == [Malformed("TLS: record type 80", b"PING\r\n\r\n")]


def test_a_hello_that_never_ends_does() -> None:
    channel = Channel(front_of())
    head = b"\x16\x03\x01\0\4\1\0\x3f\xf0"
    steps = list(channel.receive(head))
    for _ in range(MAX_RAW_BYTES // 6):
        steps += channel.receive(b"\x16\x03\x01\0\1\0")
        if any(isinstance(step, Ended) for step in steps):
            break
    assert any(isinstance(step, Reported | Ended) for step in steps)


@given(data=st.binary(min_size=1, max_size=200), cut=st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_survived(data: bytes, cut: int) -> None:
    channel = Channel(front_of())
    for place in range(0, len(data), cut):
        for step in channel.receive(data[place : place + cut]):
            assert isinstance(step, Reported | Answered | Ended | Unprotected)
            if isinstance(step, Ended | Unprotected):
                assert channel.goodbye() == b""
                return


@given(damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_a_damaged_record_ends_tls_and_nothing_else(damage: list[tuple[int, int]]) -> None:
    peer = Peer(front_of())
    assert peer.shake()
    assert peer.tls is not None
    peer.tls.write(b"x" * 300)
    record = bytearray(peer._out.read())
    for place, value in damage:
        record[place % len(record)] ^= value
    peer.give(bytes(record))
    assert peer.heard in {b"", b"x" * 300}
