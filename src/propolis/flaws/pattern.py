"""Regular expressions over what attackers send: RE2, which takes time linear in the input whatever the pattern.

Python's own engine can be made to search for hours by a request written for the purpose, so patterns are RE2's
(https://github.com/google/re2/wiki/Syntax): no look-around and no back-references, and ``.`` matches line ends too.
A byte is a character; case folding is ASCII's and Latin-1's.
"""

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined] # typeshed leaves out the pattern's own tree
from re import _parser as parser  # type: ignore[attr-defined] # the same
from typing import Any, TypeAlias

import re2

MAX_PATTERN = 4_096
"""Bytes of a pattern."""
MAX_MEMORY = 262_144
"""Bytes that one pattern's program and its cache may take."""

Found: TypeAlias = "re2._Match[bytes]"  # noqa: SLF001 - it has no public name
"""What a search found; as ``re.Match``, but that names of groups are bytes."""

_OPTIONS = re2.Options()
_OPTIONS.dot_nl = True
_OPTIONS.log_errors = False
_OPTIONS.encoding = re2.Options.Encoding.LATIN1  # type: ignore[attr-defined, unused-ignore] # the stubs lack it
_OPTIONS.max_mem = MAX_MEMORY

_CURES = {
    b"(?=": "RE2 has no lookahead: say it as a second condition",
    b"(?!": "RE2 has no lookahead: say it under unless",
    b"(?<=": "RE2 has no lookbehind: match the text before it too, and name a group",
    b"(?<!": "RE2 has no lookbehind: say it under unless",
    b"(?P=": "RE2 has no back-references: write the text again",
    b"\\Z": "write \\z for the end of the text",
}
_DIFFERENT = re.compile(rb"\[\[?:|\\[QECpPzx]|\{,|\(\?<|\(\?[a-zA-Z]*U")
"""Syntax that Python's parser does not read as RE2 does, so that it says nothing of literals."""

_ORDINARY = (
    b"get post head put options http/1.0 http/1.1 host: user-agent: mozilla/5.0 (windows nt 10.0; win64; x64) "
    b"applewebkit/537.36 (khtml, like gecko) chrome/ safari/537.36 accept: text/html,application/xhtml+xml,"
    b"application/xml;q=0.9,*/*;q=0.8 accept-language: en-us accept-encoding: gzip, deflate, br "
    b"connection: keep-alive close upgrade-insecure-requests: 1 content-type: application/x-www-form-urlencoded "
    b"application/json; charset=utf-8 multipart/form-data; boundary= content-length: content-disposition: form-data; "
    b'name=" filename=" cookie: referer: origin: x-requested-with: xmlhttprequest text/xml /index.php /login http:// '
    b"https:// .html .php .jsp .asp =1&"
)
"""Text such as most requests hold: a literal that is found in it tells nothing."""


class Pattern:
    """A compiled pattern. ``groups`` is how many it has, ``names`` those that have a name.

    ``literals``: at least one of them, in some case, is in every text the pattern is found in; empty if none is known.
    """

    __slots__ = ("_compiled", "groups", "literals", "names", "source")

    def __init__(self, source: bytes) -> None:
        if len(source) > MAX_PATTERN:
            raise ValueError(f"has {len(source)} bytes; a pattern has {MAX_PATTERN} at most")
        try:
            self._compiled = re2.compile(source, _OPTIONS)
        except re2.error as error:
            raise ValueError(_cure(source, error)) from error
        self.source = source
        self.groups: int = self._compiled.groups
        self.names: tuple[str, ...] = tuple(name.decode("latin-1") for name in self._compiled.groupindex)
        self.literals = _literals(source)

    def search(self, data: bytes) -> "Found | None":
        """The leftmost place where the pattern is found, as Perl would. O(bytes of data)."""
        return self._compiled.search(data)


@lru_cache(maxsize=16_384)
def compile_pattern(source: bytes) -> Pattern:
    """The pattern, compiled once. Raises ``ValueError`` that says what RE2 does not take and what to write instead."""
    return Pattern(source)


def rarity(literal: bytes) -> int:
    """How well a literal tells the requests that hold it from others: about its length, 0 for ordinary words."""
    return 0 if literal.lower() in _ORDINARY else len(literal)


def rarest(choices: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Of several sets of literals, one of which must be there, the one that tells the most; empty if there is none."""
    return max(choices, key=lambda literals: min(map(rarity, literals), default=-1), default=())


def _cure(source: bytes, error: Exception) -> str:
    for part, cure in _CURES.items():
        if part in source:
            return cure
    reason = error.args[0] if error.args else ""
    text = reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)
    return f"{source.decode('latin-1')!r} is not a pattern of RE2: {text}"


def _literals(source: bytes) -> tuple[bytes, ...]:
    if _DIFFERENT.search(source):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = parser.parse(source)
    except (re.error, FutureWarning, DeprecationWarning, RecursionError, OverflowError):
        return ()
    return rarest(_required(tree))


def _required(tree: Iterable[tuple[Any, Any]]) -> list[tuple[bytes, ...]]:
    """Sets of literals, of each of which one must occur, for a sequence of Python's pattern tree."""
    found: list[tuple[bytes, ...]] = []
    run = bytearray()
    for code, value in [*tree, (codes.ANY, None)]:
        if code is codes.LITERAL and value < 0x80:
            run.append(value)
            continue
        if code is codes.AT:
            continue
        if run:
            found.append((bytes(run),))
            run.clear()
        if code is codes.SUBPATTERN:
            found += _required(value[3])
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT) and value[0] > 0:
            found += _required(value[2])
        elif code is codes.BRANCH:
            branches = [rarest(_required(branch)) for branch in value[1]]
            if all(branches):
                found.append(tuple(literal for branch in branches for literal in branch))
    return found
