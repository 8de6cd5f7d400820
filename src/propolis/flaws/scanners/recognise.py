"""From a request to the conditions that recognise it, and to where in it the unknowns stand.

A request is rendered with a *mark* in the place of every term: letters and digits that pass through any coding as they
are. Its fields are then read with the very :class:`~propolis.flaws.request.Request` that reads an attacker's, and what
is not a mark in them is what the request is recognised by.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from propolis.flaws.content import fields, parts
from propolis.flaws.request import Request
from propolis.flaws.scanners.dsl import Call, Expr
from propolis.flaws.scanners.marks import Marks
from propolis.flaws.scanners.unknowns import ANYTHING
from propolis.flaws.unwrap import unquote

MAX_EQUAL_BYTES = 160
"""A longer value is recognised by pieces of it."""
MAX_PIECE_BYTES = 80
MAX_PIECES = 3
MAX_CONDITIONS = 10
MAX_LEAVES = 64
MIN_PATH_BYTES = 4
"""Of a path that is mostly unknown, what must be left to recognise it by."""
CONTEXT_BYTES = 24
"""How much of what stands before an unknown is needed to find it."""

_COMMON: Final = frozenset(
    b"host user-agent accept accept-encoding accept-language accept-charset connection content-length content-type "
    b"cookie origin referer cache-control pragma upgrade-insecure-requests x-requested-with te dnt authorization "
    b"sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform "
    b"x-forwarded-for priority transfer-encoding range if-modified-since".split()
)
"""Headers that say who asks rather than what for."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.\[\]$:@*/ -]{1,100}")
_ATTACK: Final = re.compile(
    rb"""(?is)\.\.[/\\]|/etc/|win\.ini|<[a-z!?/%]|['"]\s*(?:or|and|union|\)|;|\|\||--|#)|\bunion\b.{0,40}\bselect\b|"""
    rb"""sleep\s*\(|waitfor|benchmark\s*\(|[$#%@*]\{|\{\{|`|[;|&]\s*(?:cat|id|curl|wget|ping|echo|ls|nslookup|sleep|whoami)\b|"""
    rb"""\$\(|\bon[a-z]{4,20}\s*=|alert\(|javascript:|\b(?:https?|file|php|gopher|ldap|dict|ftp|expect|data|phar|jar)://|"""
    rb"""jndi|(?:system|exec|passthru|eval|assert|shell_exec|popen)\s*\(|phpinfo|getruntime|ro0ab|o:\d+:"|"""
    rb"""%0[ad]|\r\n|<!entity|<!doctype|file_put_contents|/proc/self|web-inf|\bselect\b.{0,60}\bfrom\b|\x00"""
)
"""What makes a value more than a value."""
_ORDINARY_PATHS: Final = re.compile(
    rb"(?i)/(?:index\.(?:php|html?|jsp|aspx?|action|do)|login(?:\.(?:php|html?|jsp|aspx?|cgi|action))?|admin(?:\.php|/)?|"
    rb"settings/?|administrator/?(?:index\.php)?|wp-login\.php|wp-admin/?(?:index\.php|admin-ajax\.php|admin\.php|admin-post\.php|"
    rb"profile\.php|post\.php|post-new\.php|options-general\.php)?|wp-json/?|xmlrpc\.php|user/login/?|users?/?|robots\.txt|"
    rb"api/?|graphql|home/?|main/?|signin|sign_in|auth/?|dashboard/?|console/?|feed/?|readme\.(?:txt|md|html)|"
    rb"favicon\.ico)?"
)
"""Paths that every second product has."""


class Site(msgspec.Struct, frozen=True):
    """Where a term can be read: a selector, and whether the field is decoded (so is the term)."""

    selector: str
    is_decoded: bool


class Recognised(msgspec.Struct, frozen=True):
    """How a request is recognised.

    ``conditions`` are those of a lure file; ``sites`` where each mark's term can be read; ``is_attack``: it carries a
    payload; ``is_ordinary``: what is left of it could be asked of any product. ``path`` has marks in it;
    ``is_anywhere``: without them nothing of it is left, nor anything else that tells.
    """

    conditions: dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]]
    sites: dict[bytes, tuple[Site, ...]]
    is_attack: bool
    is_ordinary: bool
    path: bytes
    is_anywhere: bool


