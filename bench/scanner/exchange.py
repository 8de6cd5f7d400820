"""Requests over a real socket, as the scanner's HTTP client sends and reads them.

Two kinds. *Composed*: request line, ``Host``, ``User-Agent``, ``Content-Length``, then the other fields sorted by name,
``Accept-Encoding: gzip`` if nobody asked for another, ``Connection: close``; cookies kept, redirects followed as the
template says. *Unsafe*: the template's own bytes. The answer is kept as its bytes and as the scanner presents it to
matchers: field names in canonical case and sorted, chunks and compression undone.
"""

import contextlib
import socket
import time
import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from bench.scanner.text import encoded, escaped_path, escaped_query, header_name

MAX_HEAD_BYTES: Final = 1 << 20
MAX_INTERIM: Final = 5
READ_BYTES: Final = 65_536
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class ExchangeError(Exception):
    """No answer: refused, cut off, too slow, or not HTTP."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent. ``raw`` is sent as it is if given; otherwise it is composed."""

    method: str = "GET"
    path: str = "/"
    query: str | None = None
    host: str
    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""
    raw: str = ""
    port: int | None = None
    """Another port of the target, if the template names one."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One answer; all texts bytewise."""

    status: int
    status_line: str
    fields: tuple[tuple[str, str], ...]
    """Canonical names, in the order received."""
    body: str
    raw: str
    """The bytes as received."""
    sent: str
    seconds: float
    path: str = "/"

    @property
    def header_block(self) -> str:
        """Status line and fields as matchers see them."""
        values = self.table()
        first = [name for name in ("Content-Length", "Transfer-Encoding") if name in values]
        order = [*first, *sorted(name for name in values if name not in first)]
        lines = [f"{name}: {value}" for name in order for value in values[name]]
        return "\r\n".join([self.status_line, *lines, "", ""])

    @property
    def text(self) -> str:
        """Head and decoded body."""
        return self.header_block + self.body

    def table(self) -> dict[str, list[str]]:
        """Field values by canonical name."""
        values: dict[str, list[str]] = {}
        for name, value in self.fields:
            values.setdefault(name, []).append(value)
        return values

    def cookies(self) -> list[tuple[str, str, dict[str, str]]]:
        """Name, value and attributes (lower-case names) of every cookie that was set."""
        found = []
        for line in self.table().get("Set-Cookie", ()):
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, is_pair, value = pair.partition("=")
            if is_pair and name.strip():
                table = {
                    key.strip().lower(): text.strip()
                    for key, _, text in (a.partition("=") for a in attributes)
                }
                found.append((name.strip(), value.strip().strip('"'), table))
        return found


