import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.detection.novelty.novel import Novel, Queue, decode, encode
from propolis.errors import CodecError

ONE = Novel(
    id="0123456789ab",
    what="request",
    score=9.5,
    surprise=7.25,
    sources=12,
    recent=3.5,
    events=40,
    texts=12,
    known=0.0,
    first_seen=1,
    last_seen=2,
    sensors=("edge",),
    ports=(80,),
    template="get / new",
    examples=(b"GET /new HTTP/1.1\r\n\r\n\xff\x00",),
)


def test_a_queue_comes_back_as_it_went() -> None:
    assert decode(encode(Queue(7, (ONE,)))) == Queue(7, (ONE,))


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(b"\xff" + data)
