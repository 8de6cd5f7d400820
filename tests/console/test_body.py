import pytest
from starlette.requests import Request
from starlette.types import Message

from propolis.console.body import MAX_BYTES, BodyTooLargeError, read


def request_of(*chunks: bytes) -> Request:
    left = list(chunks)

    async def receive() -> Message:
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_a_body_comes_whole() -> None:
    assert await read(request_of(b"one", b"", b"two")) == b"onetwo"


async def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    endless = [b"x" * 1_000] * (MAX_BYTES // 1_000 + 1)
    with pytest.raises(BodyTooLargeError):
        await read(request_of(*endless, b"never asked for"))
