import pytest
from hypothesis import given
from hypothesis import strategies as st

from lures.serve import Heard, play, visit
from propolis.events import PayloadReceived
from propolis.lures.tcp import TcpLure
from propolis.lures.tcp.dialogue import KEPT_BYTES, MAX_CHUNKS


@pytest.mark.parametrize(
    "hello", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\xffSMB"]
)
def test_first_bytes_are_told_and_nothing_is_said(hello: bytes) -> None:
    heard = play(TcpLure, hello)
    assert heard.events == [PayloadReceived(hello)]
    assert heard.sent == b""
    assert not heard.hung_up


def test_it_hangs_up_when_it_has_enough() -> None:
    heard = play(TcpLure, b"x" * (KEPT_BYTES - 1), b"yz", b"more")
    assert [len(event.payload) for event in heard.events] == [KEPT_BYTES - 1, 1]
    assert heard.hung_up


def test_drops_are_counted() -> None:
    heard = Heard(TcpLure(visit())).feed(*[b"x"] * (MAX_CHUNKS + 3))
    assert len(heard.events) == MAX_CHUNKS
    assert heard.hung_up


@given(st.lists(st.binary(max_size=3_000), max_size=30))
def test_any_bytes_stay_within_bounds(parts: list[bytes]) -> None:
    events = play(TcpLure, *parts).events
    assert len(events) <= MAX_CHUNKS
    assert sum(len(event.payload) for event in events) <= KEPT_BYTES
