"""A response as matchers see it, and whether it has what they want."""

import re
from typing import Final

import msgspec

from propolis.flaws.scanners import functions
from propolis.flaws.scanners.dsl import Expr, Join, Literal, Value
from propolis.flaws.scanners.formula import Want
from propolis.flaws.scanners.functions import Lookup, NotComputedError
from propolis.flaws.scanners.regexes import PatternError, compiled
from propolis.flaws.scanners.template import suffix

REASONS: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 422: "Unprocessable Entity",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


class Response(msgspec.Struct, frozen=True):
    """An answer: ``headers`` in order, ``seconds`` how long it took at least."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    seconds: float = 0.0

    def head(self) -> bytes:
        """Status line and headers, as they are matched."""
        lines = [b"HTTP/1.1 %d %s" % (self.status, REASONS.get(self.status, "").encode())]
        lines += [canonical(name) + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def part(self, name: str) -> Value | None:
        """A part by its name in matchers; ``None`` if there is none, as of a header that was not sent."""
        match name:
            case "body":
                return self.body
            case "header":
                return self.head()
            case "raw_header":
                return self._lines_once()
            case "response":
                return self.head() + self.body
            case "status_code":
                return self.status
            case "content_length":
                return len(self.body)
            case "duration":
                return self.seconds
            case _:
                return self._named(name)

    def _lines_once(self) -> bytes:
        """The headers as afrog shows them: each name with its first value, line feeds between."""
        first: dict[bytes, bytes] = {}
        for name, value in self.headers:
            first.setdefault(canonical(name), value)
        return b"\n".join(name + b": " + value for name, value in first.items())

    def _named(self, name: str) -> bytes | None:
        values = [
            value for key, value in self.headers if key.decode("latin-1").lower().replace("-", "_") == name
        ]
        if values:
            return b" ".join(values)
        for key, value in self.headers:
            if key.lower() == b"set-cookie":
                cookie, _, rest = value.partition(b"=")
                if cookie.strip().decode("latin-1").lower() == name.lower():
                    return rest.partition(b";")[0].strip()
        return None


def canonical(name: bytes) -> bytes:
    """A header's name as Go's client shows it, whatever was sent (``textproto.CanonicalMIMEHeaderKey``)."""
    return b"-".join(word[:1].upper() + word[1:].lower() for word in name.split(b"-"))


def holds(want: Want, responses: dict[int, Response], lookup: Lookup) -> bool:
    """Whether responses (by number) have what is wanted; ``lookup`` gives what is unknown its value.

    What only a third party could tell holds unless it is wanted.
    """
    if want.kind == "third":
        return not want.is_wanted
    response = responses.get(want.at)
    if response is None:
        return False
    try:
        return _holds(want, response, responses, lookup)
    except (NotComputedError, PatternError, ValueError):
        return False


def _holds(want: Want, response: Response, responses: dict[int, Response], lookup: Lookup) -> bool:
    if want.kind in {"status", "length", "duration"}:
        held = {"status": response.status, "duration": response.seconds}.get(want.kind)
        if held is None:
            shown = functions.text(response.part(want.part) or b"")
            held = len(shown.strip() if want.is_trimmed else shown)
        return ordered(held, want.order, functions.number(functions.evaluate(want.value, lookup)))
    if want.kind == "versions":
        version = functions.text(lookup(want.part) or b"").decode("latin-1")
        return (
            bool(version)
            and functions.compare_versions(version, constraints(want.value, lookup)) is want.is_wanted
        )
    if want.kind == "other":
        return (
            functions.truth(functions.evaluate(want.value, part_lookup(responses, want.at, lookup)))
            is want.is_wanted
        )
    if want.kind == "xpath":
        return want.is_wanted
    part = response.part(want.part)
    value = functions.render(want.value, lookup)
    if part is None:  # no matcher holds of what was not sent, not even that it is not something
        return False
    return _has(want, functions.text(part), value) is want.is_wanted


def _has(want: Want, part: bytes, value: bytes) -> bool:
    if want.kind == "regex":
        regex = compiled(b"(?i)" + value if want.is_nocase else value)
        return regex.search(part) is not None
    if want.is_nocase:
        part, value = part.lower(), value.lower()
    match want.kind:
        case "equal":
            return part == value
        case "starts":
            return part.startswith(value)
        case "ends":
            return part.endswith(value)
        case _:
            return value in part


def part_lookup(responses: dict[int, Response], current: int, lookup: Lookup) -> Lookup:
    """Names of response parts before all others."""

    def found(name: str) -> Value | None:
        part, index = suffix(name)
        response = responses.get(index or current)
        value = (
            response.part({"all_headers": "header", "raw": "response"}.get(part, part)) if response else None
        )
        return lookup(name) if value is None else value

    return found


def constraints(value: Expr, lookup: Lookup) -> list[str]:
    """The texts that a version is compared with."""
    parts = value.parts if isinstance(value, Join) else (value,)
    return [functions.render(part, lookup).decode("latin-1") for part in parts]


def ordered(left: float, order: str, right: float) -> bool:
    """Whether two figures stand in that order."""
    match order:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
        case _:
            return left >= right


def known(value: Expr) -> bytes | None:
    """The text of a value without unknowns."""
    return functions.text(value.value) if isinstance(value, Literal) else None


COOKIE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,80})=")