def recognise(raw: bytes, marks: Marks) -> Recognised:
    """The conditions of a request (a whole message with marks in it)."""
    request = Request.parse(raw)
    work = _Work(request, marks)
    work.path()
    work.query()
    is_attack_so_far = work.is_attack
    work.body()
    is_plain = _ORDINARY_PATHS.fullmatch(request.path) is not None and not work.is_telling
    work.headers(is_needed=is_plain)
    return Recognised(
        {"method": request.method.decode("latin-1"), **work.conditions},
        {mark: tuple(sites) for mark, sites in work.sites.items()},
        is_attack_so_far or work.is_attack,
        is_plain and not work.is_telling,
        request.path,
        sum(map(len, marks.split(request.path)[::2])) < MIN_PATH_BYTES
        and marks.has(request.path)
        and not work.is_telling,
    )


def quote(text: bytes) -> str:
    """A literal text as a pattern, in ASCII."""
    return "".join(
        f"\\{chr(byte)}"
        if byte in rb"\.+*?()|[]{}^$"
        else chr(byte)
        if 32 <= byte < 127
        else f"\\x{byte:02x}"
        for byte in text
    )


_AS_SENT: Final = frozenset({"raw_path", "query", "body", "raw", "target"})
"""Fields in which a client may or may not have percent-encoded what was written."""


def quote_any(text: bytes) -> str:
    """A literal text as a pattern, whether or not its marks of punctuation are percent-encoded."""
    return "".join(
        quote(bytes((byte,))) if chr(byte).isalnum() or byte in b"-._~=&" else _either_way(byte)
        for byte in unquote_to_bytes(text)
    )


def _either_way(byte: int) -> str:
    return f"(?:{quote(bytes((byte,)))}|%(?i:{byte:02x}){'|[+]' if byte == 0x20 else ''})"


def is_attack(value: bytes) -> bool:
    """Whether a value looks like a payload."""
    return _ATTACK.search(value) is not None or _ATTACK.search(unquote(value)) is not None


