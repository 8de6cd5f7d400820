"""Text as the scanner's language sees it: bytes, one character each.

The templates' helpers, matchers and sizes count bytes. Everything here is therefore ``str`` with one character a byte
(ISO 8859-1), so that a binary payload, a UTF-8 page and a word of the template compare as the bytes they are.
"""

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import re2

Value: TypeAlias = "str | float | bool | list[Value] | dict[str, Value] | None"
"""What an expression yields; numbers are floats, as in the original."""

PATTERN_MEMORY_BYTES = 64 << 20


class PatternError(ValueError):
    """A regular expression that RE2 refuses; the template cannot be used."""


def bytewise(text: str) -> str:
    """A template's text (Unicode) as bytewise text."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def encoded(text: str) -> bytes:
    """Bytewise text as the bytes it stands for; what is no byte becomes UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def shown(value: Value) -> str:
    """A value as text: no fraction for whole numbers, lower-case truth values."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number_text(float(value))
        case list():
            return "[" + " ".join(shown(item) for item in value) + "]"
        case dict():
            return "map[" + " ".join(f"{key}:{shown(item)}" for key, item in value.items()) + "]"


def number_text(number: float) -> str:
    """Shortest decimal form without exponent."""
    if number.is_integer():
        return str(int(number))
    return f"{number:.17f}".rstrip("0") if abs(number) < 1e-4 else repr(number)


_PATTERNS: dict[str, "re2._Regexp[bytes]"] = {}


def pattern(text: str) -> "re2._Regexp[bytes]":
    """A regular expression in RE2's syntax over bytes. Raises :class:`PatternError`."""
    if text not in _PATTERNS:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # type: ignore[attr-defined, unused-ignore] # the stubs lack it
        options.log_errors = False
        options.max_mem = PATTERN_MEMORY_BYTES
        try:
            _PATTERNS[text] = re2.compile(encoded(text), options)
        except re2.error as error:
            why = error.args[0] if error.args else b""
            raise PatternError(why.decode("latin-1") if isinstance(why, bytes) else str(why)) from error
    return _PATTERNS[text]


def found(expression: str, text: str, group: int = 0) -> list[str]:
    """Every match's ``group``, in order; a match without that group is left out."""
    compiled = pattern(expression)
    if group > compiled.groups:
        return []
    return [(match.group(group) or b"").decode("latin-1") for match in compiled.finditer(encoded(text))]


def is_found(expression: str, text: str) -> bool:
    """Whether the pattern occurs."""
    return pattern(expression).search(encoded(text)) is not None


def header_name(name: str) -> str:
    """The canonical case of a field name: first letter and letters after a hyphen; odd names stay as they are."""
    if not name or any(not (c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~")) for c in name):
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


_PATH_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@")
_PATH_VALID = _PATH_PLAIN | frozenset("!'()*[]%")
_HEX = frozenset("0123456789abcdefABCDEF")


def escaped_path(path: str) -> str:
    """A path as the client puts it on the wire: left alone if it is validly encoded, else decoded and encoded anew."""
    if all(c in _PATH_VALID for c in path) and _is_percent_encoded(path):
        return path
    plain = unquote_to_bytes(path).decode("latin-1") if _is_percent_encoded(path) else path
    return "".join(c if c in _PATH_PLAIN else f"%{ord(c):02X}" for c in plain)


def _is_percent_encoded(path: str) -> bool:
    return all(piece[:2] and len(piece) >= 2 and set(piece[:2]) <= _HEX for piece in path.split("%")[1:])


def escaped_query(query: str) -> str:
    """A query as the client puts it on the wire: only spaces, control bytes and what is not ASCII are encoded."""
    pieces = []
    for character in encoded(query).decode("utf-8", "replace"):
        code = ord(character)
        if code < 20 or code == 127:
            pieces.append(f"%{code:02x}")
        elif code == 32:
            pieces.append("+")
        elif code < 127:
            pieces.append(character)
        else:
            pieces.extend(f"%{byte:02x}" for byte in character.encode())
    return "".join(pieces)


def merged(*tables: Mapping[str, Value]) -> dict[str, Value]:
    """One table; the later wins."""
    return {key: value for table in tables for key, value in table.items()}
