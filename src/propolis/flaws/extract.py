r"""What an attack gives away: where it fetches from, whom it calls, what it runs, where the money goes.

A lure file says where to look (``field|re:PATTERN``); beyond that every request that is recognised is
searched for addresses, commands and wallets, also inside percent encoding, JSON and base64. Nothing here is ever
followed or run.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from propolis.flaws.content import json_of, json_texts
from propolis.flaws.key import ConditionError, parse_key
from propolis.flaws.pattern import Pattern, compile_pattern
from propolis.flaws.request import Request
from propolis.flaws.unwrap import resolve

KINDS: Final = frozenset({"callback", "c2", "command", "credential", "file", "url", "wallet", "webshell"})
"""What is told in the event; other names are variables of the lure file."""
MAX_TEXTS = 16
"""Of one kind and request."""
MAX_TEXT_BYTES = 2_048
"""Of one text; a longer one is cut."""
MAX_SCANNED_BYTES = 65_536
"""How much of one view of a request is searched."""
MAX_VIEWS = 16
"""The request and what is wrapped in it."""
MIN_BASE64 = 20
MAX_BASE64 = 65_536

_MARK = "|re:"


class Selector(msgspec.Struct, frozen=True):
    """Where a text is: a field after its transforms, or what a pattern finds in it (its first group if it has one)."""

    read: Callable[[Request], bytes | None]
    pattern: Pattern | None = None

    def select(self, request: Request) -> bytes | None:
        """The text, ``None`` if the request has none."""
        value = self.read(request)
        if value is None or self.pattern is None:
            return value
        found = self.pattern.search(value)
        if found is None:
            return None
        part: bytes | None = found.group(min(1, self.pattern.groups))
        return part


@lru_cache(maxsize=16_384)
def selector(text: str) -> Selector:
    """Compile ``field``, ``field|re:PATTERN`` or ``field|urldecode|re:PATTERN``.

    Raises ``ValueError`` that says what to write instead.
    """
    name, mark, pattern = text.partition(_MARK)
    try:
        key = parse_key(name)
    except ConditionError as error:
        raise ValueError(error.cure) from error
    if key.how or key.is_every or key.is_caseless:
        raise ValueError(f"{name!r} compares; write a field, transforms of it, and |re:PATTERN")
    return Selector(key.reader(), compile_pattern(pattern.encode()) if mark else None)


def select(selectors: Mapping[str, str], request: Request) -> dict[str, bytes]:
    """What a step's selectors find in a request, by variable; those that find nothing are left out."""
    found = {name: selector(text).select(request) for name, text in selectors.items()}
    return {name: value for name, value in found.items() if value is not None}


def search(request: Request) -> dict[str, tuple[str, ...]]:
    """Everything that gives an attacker's own machines, commands and wallets away, by kind; O(bytes)."""
    found: dict[str, dict[str, None]] = {}
    cards = _CARD.findall(request["header.user-agent"] or b"")
    ours = tuple(host for host in (request["host"], *cards) if host)
    for view in islice(_views(request), MAX_VIEWS):
        for kind, texts in _seek(view[:MAX_SCANNED_BYTES], ours):
            known = found.setdefault(kind, {})
            for text in texts:
                if text and len(known) < MAX_TEXTS:
                    known.setdefault(readable(text))
    return {kind: tuple(texts) for kind, texts in found.items() if texts}


