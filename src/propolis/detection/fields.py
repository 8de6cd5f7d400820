r"""The fields a rule can ask of one event, as bytes (payloads as sent, text columns as UTF-8), computed when asked for.

Three views hold for every kind, each going further than the one before: ``raw`` what was received; ``decoded`` with
percent, plus and JSON escapes undone and in lower case; ``resolved`` with Log4j lookups undone as well. Every other
field is a part of ``raw``, ``decoded``, ``file`` or ``parameters``, so whatever a rule finds in a field is found in
:meth:`Fields.scanned` too.

Of a request, ``file`` is the decoded target before the ``?`` between two line breaks; ``parameters`` has a line
``name=value`` for each and a line break before the first: so ``\n`` and ``=`` are where a path, a name and a value
begin and end. ``inputs`` has a line for each value that an application may put into a statement: those of the
parameters and of all headers, and the file.
"""

import re
from collections.abc import Callable, Mapping

from propolis.detection.parameters import from_base64, parameters
from propolis.flaws.unwrap import decode, is_wrapped, resolve, unwrap

SUMMARY_CHARS = 120
"""Length of the human text of an evidence."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ClientIdentified": ("software", "fingerprint"),
    "CredentialTried": ("username", "secret", "method"),
    "CommandRun": ("command",),
    "RequestReceived": ("payload", "method", "path", "host", "user_agent"),
    "PayloadReceived": ("payload",),
    "Malformed": ("payload",),
}
"""The columns a kind is judged by, in the order of ``values`` below; other kinds carry no bytes of the client's."""

_PRINTABLE = bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in range(256))
_VIEWS = ("raw", "decoded", "resolved")
_REQUEST = ("path_decoded", "file", "query", "headers", "body", "parameters", "inputs")
HEADER = "header."
"""How the name of a field begins that is a header's value."""

_LINE_BREAK = re.compile(rb"[\r\n]+")


def has_field(kind: str, name: str) -> bool:
    """Whether events of this kind have such a field."""
    if name in _VIEWS or name in COLUMNS.get(kind, ()):
        return kind in COLUMNS
    return kind == "RequestReceived" and (
        name in _REQUEST or (name.startswith(HEADER) and len(name) > len(HEADER))
    )


class Fields:
    """One event's fields. ``values`` are the bytes of ``COLUMNS[kind]``.

    A request is judged by its raw message; only one that has none is put together from its other columns.
    """

    __slots__ = ("_known", "kind")

    def __init__(self, kind: str, values: tuple[bytes, ...]) -> None:
        self.kind = kind
        self._known: dict[str, bytes] = dict(zip(COLUMNS[kind], values, strict=True))
        if kind == "RequestReceived":
            payload = self._known["payload"] or _message(*values[1:])
            self._known = {"payload": payload, "raw": payload}
        else:
            self._known["raw"] = b"\n".join(values)

    def __getitem__(self, name: str) -> bytes:
        value = self._known.get(name)
        if value is None:
            value = self._known[name] = self._derive(name)
        return value

    def scanned(self) -> bytes:
        """Everything a rule could find in this event, once: the views that differ, a line break between them."""
        raw = self["raw"]
        parts = [raw]
        if is_wrapped(raw):
            parts.append(self["decoded"])
        if b"${" in parts[-1]:
            parts.append(self["resolved"])
        if self.kind == "RequestReceived":
            parts += (self["file"], self["parameters"])
        return b"\n".join(parts)

    def summary(self) -> str:
        """The decisive bytes for people: printable, at most ``SUMMARY_CHARS``."""
        match self.kind:
            case "RequestReceived":
                text = b" ".join((self["method"], self["path"], self["body"][:SUMMARY_CHARS]))
            case "CredentialTried":
                text = b"%s / %s (%s)" % (self["username"], self["secret"], self["method"])
            case _:
                text = self["raw"]
        return printable(text)

    def _derive(self, name: str) -> bytes:
        derive = _DERIVED.get(name)
        if derive is not None:
            return derive(self)
        if name in _PARTS and self.kind == "RequestReceived":
            self._parse()
            return self._known[name]
        return self.header(name.removeprefix(HEADER).lower().encode("latin-1", "replace"))

    def _parse(self) -> None:
        payload = self._known["payload"]
        end, body = payload.find(b"\r\n\r\n"), 4
        bare = payload.find(b"\n\n", 0, end if end >= 0 else None)
        if bare >= 0:
            end, body = bare, 2
        elif end < 0:
            end = len(payload)
        line, _, headers = payload[:end].partition(b"\n")
        method, _, rest = line.rstrip(b"\r").partition(b" ")
        self._known["method"] = method
        self._known["path"] = rest.rpartition(b" HTTP/")[0] or rest
        self._known["headers"] = headers
        self._known["body"] = payload[end + body :]

    def read_parameters(self) -> bytes:
        """Lines of decoded names and values, with a line break before the first."""
        query, body, headers = self["query"], self["body"], self["headers"]
        if not query and not body and b"ookie:" not in headers and b"uthorization:" not in headers:
            return b""
        pairs = parameters(query, self.header(b"cookie"), self.header(b"content-type"), body)
        scheme, _, credential = self.header(b"authorization").partition(b" ")
        if scheme.lower() == b"basic":
            pairs.append((b"authorization", from_base64(credential.strip())))
        lines = [_LINE_BREAK.sub(b" ", unwrap(name + b"=" + value)) for name, value in pairs]
        return b"\n".join((b"", *lines, b"")) if lines else b""

    def read_inputs(self) -> bytes:
        """Lines of decoded values."""
        lines = []
        for line in self["parameters"].split(b"\n"):
            name, _, value = line.partition(b"=")
            lines += [value, name] if b" " in name or b"'" in name or b"(" in name else [value]
        lines += [line.partition(b":")[2].strip() for line in decode(self["headers"]).split(b"\n")]
        lines.append(self["file"].strip(b"\n").replace(b"\n", b" "))
        return b"\n".join(lines)

    def header(self, name: bytes) -> bytes:
        """The value of the first header of this name, or nothing."""
        for line in self["headers"].split(b"\n"):
            key, colon, value = line.partition(b":")
            if colon and key.strip().lower() == name:
                return value.strip()
        return b""


_PARTS = frozenset({"method", "path", "headers", "body"})
_DERIVED: Mapping[str, Callable[[Fields], bytes]] = {
    "decoded": lambda fields: decode(fields["raw"]),
    "resolved": lambda fields: resolve(fields["decoded"]),
    "path_decoded": lambda fields: decode(fields["path"]),
    "file": lambda fields: b"\n%s\n" % unwrap(fields["path"].partition(b"?")[0]),
    "query": lambda fields: fields["path"].partition(b"?")[2],
    "parameters": lambda fields: fields.read_parameters(),
    "inputs": lambda fields: fields.read_inputs(),
    "host": lambda fields: fields.header(b"host"),
    "user_agent": lambda fields: fields.header(b"user-agent"),
}
"""How a field comes from others."""


def printable(data: bytes) -> str:
    """Bytes as one short line: what is not printable ASCII becomes a dot, cut at ``SUMMARY_CHARS``."""
    return data[:SUMMARY_CHARS].strip().translate(_PRINTABLE).decode("ascii")


def _message(method: bytes, path: bytes, host: bytes, user_agent: bytes) -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n" % (method, path, host, user_agent)