class _Work:
    def __init__(self, request: Request, marks: Marks) -> None:
        self._request = request
        self._marks = marks
        self.conditions: dict[str, Any] = {}
        self.sites: dict[bytes, list[Site]] = {}
        self.is_attack = False
        self.is_telling = False
        """Whether something beyond method and path is asked for that only this flaw's requests hold."""

    def path(self) -> None:
        """The path: decoded if that loses nothing, otherwise as sent."""
        raw = self._request["raw_path"] or b""
        path = self._request.path
        whole = unquote(raw)
        if b".." in whole or b"\0" in whole or b"//" in whole.lstrip(b"/"):
            self.is_attack |= b".." in whole or b"\0" in whole
            field = "raw_path" if whole == raw else "raw_path|urldecode"
            self._condition(field, raw if whole == raw else whole, name=field)
            self.is_telling |= b".." in whole
            return
        self._condition("path", path, name="path")

    def query(self) -> None:
        """The parameters, or what of them can be named."""
        query = self._request["query"]
        if query is None:
            return
        query = query.partition(b"#")[0]
        if b"=" not in query:
            self._seek("query", query, is_decoded=False)
            self._loose("query|urldecode", unquote(query))
            self.is_telling |= len(query) > 3
            self.is_attack |= is_attack(query)
            return
        for name, value in list(fields(query).items())[:MAX_LEAVES]:
            self._parameter("query", name, value)
        self._seek("query", query, is_decoded=False)

    def body(self) -> None:
        """The fields of a form, the leaves of JSON, the parts of a multipart body, or pieces of anything else."""
        body = self._request["body"]
        if not body or not body.strip(b"\r\n"):
            return
        kind = (self._request["header.content-type"] or b"").lower()
        if kind.startswith(b"multipart/"):
            self._multipart(body)
        elif (tree := _json(body)) is not None:
            for path, value in list(_leaves(tree, ""))[:MAX_LEAVES]:
                self._parameter("json", path.encode(), value)
        elif re.match(rb"[^\s<>{}=&]{1,80}=", body) and b"xml" not in kind and b"json" not in kind:
            for name, value in list(fields(body).items())[:MAX_LEAVES]:
                self._parameter("form", name, value)
        else:
            self._loose("body", body)
            self.is_telling = True
            self.is_attack |= is_attack(body)
        self._seek("body", body, is_decoded=False)

    def headers(self, *, is_needed: bool) -> None:
        """Headers that carry something; with ``is_needed`` all that are not everybody's, if nothing else tells."""
        lines = (self._request["headers"] or b"").split(b"\r\n")
        for line in lines:
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            if name in {b"host", b"content-length", b"content-type"}:
                continue
            if self._marks.has(name):
                self._loose("headers", line)
                continue
            field = f"header.{name.decode('latin-1')}"
            self._seek(field, value, is_decoded=False)
            has_payload = is_attack(value) and name not in {b"origin", b"referer", b"accept", b"user-agent"}
            if name in {b"user-agent", b"referer", b"origin"}:
                has_payload = (
                    re.search(rb"(?i)jndi|\(\)\s*\{|<script|['\"]\s*(?:or|and)\b|<\?php", value) is not None
                )
            self.is_attack |= has_payload
            if _NAME.fullmatch(name.decode("latin-1")) and (
                has_payload or (is_needed and self._is_own(name, value))
            ):
                self.is_telling = True
                self._condition(field, value, name=field)
        self._seek("headers", b"\r\n".join(lines), is_decoded=False)
        self._seek("raw", self._request.raw, is_decoded=False)

    def _is_own(self, name: bytes, value: bytes) -> bool:
        if name in {b"authorization", b"x-forwarded-for"}:
            return not self._marks.has(value)
        return name not in _COMMON

    def _parameter(self, family: str, name: bytes, value: bytes) -> None:
        """One named value of a query, form or JSON body."""
        text = name.decode("utf-8", "replace")
        if self._marks.has(name) or not _NAME.fullmatch(text) or self._request[f"{family}.{text}"] != value:
            if len(self.conditions) < MAX_CONDITIONS:
                place = {"query": "query", "form": "body", "json": "body"}[family]
                self._loose(f"{place}|urldecode", name)
            return
        field = f"{family}.{text}"
        attack = is_attack(value)
        self.is_attack |= attack
        self.is_telling |= attack or len(name) > 12 or family == "json" or len(self.conditions) > 3
        self._seek(field, value, is_decoded=True)
        if attack or len(self.conditions) < MAX_CONDITIONS:
            self._condition(field, value, name=field)

    def _multipart(self, body: bytes) -> None:
        for part in parts(body, self._request["header.content-type"] or b"")[:MAX_LEAVES]:
            if part.file_name is None:
                self._parameter("form", part.name, part.content)
                continue
            name = part.name.decode("utf-8", "replace")
            self.is_telling = self.is_attack = True
            if (
                self._marks.has(part.name)
                or not _NAME.fullmatch(name)
                or self._request[f"file.{name}"] is None
            ):
                continue
            if self._request[f"file.{name}"] == part.file_name:
                self._condition(f"file.{name}", part.file_name, name=f"file.{name}")
            self._seek(f"file.{name}", part.file_name, is_decoded=True)
            # a part of the same name before it hides this one
            is_first = self._request[f"part.{name}"] == part.content
            if is_first:
                self._seek(f"part.{name}", part.content, is_decoded=True)
            if part.content.strip():
                self._loose(f"part.{name}" if is_first else "body", part.content)

    def _condition(self, field: str, value: bytes, *, name: str) -> None:
        """What a field must be: equal, alike, or holding the pieces that are known."""
        plain = name.partition("|")[0]
        self._seek(plain, self._request[plain] or value, is_decoded=plain != "raw_path")
        if b"\n" in value.strip():
            self._loose(field, value)
            return
        stripped = value.strip()
        key = field if stripped == value or "|" in field else f"{field}|trim"
        if not self._marks.has(value):
            if len(value) <= MAX_EQUAL_BYTES:
                self.conditions[key] = stripped.decode("latin-1") if key != field else value.decode("latin-1")
            else:
                self._loose(field, value)
            return
        pieces = self._marks.split(stripped)
        literal = sum(map(len, pieces[::2]))
        if not literal:
            self.conditions[f"{plain}|exists"] = True
        elif literal <= 2 * MAX_EQUAL_BYTES:
            self.conditions[f"{key}|re"] = "^" + self._pattern(plain, pieces) + "$"
        else:
            self._loose(field, value)

    def _pattern(self, field: str, pieces: list[bytes]) -> str:
        return "".join(
            self._look(field, pieces, index) if index % 2 else quote(piece)
            for index, piece in enumerate(pieces)
        )

    def _look(self, field: str, pieces: list[bytes], index: int) -> str:
        """What stands where a mark does; in the field of a form, of JSON or of a query that can be anything."""
        look = self._marks.look(pieces[index])
        if (
            look != ANYTHING
            or field.partition(".")[0] not in {"form", "json", "query", "part"}
            or "." not in field
        ):
            return look
        return ".*?" if pieces[index + 1] else ".*"

    def _loose(self, field: str, value: bytes) -> None:
        """The most telling pieces of a long value, all of which must be there."""
        lines = (
            line.strip()[:MAX_PIECE_BYTES]
            for piece in self._marks.split(value)[::2]
            for line in re.split(rb"[\r\n]+", piece)
        )
        found = sorted({line for line in lines if len(line) > 2}, key=lambda line: (-_telling(line), line))
        if found:
            old = self.conditions.get(f"{field}|contains|all", ())
            pieces = [line.decode("latin-1") for line in found[:MAX_PIECES]]
            self.conditions[f"{field}|contains|all"] = tuple(dict.fromkeys((*old, *pieces)))

    def _seek(self, field: str, value: bytes, *, is_decoded: bool) -> None:
        """Note where in a field the marks stand; a line end behind a form is nobody's value."""
        if field.startswith("form.") and value.endswith(b"\n"):
            field, value = f"{field}|trim", value.strip()
        pieces = self._marks.split(value)
        for index in range(1, len(pieces), 2):
            sites = self.sites.setdefault(pieces[index], [])
            selector = self._selector(field, pieces, index)
            if all(site.selector != selector for site in sites):
                sites.append(Site(selector, is_decoded))

    def _selector(self, field: str, pieces: list[bytes], index: int) -> str:
        plain = field if field.endswith("|trim") else field.partition("|")[0]
        if len(pieces) == 3 and not pieces[0] and not pieces[2] and plain not in {"body", "headers", "raw"}:
            return plain
        before, after = pieces[index - 1][-CONTEXT_BYTES:], pieces[index + 1][:8]
        write = quote_any if plain in _AS_SENT else quote
        lead = write(before)
        if not before and index > 1:
            lead = write(pieces[index - 3][-CONTEXT_BYTES:]) + self._look(plain, pieces, index - 2)
        elif before == pieces[0] and index == 1 and plain not in {"raw", "headers"}:
            lead = f"^{lead}"
        return f"{plain}|re:{lead}({self._look(plain, pieces, index)}){write(after)}"


