"""How a server is recorded: what is known of it beforehand, what it is asked, and how its replies become pages."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import msgspec

from propolis.clock import SECOND, Clock
from propolis.lures.http.record.server import ask
from propolis.lures.http.server import Connection, Page, PageName, Persona

HOST, PATH, METHOD = "host.recorded", "/recorded-path", "BREW"
"""What is asked for where a page may repeat it; ``METHOD`` is one that nobody knows (RFC 2324)."""

OFFENCE = "CNTL=0x1"
"""How Jetty spells the character \\x01."""

_MARKS = (
    (re.compile(r"(?m)^(Date: ).*(?=\r)"), r"\1{date}"),
    (re.compile(r"(?m)^(Last-Modified: ).*(?=\r)"), r"\1{modified}"),
    (re.compile(r'(?m)^(ETag: (?:W/)?").*?((?:-gzip)?"\r)'), r"\1{etag}\2"),
    (re.compile(r"(?m)^(Content-Range: bytes )\d.*(?=/)"), r"\1{range}"),
)
_CONNECTION = re.compile(r"(?m)(?:^(?:Connection|Keep-Alive): .*\r\n)+")
_LEFT = re.compile(r"max=\d+")


class Recipe(msgspec.Struct, frozen=True):
    """A server to record: ``run`` starts it and gives its port; ``persona`` is all of it but the recorded pages."""

    run: Callable[[], AbstractContextManager[int]]
    persona: Persona
    probes: Mapping[PageName, bytes]
    needs: str
    """The program or file without which it cannot be started."""
    says_close_first: bool = False
    """It says that it will close above everything else, and its pages are shorter then: they are asked for without."""


def get(path: str = "/", *headers: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request that asks for the end of the connection."""
    return "\r\n".join(
        (f"{method} {path} {version}", f"Host: {HOST}", "Connection: close", *headers, "", "")
    ).encode()


def said_by(run: Callable[[], AbstractContextManager[int]], header: str) -> str:
    """What a server says of itself in this header; empty if it has none."""
    with run() as port:
        head, _ = _split(ask(port, get())[0])
    found = re.search(rf"(?m)^{header}: (.*)\r", head)
    return found[1] if found else ""


COMMON: dict[PageName, bytes] = {
    "200": get(),
    "304": get("/", "If-None-Match: *"),
    "400": b"GET / HTTP/1.1\r\n\r\n",
    "404": get(PATH),
}
STATIC: dict[PageName, bytes] = {
    **COMMON,
    "206": get("/", "Range: bytes=0-9"),
    "412": get("/", 'If-Match: "other"'),
    "416": get("/", "Range: bytes=999999-"),
}
"""What a server of static files is asked."""


def record(recipe: Recipe, clock: Clock) -> Persona:
    """Start the server, ask for every page, and how it keeps connections."""
    with recipe.run() as port:
        ask(port, get())
        pages = {name: _page(recipe, port, request) for name, request in recipe.probes.items()}
        connection = _connection(port)
    if len(set(msgspec.structs.astuple(connection))) > 1:
        pages = {name: _with_mark(page) for name, page in pages.items()}
    return msgspec.structs.replace(
        recipe.persona,
        pages={**recipe.persona.pages, **pages},
        connection=connection,
        recorded=clock.now() // SECOND,
    )