class Jar:
    """Cookies of one target: a later one of the same name and path replaces the earlier."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], str] = {}

    def take(self, response: Response, host: str) -> None:
        """Keep what a response sets for ``host``; other domains and secure cookies are refused."""
        for name, value, attributes in response.cookies():
            if (
                attributes.get("domain", "").lstrip(".").lower() not in {"", host.lower()}
                or "secure" in attributes
            ):
                continue
            folder = response.path.rpartition("/")[0] or "/"
            path = attributes["path"] if attributes.get("path", "").startswith("/") else folder
            if (
                attributes.get("max-age", "1").lstrip("-").isdigit()
                and int(attributes.get("max-age", "1")) <= 0
            ):
                self._held.pop((name, path), None)
            else:
                self._held[name, path] = value

    def give(self, path: str) -> str:
        """The ``Cookie`` value for a path; empty if there is none. The longest paths come first."""
        fits = [
            (folder, name, value)
            for (name, folder), value in self._held.items()
            if path == folder or path.startswith(folder.rstrip("/") + "/")
        ]
        fits.sort(key=lambda item: -len(item[0]))
        return "; ".join(f"{name}={value}" for _, name, value in fits)


class Client:
    """Sends to one address. ``source`` is the local address to send from; ``timeout_seconds`` for a whole exchange."""

    def __init__(self, address: tuple[str, int], *, source: str = "", timeout_seconds: float = 10.0) -> None:
        self.address = address
        self.source = source
        self.timeout_seconds = timeout_seconds
        self.jar = Jar()

    def exchange(
        self,
        message: Message,
        *,
        redirects: str = "none",
        max_redirects: int = 10,
        keeps_cookies: bool = True,
        timeout_seconds: float | None = None,
        max_bytes: int = 10 << 20,
    ) -> tuple[Response, ...]:
        """The answers, the last of a chain of redirects first. Raises :class:`ExchangeError`."""
        deadline = time.monotonic() + (timeout_seconds or self.timeout_seconds)
        answers: list[Response] = []
        while True:
            data = encoded(
                message.raw or compose(message, self.jar.give(message.path) if keeps_cookies else "")
            )
            answer = self._send(message, data, deadline, max_bytes)
            answers.append(answer)
            if keeps_cookies and not message.raw:
                self.jar.take(answer, urlsplit(f"//{message.host}").hostname or "")
            following = _redirected(message, answer, redirects) if len(answers) <= max_redirects else None
            if following is None:
                return tuple(reversed(answers))
            message = following

    def _send(self, message: Message, data: bytes, deadline: float, max_bytes: int) -> Response:
        began = time.monotonic()
        host, port = self.address
        try:
            with socket.create_connection(
                (host, message.port or port),
                timeout=max(deadline - began, 0.001),
                source_address=(self.source, 0) if self.source else None,
            ) as connection:
                reader = _Reader(connection, deadline, max_bytes)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(data)  # an answer may come before all is taken
                return reader.response(message, data, began)
        except OSError as error:
            raise ExchangeError(f"no answer: {error}") from error


def compose(message: Message, cookie: str = "") -> str:
    """The text of a message."""
    target = escaped_path(message.path) or "/"
    if message.query is not None:
        target += f"?{escaped_query(message.query)}"
    fields = {name: value for name, value in message.fields if name}
    if cookie:
        key = next((name for name in fields if name.lower() == "cookie"), "Cookie")
        fields[key] = f"{fields[key]}; {cookie}" if fields.get(key) else cookie
    by_name = {name.lower(): value for name, value in fields.items()}
    lines = [f"{message.method} {target} HTTP/1.1", f"Host: {message.host}"]
    lines.append(f"User-Agent: {by_name.get('user-agent', '')}")
    if message.body or message.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(message.body)}")
    apart = {"host", "user-agent", "content-length", "transfer-encoding", "trailer"}
    lines += [
        f"{name}: {_one_line(value)}" for name, value in sorted(fields.items()) if name.lower() not in apart
    ]
    if "accept-encoding" not in by_name and "range" not in by_name and message.method != "HEAD":
        lines.append("Accept-Encoding: gzip")
    if "close" not in by_name.get("connection", "").lower():
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", message.body])


def _one_line(value: str) -> str:
    """What the client makes of line ends inside a field's value."""
    return value.replace("\n", " ").replace("\r", " ").strip(" \t")


def _redirected(message: Message, answer: Response, policy: str) -> Message | None:
    """The request that follows a redirect, if the policy allows it and there is one."""
    location = answer.table().get("Location", [""])[0]
    if policy == "none" or message.raw or answer.status not in REDIRECTS or not location:
        return None
    base = f"http://{message.host}{message.path}"
    try:
        target = urlsplit(urljoin(base, location))
        host = target.netloc or message.host
    except ValueError as error:
        raise ExchangeError("a redirect to nowhere") from error
    if host != message.host:
        if policy == "host":
            return None
        raise ExchangeError(f"a redirect to {host}, which is not asked")  # only loopback is ever talked to
    is_kept = answer.status in {307, 308} or message.method in {"GET", "HEAD"}
    fields = message.fields
    if not is_kept:
        fields = tuple(
            field for field in fields if field[0].lower() not in {"content-type", "content-length"}
        )
    return msgspec.structs.replace(
        message,
        method=message.method if is_kept else "GET",
        path=target.path or "/",
        query=target.query or None,
        body=message.body if answer.status in {307, 308} else "",
        fields=fields,
    )


