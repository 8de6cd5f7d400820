"""Requests that are known to be nobody's attack: a file of JSON lines, to try a rule on.

A line is ``{"request": raw HTTP}`` as rule files write it, or ``{"method", "path", "headers": [[name, value], ...],
"body"}``, the body in base64 where ``body_encoding`` says so.
"""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from propolis.detection.rules.examples import request
from propolis.errors import PropolisError

MAX_LINE_BYTES = 4_000_000


class _Line(msgspec.Struct, frozen=True):
    request: str = ""
    method: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_encoding: Literal["text", "base64"] = "text"


_DECODER = msgspec.json.Decoder(_Line)


def requests(path: Path) -> Iterator[bytes]:
    """The raw requests of a corpus, in order. Raises :class:`~propolis.errors.PropolisError` with file and line."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if line.strip():
                    yield _raw(line, f"{path}:{number}")
    except OSError as error:
        raise PropolisError(f"{path}: cannot be read ({error.strerror})") from error


def _raw(line: bytes, place: str) -> bytes:
    try:
        said = _DECODER.decode(line)
        if said.request:
            return request(said.request)
        if not said.method or not said.path:
            raise PropolisError(
                f"{place}: has no request: write {{request}}, or {{method, path, headers, body}}"
            )
        body = base64.b64decode(said.body) if said.body_encoding == "base64" else said.body.encode()
        head = [f"{said.method} {said.path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.headers)]
        return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogatepass") + body
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error) as error:
        raise PropolisError(f"{place}: is no request ({error})") from error
