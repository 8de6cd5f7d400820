"""The functions that expressions may call. One line in one catalogue each.

A function is given its arguments as values and gives a value; what it cannot make sense of gives empty text. It is
bounded by its own arithmetic: nothing grows past :data:`~propolis.flaws.value.MAX_OUTPUT_BYTES`.
"""

import base64
import binascii
import hashlib
import html
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from propolis.clock import SECOND
from propolis.events.canary import KINDS
from propolis.flaws.effects.calculate import calculate
from propolis.flaws.effects.delay import sleep
from propolis.flaws.effects.files import file
from propolis.flaws.effects.php import php
from propolis.flaws.effects.shell import shell
from propolis.flaws.effects.sql import sql, sql_holds
from propolis.flaws.effects.windows import cmd
from propolis.flaws.pattern import compile_pattern
from propolis.flaws.scene import Scope, uuid_of
from propolis.flaws.value import MAX_OUTPUT_BYTES, MAX_REPEAT, Value, text, whole

Site: TypeAlias = bytes
"""Where in a lure file a call stands: what is drawn there stays the same."""
Call: TypeAlias = Callable[[Scope, Site, list[Value]], Value]

HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
"""IMF-fixdate (RFC 9110, 5.6.7)."""
MAX_DRAWN = 4_096
"""Characters of one random text."""
_MAX_SECONDS = 253_402_300_799  # the end of the year 9999
_MAX_FORMAT = 200
_DECIMAL = b"0123456789"
_HEXADECIMAL = b"0123456789abcdef"
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_ALPHANUMERIC = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Function(msgspec.Struct, frozen=True):
    """How it is called; ``is_pattern_first``: the first argument is a pattern and must be a literal."""

    call: Call
    least: int = 1
    most: int = 1
    is_pattern_first: bool = False


def _of_text(compute: Callable[[bytes], Value], least: int = 1) -> Function:
    """A function of one text."""
    return Function(lambda _, __, values: compute(text(values[0])), least)


def _digest(name: str) -> Function:
    return _of_text(lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest().encode())


def _drawn(alphabet: bytes) -> Function:
    def call(scope: Scope, site: Site, values: list[Value]) -> Value:
        count = max(0, min(whole(values[0]), MAX_DRAWN))
        return scope.chance(site).pick(alphabet, count)

    return Function(call)


def _base64_decode(data: bytes) -> bytes:
    """Both alphabets, padding or not; what is no base64 is left out, as PHP's does."""
    kept = bytes(byte for byte in data.translate(_URL_SAFE) if byte in _BASE64)
    try:
        return base64.b64decode(kept + b"=" * (-len(kept) % 4))
    except binascii.Error:
        return b""


_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _hex_decode(data: bytes) -> bytes:
    try:
        return binascii.unhexlify(data.strip())
    except (binascii.Error, ValueError):
        return b""


def _json(data: bytes) -> bytes:
    """A JSON string, quotes included (RFC 8259); bytes that are no UTF-8 are read as Latin-1."""
    try:
        said = data.decode()
    except UnicodeDecodeError:
        said = data.decode("latin-1")
    return json.dumps(said).encode()


