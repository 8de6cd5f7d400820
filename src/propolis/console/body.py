"""A request's body, bounded."""

from starlette.requests import Request

MAX_BYTES = 16_384


class BodyTooLargeError(ValueError):
    """More than :data:`MAX_BYTES`."""


async def read(request: Request) -> bytes:
    """All of it. Raises :class:`BodyTooLargeError` as soon as it is more than :data:`MAX_BYTES`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise BodyTooLargeError(f"a request's body has at most {MAX_BYTES} bytes")
    return body