def _page(recipe: Recipe, port: int, request: bytes) -> Page:
    persona = recipe.persona
    if recipe.says_close_first:
        request = request.replace(b"Connection: close\r\n", b"", 1)
    method = request.split(b" ")[0].decode("latin-1")
    head, body = _split(ask(port, request)[0])
    text = _marked(persona, port, method, body.decode())
    size = len(body)
    if not head:
        return Page("", text)
    packed_head, packed = _split(
        ask(port, request.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n", 1))[0]
    )
    if "Content-Encoding: gzip" not in packed_head or packed_head[:12] != head[:12]:
        packed_head, packed = "", b""
    only_head, sent = (
        _split(ask(port, b"HEAD" + request[3:])[0]) if request.startswith(b"GET ") else ("", b"")
    )
    grown = 1 if "{method}" in text else 0
    heads = [_head(persona, head, size, method), _head(persona, only_head, size + grown, "HEAD")]
    if recipe.says_close_first:
        heads = [_with_connection_first(found) for found in heads]
    return Page(
        heads[0],
        "" if " 206 " in head.partition("\r")[0] else text,
        _head(persona, packed_head, len(packed), method),
        base64.b64encode(packed).decode(),
        "" if heads[1] == heads[0] else heads[1],
        body_on_head=bool(sent),
    )


def _connection(port: int) -> Connection:
    """What is said of the connection in each of its states."""
    plain = f"Host: {HOST}\r\n"
    asked = {
        "close": f"GET / HTTP/1.1\r\n{plain}Connection: close\r\n\r\n",
        "close_10": f"GET / HTTP/1.0\r\n{plain}\r\n",
        "keep": f"GET / HTTP/1.1\r\n{plain}\r\n",
        "asked": f"GET / HTTP/1.1\r\n{plain}Connection: keep-alive\r\n\r\n",
        "keep_10": f"GET / HTTP/1.0\r\n{plain}Connection: keep-alive\r\n\r\n",
    }
    return Connection(**{state: _lines(ask(port, request.encode())[0]) for state, request in asked.items()})


def _lines(reply: bytes) -> str:
    found = _CONNECTION.search(_split(reply)[0])
    return _LEFT.sub("max={left}", found[0]) if found else ""


def _split(reply: bytes) -> tuple[str, bytes]:
    if not reply.startswith(b"HTTP/"):
        return "", reply
    head, end, body = reply.partition(b"\r\n\r\n")
    return (head + end).decode("latin-1"), body


def _head(persona: Persona, head: str, size: int, method: str) -> str:
    for pattern, mark in _MARKS:
        if persona.etag or "etag" not in mark:
            head = pattern.sub(mark, head)
    line, end, rest = head.partition("\r\n")
    if not persona.version:
        line = line.replace("HTTP/1.0", "{version}").replace("HTTP/1.1", "{version}")
    line = line.replace(f"'{method}'", "'{method}'").replace(OFFENCE, "{detail}")
    return (line + end + rest).replace(f"Content-Length: {size}\r\n", "Content-Length: {length}\r\n")


def _with_mark(page: Page) -> Page:
    """The page of a server that does not always say the same of the connection."""
    heads = {
        name: _CONNECTION.sub("{connection}", getattr(page, name))
        for name in ("head", "gzip_head", "only_head")
    }
    return msgspec.structs.replace(page, **heads)


def _with_connection_first(head: str) -> str:
    if not head or _CONNECTION.search(head):
        return head
    line, end, rest = head.partition("\r\n")
    return line + end + "{connection}" + rest


def _marked(persona: Persona, port: int, method: str, body: str) -> str:
    escaped = "".join(persona.escapes.get(letter, letter) for letter in PATH)
    for found, mark in _echoes(port, method, escaped):
        body = re.sub(found, mark, body)
    return body


def _echoes(port: int, method: str, path: str) -> Iterator[tuple[str, str]]:
    yield re.escape(HOST), "{host}"
    yield re.escape(path), "{path}"
    yield rf"(?<=Port ){port}", "{port}"
    yield r"(?<=Server at )127\.0\.0\.1", "{host}"
    yield r"(?<=Expect: )recorded", "{detail}"
    yield r"(?<=The character \[)[^\]]+(?=\])", "{detail}"
    yield OFFENCE, "{detail}"
    yield r"(?<=\[)recorded[^\]]*?(?=\.*\])", "{detail}"
    yield r"(?<=\(')recorded(?='\))", "{detail}"
    yield (
        rf"(?<=Cannot ){method}\b|(?<=\('){method}(?='\))|(?<=method ){method}\b|(?<=\[){method}(?=\])",
        "{method}",
    )
    yield rf"(?<=<p>){method}(?= not supported)", "{method}"