def _html_unescape(data: bytes) -> bytes:
    return html.unescape(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogatepass")


def _html_escape(data: bytes) -> bytes:
    return html.escape(data.decode("latin-1")).encode("latin-1")


def _replace(_scope: Scope, _site: Site, values: list[Value]) -> Value:
    data, old, new = map(text, values)
    if not old or len(data) + data.count(old) * (len(new) - len(old)) > MAX_OUTPUT_BYTES:
        return data
    return data.replace(old, new)


def _split_at(_scope: Scope, _site: Site, values: list[Value]) -> Value:
    data, separator = text(values[0]), text(values[1])
    parts = data.split(separator) if separator else [data]
    place = whole(values[2])
    return parts[place] if -len(parts) <= place < len(parts) else b""


def _slice(_scope: Scope, _site: Site, values: list[Value]) -> Value:
    data = text(values[0])
    return data[whole(values[1]) : whole(values[2]) if len(values) > 2 else len(data)]


def _repeat(_scope: Scope, _site: Site, values: list[Value]) -> Value:
    data = text(values[0])
    count = max(0, min(whole(values[1]), MAX_REPEAT, MAX_OUTPUT_BYTES // max(1, len(data))))
    return data * count


def _find(_scope: Scope, _site: Site, values: list[Value]) -> Value:
    """The group asked for; without one the first if there is any, otherwise the whole."""
    searched = compile_pattern(text(values[0]))
    found = searched.search(text(values[1]))
    if found is None:
        return b""
    group = whole(values[2]) if len(values) > 2 else min(1, searched.groups)
    return found.group(group) or b"" if 0 <= group <= searched.groups else b""


def _date(scope: Scope, _site: Site, values: list[Value]) -> Value:
    """UTC in ``strftime``'s format; ``http`` is :data:`HTTP_DATE`."""
    pattern = text(values[0]).decode("utf-8", "replace")[:_MAX_FORMAT].replace("\0", "")
    offset = whole(values[1]) if len(values) > 1 else 0
    seconds = max(0, min(scope.scene.now // SECOND + offset, _MAX_SECONDS))
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime(HTTP_DATE if pattern == "http" else pattern).encode("utf-8", "replace")


def _uuid4(scope: Scope, site: Site, _values: list[Value]) -> Value:
    return uuid_of(scope.chance(site).take(16)).encode()


def _canary(scope: Scope, _site: Site, values: list[Value]) -> Value:
    wanted = text(values[0]).decode("latin-1")
    kind = next((kind for kind in KINDS if kind == wanted), None)
    return scope.scene.mint.mint(kind, scope.scene.source).encode() if kind else b""


def _field(scope: Scope, _site: Site, values: list[Value]) -> Value:
    return scope.field(text(values[0]).decode("utf-8", "replace"))


def _uploaded(scope: Scope, _site: Site, values: list[Value]) -> Value:
    """What this source has left under a name, whichever folder it is asked for in."""
    wanted = basename(text(values[0]))
    uploads = scope.session.uploads
    return next((uploads[path] for path in uploads if basename(path) == wanted), b"")


def _fetched(scope: Scope, site: Site, values: list[Value]) -> Value:
    """What a server sends for a file that this source has left: scripts are shown as what they print."""
    content = text(_uploaded(scope, site, values))
    suffix = basename(text(values[0])).lower().rpartition(b".")[2]
    if suffix in _PHP_SUFFIXES:
        return php(scope, content)
    return calculate(scope, content, b"spel") if suffix in _PAGE_SUFFIXES else content


_PHP_SUFFIXES = frozenset({b"inc", b"phar", b"php", b"php3", b"php5", b"php7", b"phtml"})
_PAGE_SUFFIXES = frozenset({b"asa", b"ashx", b"asmx", b"asp", b"aspx", b"cfm", b"jsp", b"jspx"})


def _keep(scope: Scope, _site: Site, values: list[Value]) -> Value:
    """Remember a file of this source's; gives its path."""
    path, content = text(values[0]), text(values[1])
    scope.session.upload(path, content)
    return path


def basename(path: bytes) -> bytes:
    """A path's last part, of either kind of slash, without a query."""
    return path.split(b"?", 1)[0].replace(b"\\", b"/").rstrip(b"/").rpartition(b"/")[2]


def _pair(compute: Callable[[bytes, bytes], Value]) -> Function:
    return Function(lambda _, __, values: compute(text(values[0]), text(values[1])), 2, 2)


def _calculate(scope: Scope, _site: Site, values: list[Value]) -> Value:
    return calculate(scope, text(values[0]), text(values[1]) if len(values) > 1 else b"")


def _effect(perform: Callable[[Scope, bytes], Value]) -> Function:
    """What an attacker's text would have done here."""
    return Function(lambda scope, _, values: perform(scope, text(values[0])))


FUNCTIONS: MappingProxyType[str, Function] = MappingProxyType(
    {
        "alnum": _drawn(_ALPHANUMERIC),
        "base64": _of_text(base64.b64encode),
        "base64_decode": _of_text(_base64_decode),
        "base64_url": _of_text(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
        "calculate": Function(_calculate, 1, 2),
        "canary": Function(_canary),
        "cmd": _effect(cmd),
        "contains": _pair(lambda data, part: part in data),
        "crc32": _of_text(lambda data: b"%08x" % zlib.crc32(data)),
        "date": Function(_date, 1, 2),
        "digits": _drawn(_DECIMAL),
        "endswith": _pair(lambda data, part: data.endswith(part)),
        "fetched": Function(_fetched),
        "field": Function(_field),
        "file": _effect(file),
        "find": Function(_find, 2, 3, is_pattern_first=True),
        "hex": _of_text(lambda data: data.hex().encode()),
        "hex_decode": _of_text(_hex_decode),
        "hexes": _drawn(_HEXADECIMAL),
        "html_escape": _of_text(_html_escape),
        "html_unescape": _of_text(_html_unescape),
        "int": _of_text(whole),
        "json": _of_text(_json),
        "keep": Function(_keep, 2, 2),
        "len": _of_text(len),
        "letters": _drawn(_LETTERS),
        "lower": _of_text(bytes.lower),
        "md5": _digest("md5"),
        "php": _effect(php),
        "repeat": Function(_repeat, 2, 2),
        "replace": Function(_replace, 3, 3),
        "reverse": _of_text(lambda data: data[::-1]),
        "sha1": _digest("sha1"),
        "sha256": _digest("sha256"),
        "sha512": _digest("sha512"),
        "shell": _effect(shell),
        "sleep": _of_text(sleep),
        "slice": Function(_slice, 2, 3),
        "split_at": Function(_split_at, 3, 3),
        "sql": _effect(sql),
        "sql_holds": _effect(sql_holds),
        "startswith": _pair(lambda data, part: data.startswith(part)),
        "str": _of_text(lambda data: data),
        "trim": _of_text(bytes.strip),
        "uploaded": Function(_uploaded),
        "upper": _of_text(bytes.upper),
        "url_decode": _of_text(lambda data: unquote_to_bytes(data.replace(b"+", b" "))),
        "url_encode": _of_text(lambda data: quote_from_bytes(data, safe="").encode()),
        "uuid4": Function(_uuid4, 0, 0),
    }
)
"""Every function there is, by its name."""