def _telling(line: bytes) -> int:
    """How much a piece of text says: an attack's piece before any other, the longer the better."""
    return len(line) + 100 * is_attack(line)


def _json(body: bytes) -> Any:
    """A JSON object or array; ``None`` for anything else."""
    try:
        tree = json.loads(body, strict=False, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict | list) else None


def _leaves(tree: Any, path: str, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Scalars of JSON with their paths."""
    if depth > 16:
        return
    match tree:
        case dict():
            for key, value in tree.items():
                yield from _leaves(value, f"{path}.{key}" if path else str(key), depth + 1)
        case list():
            for index, value in enumerate(tree[:8]):
                yield from _leaves(value, f"{path}.{index}" if path else str(index), depth + 1)
        case bool():
            yield path, b"true" if tree else b"false"
        case str():
            yield path, tree.encode("utf-8", "surrogatepass")
        case _:
            return


_URL_ENCODERS: Final = frozenset({"urlencode"})


def read_from(term: Expr, site: Site) -> Expr:
    """What a site gives for a term: a decoded field has undone its percent encoding."""
    if site.is_decoded and isinstance(term, Call) and term.function in _URL_ENCODERS:
        return term.arguments[0]
    return term


def selectors(recognised: Recognised, terms: Mapping[bytes, Expr]) -> Iterator[tuple[Expr, str]]:
    """Every term of a request with the selector that reads it, the surest first."""
    for mark, sites in recognised.sites.items():
        for site in sites:
            yield read_from(terms[mark], site), site.selector
