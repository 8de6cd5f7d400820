"""Go's regular expressions (RE2 syntax) on Python's ``re`` over bytes, and texts that they find.

A generator walks the parsed pattern and writes the shortest text with readable letters; whoever asks verifies it, as
look-around is not followed. The differences of the dialects: https://github.com/google/re2/wiki/Syntax.
"""

import random
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from re import _constants as ops  # type: ignore[attr-defined] # the parser's own vocabulary; typeshed leaves it out
from re import _parser as parser  # type: ignore[attr-defined] # the only parser that agrees with re
from typing import Any, Final

import msgspec

MAX_PATTERN_BYTES = 16_384
MAX_SAMPLE_BYTES = 65_536
MAX_DEPTH = 60

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_READABLE: Final = (b"0123456789", _LETTERS, _LETTERS.upper(), bytes(range(32, 127)), bytes(range(256)))
_CLASSES: Final = {
    "alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "punct": r"!-/:-@\[-`{-~",
    "word": r"\w", "xdigit": "0-9A-Fa-f", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
    "graph": "!-~", "print": " -~", "ascii": r"\x00-\x7f",
}  # fmt: skip
_DIALECT = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)|(?P<escape>\\(?:x\{[0-9a-fA-F]{1,6}\}|[0-7]{2,3}|[pP](?:\{\^?\w+\}|\w)|.))"
    r"|(?P<posix>\[:\^?\w+:\])|(?P<named>\(\?<(?=[A-Za-z_]))|(?P<flags>\(\?[imsU]*(?:-[imsU]+)?(?P<end>[):]))"
    r"|(?P<mark>[\[\]()$])|(?P<other>.)",
    re.DOTALL,
)


class PatternError(ValueError):
    """A pattern that cannot be read or that no text is made for."""


class Sample(msgspec.Struct, frozen=True):
    """A text for a pattern: ``spans`` of its groups by number, and whether it is all there may be at an end."""

    text: bytes
    spans: dict[int, tuple[int, int]]
    is_first: bool
    is_last: bool


@lru_cache(maxsize=8_192)
def compiled(pattern: bytes) -> re.Pattern[bytes]:
    """A Go pattern for Python. Raises :class:`PatternError`."""
    if len(pattern) > MAX_PATTERN_BYTES:
        raise PatternError(f"is longer than {MAX_PATTERN_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # sets that look nested: Go knows none
            return re.compile(_translated(pattern.decode("latin-1")).encode("latin-1"))
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise PatternError(f"{pattern[:200]!r}: {error}") from error


def searches(pattern: bytes, data: bytes) -> bool:
    """Whether a Go pattern finds something. Raises :class:`PatternError`."""
    return compiled(pattern).search(data) is not None


def sample(pattern: bytes, draws: random.Random, branch: int = 0) -> Sample:
    """A text that a Go pattern should find; ``branch`` picks among alternatives. Raises :class:`PatternError`."""
    regex = compiled(pattern)
    writer = _Writer(draws, branch)
    try:
        writer.sequence(parser.parse(regex.pattern.decode("latin-1"), regex.flags & ~re.UNICODE), 0)
    except (re.error, RecursionError) as error:
        raise PatternError(f"{pattern[:200]!r}: {error}") from error
    return Sample(bytes(writer.out), writer.spans, writer.is_first, writer.is_last)


def _translated(pattern: str) -> str:
    """Python's way of writing a Go pattern."""
    out: list[str] = []
    open_flags = [0]
    in_class = False
    is_multiline = "(?m" in pattern or "(?sm" in pattern or "(?im" in pattern
    for found in _DIALECT.finditer(pattern):
        kind, piece = str(found.lastgroup), found[0]
        if kind == "quoted":
            out.append(re.escape(found["quoted"]))
        elif kind == "escape":
            out.append(_escape(piece, in_class=in_class))
        elif kind == "posix":
            out.append(_posix(piece) if in_class else piece)
        elif in_class and kind != "mark":
            out.append(piece)
        elif kind == "named":
            out.append("(?P<")
        elif kind in {"flags", "end"}:
            out.append(_flags(piece, open_flags, is_start=not out))
        elif kind == "mark":
            in_class = _mark(piece, out, open_flags, in_class=in_class, is_multiline=is_multiline)
        else:
            out.append(piece)
    return "".join(out) + ")" * sum(open_flags)


def _mark(piece: str, out: list[str], open_flags: list[int], *, in_class: bool, is_multiline: bool) -> bool:
    """Write a bracket, parenthesis or dollar; whether a class is open after it."""
    if in_class:
        is_first = out[-1] in {"[", "^"} and (out[-1] == "[" or out[-2:-1] == ["["])
        out.append(piece if piece not in "[]" or (piece == "]" and not is_first) else f"\\{piece}")
        return piece != "]" or is_first
    if piece == "(":
        open_flags.append(0)
    elif piece == ")" and len(open_flags) > 1:
        piece = ")" * (open_flags.pop() + 1)
    elif piece == "$" and not is_multiline:
        piece = r"\Z"
    out.append(piece)
    return piece == "["


def _flags(piece: str, open_flags: list[int], *, is_start: bool) -> str:
    """``(?i)`` as a group to the end of the one around it, unless it begins the pattern."""
    letters = piece[2:-1].replace("U", "")
    if letters in {"", "-"}:
        letters = ""
    if piece.endswith(":"):
        open_flags.append(0)
        return f"(?{letters}:"
    if not letters:
        return ""
    if is_start and "-" not in letters:
        return f"(?{letters})"
    open_flags[-1] += 1
    return f"(?{letters}:"


def _escape(piece: str, *, in_class: bool) -> str:
    if piece.startswith(r"\x{"):
        return re.escape(chr(int(piece[3:-1], 16)).encode("utf-8", "replace").decode("latin-1"))
    if len(piece) > 2 and piece[1:].isdigit():
        return f"\\x{int(piece[1:], 8) & 0xFF:02x}"
    if piece[1] in "pP":
        inner = r"A-Za-z\x80-\xff"
        if in_class:
            return inner
        return f"[{inner}]" if piece[1] == "p" else f"[^{inner}]"
    if piece == r"\z":
        return r"\Z"
    if piece[1].isascii() and piece[1].isalpha() and piece[1] not in "AaBbDdfnrSstvWwxZ":
        return piece[1]
    return piece


def _posix(piece: str) -> str:
    name = piece.strip("[:^]")
    if name not in _CLASSES or "^" in piece:
        raise PatternError(f"{piece} is no class of characters that we know")
    return _CLASSES[name]


class _Writer:
    """Walks a parsed pattern and writes a text; bounded by :data:`MAX_SAMPLE_BYTES`."""

    def __init__(self, draws: random.Random, branch: int) -> None:
        self._draws = draws
        self._branch = branch
        self.out = bytearray()
        self.spans: dict[int, tuple[int, int]] = {}
        self.is_first = False
        self.is_last = False

    def sequence(self, items: Any, depth: int, groups: int = 0) -> None:
        """Write what a sequence of parsed items asks for; ``groups`` counts the capturing groups around it."""
        if depth > MAX_DEPTH:
            raise PatternError("is nested too deeply")
        for op, argument in items:
            if len(self.out) > MAX_SAMPLE_BYTES:
                raise PatternError(f"needs more than {MAX_SAMPLE_BYTES} bytes")
            self._item(op, argument, depth, groups)

    def _item(self, op: Any, argument: Any, depth: int, groups: int) -> None:
        if op is ops.AT:
            self._anchor(argument)
        elif op in _ONE:
            self.out.append(self._draws.choice(_allowed(op, argument)))
        elif op is ops.BRANCH:
            self.sequence(argument[1][self._branch % len(argument[1])], depth + 1, groups)
        elif op is ops.SUBPATTERN:
            self._group(argument, depth, groups)
        elif op in {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}:
            least, most, inner = argument
            wanted = min(int(most), _count(inner, is_captured=groups > 0))
            for _ in range(max(int(least), wanted)):
                self.sequence(inner, depth + 1, groups)
        elif op is ops.GROUPREF:
            start, end = self.spans.get(argument, (0, 0))
            self.out += self.out[start:end]
        elif op is ops.ATOMIC_GROUP:
            self.sequence(argument, depth + 1, groups)
        elif op not in {ops.ASSERT, ops.ASSERT_NOT}:
            raise PatternError(f"{op} is not written")

    def _group(self, argument: Any, depth: int, groups: int) -> None:
        start, number = len(self.out), argument[0]
        self.sequence(argument[3], depth + 1, groups + (number is not None))
        if number is not None:
            self.spans[number] = (start, len(self.out))

    def _anchor(self, where: Any) -> None:
        if where in {ops.AT_BEGINNING, ops.AT_BEGINNING_STRING} and not self.out:
            self.is_first = True
        elif where in {ops.AT_END, ops.AT_END_STRING}:
            self.is_last = True
        elif where is ops.AT_BOUNDARY and self.out and self.out[-1:].isalnum():
            self.out += b" "


def _count(inner: Any, *, is_captured: bool) -> int:
    """How often something repeated is written where it may be: what a group captures should look like something."""
    if len(inner) != 1:
        return 0
    if inner[0][0] in _ONE:
        return 6 if is_captured else 0
    return int(inner[0][0] is ops.SUBPATTERN and inner[0][1][0] is not None)


_ONE: Final = {ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN}


def _allowed(op: Any, argument: Any) -> bytes:
    """Bytes an item accepts, the most readable kind of them."""
    if op is ops.LITERAL:
        return bytes((argument,))
    if op is ops.ANY:
        return _LETTERS
    if op is ops.NOT_LITERAL:
        return _LETTERS.replace(bytes((argument,)), b"")
    accepted = set(_members(argument))
    for kind in _readable_first(argument):
        if found := bytes(byte for byte in kind if byte in accepted):
            return found
    raise PatternError("accepts no byte")


def _readable_first(argument: Sequence[Any]) -> tuple[bytes, ...]:
    """Letters before digits where everything but a few bytes is accepted."""
    return (_LETTERS, *_READABLE) if argument[0][0] is ops.NEGATE else _READABLE


_CATEGORIES: Final = {
    ops.CATEGORY_DIGIT: rb"\d", ops.CATEGORY_NOT_DIGIT: rb"\D", ops.CATEGORY_SPACE: rb"\s",
    ops.CATEGORY_NOT_SPACE: rb"\S", ops.CATEGORY_WORD: rb"\w", ops.CATEGORY_NOT_WORD: rb"\W",
}  # fmt: skip


def _members(items: Sequence[Any]) -> Iterator[int]:
    chosen: set[int] = set()
    for op, argument in items:
        if op is ops.LITERAL:
            chosen.add(argument)
        elif op is ops.RANGE:
            chosen.update(range(argument[0], min(argument[1], 255) + 1))
        elif op is ops.CATEGORY:
            category = re.compile(_CATEGORIES[argument])
            chosen.update(byte for byte in range(256) if category.match(bytes((byte,))))
    return iter(set(range(256)) - chosen if items[0][0] is ops.NEGATE else chosen)