class _Reader:
    """One connection's answer, read until it is complete."""

    def __init__(self, connection: socket.socket, deadline: float, max_bytes: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._data = b""
        self._is_over = False

    def _more(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ExchangeError("too slow")
        self._connection.settimeout(left)
        try:
            data = self._connection.recv(READ_BYTES)
        except ConnectionResetError:
            data = b""
        self._data += data
        self._is_over = not data
        return bool(data)

    def response(self, message: Message, sent: bytes, began: float) -> Response:
        """The final answer. Raises :class:`ExchangeError`."""
        for _ in range(MAX_INTERIM):
            head, rest = self._head()
            status_line, status, fields = _parsed(head)
            if status >= 200 or status == 101:
                break
            self._data = rest
        else:
            raise ExchangeError("interim answers without end")
        table: dict[str, str] = {}
        for name, value in fields:
            table.setdefault(name, value)
        self._data = rest
        has_none = message.method == "HEAD" or status in {204, 304} or status < 200
        body = b"" if has_none else self._body(table)
        seconds = time.monotonic() - began
        raw = head + (b"" if has_none else self._data)
        shown_fields, body = _plain(fields, table, body)
        return Response(
            status=status,
            status_line=status_line,
            fields=shown_fields,
            body=body.decode("latin-1"),
            raw=raw.decode("latin-1"),
            sent=sent.decode("latin-1"),
            seconds=seconds,
            path=message.path or "/",
        )

    def _head(self) -> tuple[bytes, bytes]:
        while True:
            for end in (b"\r\n\r\n", b"\n\n"):
                head, found, rest = self._data.partition(end)
                if found:
                    return head + found, rest
            if len(self._data) > MAX_HEAD_BYTES:
                raise ExchangeError("a head without end")
            if not self._more():
                raise ExchangeError("closed without an answer" if not self._data else "cut off")

    def _body(self, table: Mapping[str, str]) -> bytes:
        if "chunked" in table.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = table.get("Content-Length")
        if length is None:
            while len(self._data) < self._max_bytes and self._more():
                pass
            return self._data[: self._max_bytes]
        if not length.isdigit():
            raise ExchangeError("bad Content-Length")
        wanted = min(int(length), self._max_bytes)
        while len(self._data) < wanted and self._more():
            pass
        return self._data[:wanted]

    def _chunks(self) -> bytes:
        body = b""
        position = 0
        while len(body) < self._max_bytes:
            line_end = self._data.find(b"\n", position)
            while line_end < 0 and self._more():
                line_end = self._data.find(b"\n", position)
            if line_end < 0:
                return body
            try:
                size = int(self._data[position:line_end].split(b";")[0].strip(), 16)
            except ValueError as error:
                raise ExchangeError("bad chunk") from error
            position = line_end + 1
            if not size:
                return body
            while len(self._data) < position + size + 2 and self._more():
                pass
            body += self._data[position : position + size]
            position += size + 2
        return body[: self._max_bytes]


def _parsed(head: bytes) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    lines = head.decode("latin-1").replace("\r\n", "\n").strip("\n").split("\n")
    version, _, rest = lines[0].partition(" ")
    code = rest.lstrip(" ")[:3]
    if not version.startswith("HTTP/") or len(code) != 3 or not code.isdigit():
        raise ExchangeError("not HTTP")
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if line[:1] in {" ", "\t"} and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
        elif not colon:
            raise ExchangeError("malformed field")
        else:
            fields.append((header_name(name), value.strip()))
    return lines[0], int(code), tuple(fields)


def _plain(
    fields: tuple[tuple[str, str], ...], table: Mapping[str, str], body: bytes
) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Fields and body with compression undone."""
    coding = table.get("Content-Encoding", "").lower().strip()
    if coding not in {"gzip", "deflate"} or not body:
        return fields, body
    try:
        body = zlib.decompressobj(47).decompress(body, 10 << 20)
    except zlib.error:
        return fields, body
    return tuple(field for field in fields if field[0] not in {"Content-Encoding", "Content-Length"}), body
