"""From a block and the values of the moment to a message for the wire."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from bench.scanner.exchange import Message
from bench.scanner.render import Renderer, unresolved
from bench.scanner.template import Block
from bench.scanner.text import Value, merged, shown

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"
TIMEOUT: Final = re.compile(r"^@timeout:\s*(\S+)\s*$", re.MULTILINE)
HOST: Final = re.compile(r"^@Host:\s*(.+?)\s*$", re.MULTILINE)
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MAX_TIMEOUT_SECONDS: Final = 120.0


class MissingValueError(Exception):
    """A request with something left to fill in: it and what follows is not sent."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"unresolved: {', '.join(names)}")


class MalformedRequestError(Exception):
    """A raw request without a request line."""


class Planned(msgspec.Struct, frozen=True):
    """A text to make a request of, with its payload values."""

    text: str
    payload: dict[str, str]


class Built(msgspec.Struct, frozen=True):
    """A message with every value that went into it, and its own time limit if it has one."""

    message: Message
    values: dict[str, Value]
    timeout_seconds: float | None


def plan(block: Block) -> Iterator[Planned]:
    """Every request of a block in order: for each payload, each raw or path."""
    texts = block.raws or block.paths
    for payload in _payloads(block):
        for text in texts:
            yield Planned(text, payload)


def _payloads(block: Block) -> Iterator[dict[str, str]]:
    names = [name for name, _ in block.payloads]
    lists = [values for _, values in block.payloads]
    if not names:
        yield {}
    elif block.attack == "pitchfork":
        for values in zip(*lists, strict=False):
            yield dict(zip(names, values, strict=True))
    elif block.attack == "clusterbomb":
        for values in itertools.product(*lists):
            yield dict(zip(names, values, strict=True))
    else:
        for name, values in block.payloads:
            for value in values:
                yield {name: value}


def build(block: Block, planned: Planned, known: Mapping[str, Value], renderer: Renderer) -> Built:
    """The request. Raises :class:`MissingValueError` or :class:`MalformedRequestError`."""
    payload = {name: renderer.text(value, known) for name, value in planned.payload.items()}
    values = merged(known, payload)
    text = renderer.text(planned.text, values)
    timeout = None
    if block.raws:
        message = _unsafe(text, values) if block.is_unsafe else _raw(text, values)
        match = TIMEOUT.search(text.replace("\r", ""))
        timeout = _seconds(match[1]) if match else None
    else:
        message = _of_path(block.method, text, values)
    message = _filled(block, message, values, renderer)
    if not block.skips_variables_check and (left := unresolved(_dump(message))):
        raise MissingValueError(left)
    return Built(message, values, timeout)


def _seconds(text: str) -> float | None:
    parts = DURATION.findall(text)
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    return min(seconds, MAX_TIMEOUT_SECONDS) if parts else None


def _dump(message: Message) -> str:
    if message.raw:
        return message.raw
    fields = "\n".join(f"{name}: {value}" for name, value in message.fields)
    return f"{message.path}?{message.query}\n{message.host}\n{fields}\n\n{message.body}"


def _split(target: str) -> tuple[str, str | None]:
    path, is_there, query = target.partition("#")[0].partition("?")
    return path, query if is_there else None


def _of_path(method: str, url: str, values: Mapping[str, Value]) -> Message:
    """A request of a URL; parameters without a value lose their equals sign, as the client's own encoder has it."""
    scheme, is_absolute, rest = url.partition("://")
    if not is_absolute or scheme not in {"http", "https"}:
        raise MalformedRequestError(f"no URL: {url[:80]!r}")
    end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    path, query = _split(target)
    if query is not None:
        query = "&".join(
            pair.removesuffix("=") if pair.count("=") == 1 else pair for pair in query.split("&")
        )
    _, _, port = authority.rpartition(":")
    own = shown(values.get("Port"))
    return Message(
        method=method,
        path=path or "/",
        query=query or None,
        host=authority,
        port=int(port) if port.isdigit() and port != own else None,
    )


def _head(text: str) -> tuple[list[str], str, bool]:
    """Lines of a raw request's head without annotations, and its body."""
    lines = text.split("\r\n") if "\r\n" in text else text.split("\n")
    while lines and lines[0].startswith("@"):
        lines.pop(0)
    end = next((place for place, line in enumerate(lines[1:], 1) if not line.strip()), len(lines))
    head, body = lines[:end], "\r\n".join(lines[end + 1 :])
    is_multipart = any("Content-Type" in line and "multipart/" in line for line in head)
    return head, body, is_multipart


def _raw(text: str, values: Mapping[str, Value]) -> Message:
    head, body, is_multipart = _head(text)
    parts = (head[0] if head else "").split()
    if len(parts) == 2 and "HTTP" in parts[1]:
        parts = [parts[0], "", parts[1]]
    if len(parts) < 3:
        raise MalformedRequestError(f"no request line: {(head or [''])[0][:80]!r}")
    target = parts[1]
    if target.startswith("http"):
        rest = target.partition("://")[2]
        target = rest[rest.find("/") :] if "/" in rest else "/"
    path, query = _split(target)
    fields: dict[str, str] = {}
    for line in head[1:]:
        name, _, value = line.strip().partition(":")
        fields[name] = value.strip()
    if not is_multipart:
        body = body.removesuffix("\r\n")
    port = None
    if override := HOST.search(text.replace("\r", "")):
        _, _, number = override[1].removesuffix("/").rpartition(":")
        port = int(number) if number.isdigit() else None
    return Message(
        method=parts[0],
        path=path if path.startswith("/") else f"/{path}",
        query=query,
        host=fields.get("Host", shown(values.get("Hostname"))),
        fields=tuple(fields.items()),
        body=body,
        port=port,
    )


def _unsafe(text: str, values: Mapping[str, Value]) -> Message:
    """The template's own bytes, annotations taken off; the method decides how the answer is read."""
    lines = text.split("\r\n")
    while lines and lines[0].startswith("@"):
        lines.pop(0)
    raw = "\r\n".join(lines)
    words = (lines[0] if lines else "").split()
    if not words:
        raise MalformedRequestError("no request line")
    return Message(
        method=words[0],
        path=(words[1] if len(words) > 1 else "/").partition("?")[0],
        host=shown(values.get("Hostname")),
        raw=raw,
    )


def _filled(block: Block, message: Message, values: Mapping[str, Value], renderer: Renderer) -> Message:
    """Fields and body of the block, and what the client adds by itself."""
    if message.raw:
        return message
    fields = dict(message.fields)
    for name, value in block.headers:
        fields[name] = renderer.text(value, values)
    lower = {name.lower() for name in fields}
    additions = {"User-Agent": AGENT}
    if not block.raws:
        additions |= {"Accept": "*/*", "Accept-Language": "en"}
    fields |= {name: value for name, value in additions.items() if name.lower() not in lower}
    return msgspec.structs.replace(
        message,
        host=fields.get("Host", message.host).removesuffix(":80"),
        fields=tuple(fields.items()),
        body=renderer.text(block.body, values) if block.body else message.body,
    )