def merge(values: Mapping[str, bytes], searched: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What selectors and the search have found, for the event: :data:`KINDS` only, each text once."""
    merged: dict[str, tuple[str, ...]] = dict(searched)
    for name, value in values.items():
        if name in KINDS and value:
            merged[name] = tuple(dict.fromkeys((readable(value), *merged.get(name, ()))))[:MAX_TEXTS]
    return merged


def readable(text: bytes) -> str:
    """Bytes as an event tells them: UTF-8 if they are, otherwise Latin-1; cut at :data:`MAX_TEXT_BYTES`."""
    text = text[:MAX_TEXT_BYTES]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


_HOST = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,10}[A-Za-z]{2,24}|\[[0-9A-Fa-f:.]{3,45}\])"
# what ends an address in a shell, in HTML, in JSON and in a lookup
_ADDRESS = rb"[^\s\"'<>`|;\\(){}\[\]^$\x00-\x1f\x7f-\xff]"
_URL = re.compile(
    rb"(?i)(?<![A-Za-z0-9+])(?:https?|ftps?|tftp|ldaps?|rmi|iiop|dns|gopher|dict|smb)://"
    rb"(?:[^\s\"'<>/@]{1,64}@)?(%s%s{0,2000})" % (_HOST, _ADDRESS)
)
_FETCH = re.compile(
    rb"(?i)(?<![A-Za-z0-9_./-])(?:/(?:usr/)?bin/)?(?:busybox\s+)?"
    rb"(?:wget|curl|tftp|ftpget|lwp-download|certutil(?:\.exe)?|bitsadmin(?:\.exe)?)\s"
    rb"[^;|&`\n\r\"'<>(){}\x00]{4,500}"
)
_BARE_URL = re.compile(rb"(?<![\w./:@-])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?/[A-Za-z0-9_.~/-]{1,200}")
_CARD = re.compile(rb"[+(;] ?https?://([^/\s;,)]{1,100})")
"""Where a crawler, or a library, says who it is."""
_DEVICE = re.compile(rb"/dev/(?:tcp|udp)/(%s)/(\d{1,5})" % _HOST)
_CONNECT = re.compile(
    rb"(?i)(?<![A-Za-z0-9_-])(?:nc|ncat|netcat|telnet)(?:\.traditional|\.openbsd|\.exe)?\s"
    rb"(?:[^\s;|&`]{1,40}\s+){0,4}?(%s)\s+(\d{1,5})(?!\d)" % _HOST
)
_SOCKET = re.compile(
    rb"(?i)(?:connect\(|socket\(|socket\.new\(|fsockopen\(|inet_aton\(|client\(|tcp:|tcp4:|udp:)[^\n]{0,40}?(%s)"
    rb"[\"']?\)?\s*[,:]\s*[\"']?(\d{2,5})(?!\d)" % _HOST
)
_CALLBACK = re.compile(
    rb"(?i)(?<![A-Za-z0-9.-])(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,10}(?:oast\.(?:fun|pro|live|site|online|me)|interact\.sh|"
    rb"interactsh\.com|burpcollaborator\.net|oastify\.com|dnslog\.(?:cn|pw|link|store)|ceye\.io|bxss\.me|"
    rb"canarytokens\.(?:com|org)|requestbin\.(?:net|com)|webhook\.site|pipedream\.net|requestrepo\.com)(?![A-Za-z0-9-])"
)
_BITCOIN = re.compile(
    rb"(?<![A-Za-z0-9])(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[ac-hj-np-z02-9]{25,59})(?![A-Za-z0-9])"
)
_ETHEREUM = re.compile(rb"(?<![A-Za-z0-9])0x[0-9a-fA-F]{40}(?![A-Za-z0-9])")
_MONERO = re.compile(rb"(?<![A-Za-z0-9])[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?![A-Za-z0-9])")
# most views have no word so long, and RE2 sees that twenty times as fast as re does
_LONG_WORD = compile_pattern(rb"[0-9A-Za-z]{26}")
_LONG_RUN = compile_pattern(rb"[A-Za-z0-9+/_-]{%d}" % MIN_BASE64)

_NAMESPACES = re.compile(
    rb"(?i)(?:www\.w3\.org|schemas\.[a-z]+\.(?:org|com)|xml\.apache\.org|java\.sun\.com|xmlns\.[a-z]+\.[a-z]+|"
    rb"purl\.org|www\.springframework\.org|maven\.apache\.org|(?:www\.)?bea\.com)(?:[/:#]|$)"
)
"""Names of XML vocabularies look like addresses, and nobody goes there."""


class _Trace(msgspec.Struct, frozen=True):
    """What a kind of text looks like; without one of the hints, in lower case, it is not there."""

    kind: str
    hints: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    read: Callable[[re.Match[bytes]], bytes]
    """The text; empty if it is none."""


def _place(found: re.Match[bytes]) -> bytes:
    return b"%s:%s" % found.groups()


def _whole(found: re.Match[bytes]) -> bytes:
    return found[0].rstrip(b" \t#\\")


def _command(found: re.Match[bytes]) -> bytes:
    """A command line that names a place; prose that begins with the word does not."""
    return _whole(found) if _SOMEWHERE.search(found[0]) else b""


_SOMEWHERE = re.compile(rb"(?i)://|\d\.\d{1,3}\.\d|\w\.[a-z]{2}")
_TRACES = (
    _Trace(
        "command",
        (b"wget", b"curl", b"tftp", b"ftpget", b"lwp-d", b"certutil", b"bitsadmin"),
        _FETCH,
        _command,
    ),
    _Trace("url", (b"wget", b"curl", b"tftp"), _BARE_URL, _whole),
    _Trace("c2", (b"/dev/tcp", b"/dev/udp"), _DEVICE, _place),
    _Trace("c2", (b"nc ", b"cat ", b"telnet ", b"nc.", b"cat."), _CONNECT, _place),
    _Trace("c2", (b"t(", b"n(", b".new(", b"tcp:", b"tcp4:", b"udp:"), _SOCKET, _place),
    _Trace(
        "callback",
        (
            *(b".oast", b".interact", b".burpcoll", b".dnslog.", b".ceye.io", b".bxss.me", b".canaryt"),
            *(b".requestbin", b".webhook.site", b".pipedream", b".requestrepo"),
        ),
        _CALLBACK,
        lambda found: found[0].lower(),
    ),
)

_HINT = compile_pattern(b"(?i)" + b"|".join({re.escape(hint) for trace in _TRACES for hint in trace.hints}))


def _seek(view: bytes, ours: tuple[bytes, ...]) -> Iterator[tuple[str, Iterable[bytes]]]:
    if b"://" in view:
        yield "url", _urls(view, ours)
    if _HINT.search(view) is not None:
        lowered = view.lower()
        for trace in _TRACES:
            if any(hint in lowered for hint in trace.hints):
                yield trace.kind, map(trace.read, islice(trace.pattern.finditer(view), MAX_TEXTS))
    if _LONG_WORD.search(view) is not None:
        for pattern, is_wallet in _WALLETS:
            yield "wallet", (found[0] for found in islice(pattern.finditer(view), 64) if is_wallet(found[0]))


def _urls(view: bytes, ours: tuple[bytes, ...]) -> Iterator[bytes]:
    """Addresses that are neither ours, nor a crawler's, nor the name of a vocabulary."""
    for found in islice(_URL.finditer(view), 4 * MAX_TEXTS):
        there = found[1]
        host = next((host for host in ours if there.startswith(host)), None)
        if host is not None and there[len(host) : len(host) + 1] in (b"", b"/", b"?", b":"):
            continue
        if not _NAMESPACES.match(there):
            first = found[0].partition(b"&")[
                0
            ]  # what follows is the next parameter, unless it is the address's own
            yield (found[0] if b"?" in first else first).rstrip(b".,:!?#")


def _views(request: Request) -> Iterator[bytes]:
    """The request, and what is wrapped in it, case kept: the order is that of how far it is from what was sent."""
    raw = request.raw[:MAX_SCANNED_BYTES]
    body = (request["body"] or b"")[:MAX_SCANNED_BYTES]
    views = [raw]
    if body and body not in raw:
        views.append(body)
    if b"\\" in body:
        views.append(b"\n".join(json_texts(json_of(body), with_keys=False)))
    for view in (request.target[:MAX_SCANNED_BYTES], *views[1:], body):
        views += _unquoted(view)
    if b"%" in raw and len(views) == 1:
        views += _unquoted(raw)
    views += [resolve(view) for view in views if b"${" in view]
    yield from views
    inner = [text for view in views for text in _unwrapped(view)]
    yield from inner
    yield from (deeper for text in inner for deeper in _unwrapped(text))


def _unquoted(view: bytes) -> Iterator[bytes]:
    """Percent encoding undone, twice, because attackers encode twice."""
    for _ in range(2):
        if b"%" not in view and b"+" not in view:
            return
        view = unquote_to_bytes(view.replace(b"+", b" "))
        yield view


_RUN = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{%d,%d}={0,2}" % (MIN_BASE64, MAX_BASE64))
_TRANSLATION = bytes.maketrans(b"-_", b"+/")
_PRINTABLE = bytes((*b"\t\n\r", *range(0x20, 0x7F)))


def _unwrapped(view: bytes) -> Iterator[bytes]:
    """Runs of base64 that hold text, or two-byte text as PowerShell's ``-EncodedCommand`` takes it."""
    if _LONG_RUN.search(view) is None:
        return
    for run in islice(_RUN.finditer(view), MAX_VIEWS):
        digits = run[0].translate(_TRANSLATION).rstrip(b"=")
        if digits.isalpha() or digits.isdigit():
            continue
        try:
            data = base64.b64decode(digits + b"=" * (-len(digits) % 4))
        except binascii.Error:
            continue
        if data[1::2].count(0) > len(data) * 2 // 5:
            data = data[::2]
        if len(data.translate(None, _PRINTABLE)) * 10 < len(data):
            yield data


_BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def is_bitcoin(address: bytes) -> bool:
    """Whether the checksum holds: Base58Check, or bech32 and bech32m (BIP 173, BIP 350)."""
    return _is_bech32(address) if address.startswith(b"bc1") else _is_base58check(address)


def _is_base58check(address: bytes) -> bool:
    number = 0
    for digit in address:
        number = number * 58 + _BASE58.index(digit)
    if number >= 1 << 200:
        return False
    data = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _is_bech32(address: bytes) -> bool:
    checksum = 1
    for value in (3, 3, 0, 2, 3, *(_BECH32.index(digit) for digit in address[3:])):
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum in (1, 0x2BC830A3)


_WALLETS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], bool]], ...] = (
    (_BITCOIN, is_bitcoin),
    (_ETHEREUM, lambda _: True),
    (_MONERO, lambda _: True),
)
