"""Values of SQL and the functions that injections call on them: MySQL's, and what others spell differently."""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TypeAlias

from propolis.flaws.effects.files import file
from propolis.flaws.scene import Scope

MAX_TEXT = 65_536
VERSION = "8.0.36-0ubuntu0.22.04.1"

Value: TypeAlias = str | int | float | None
"""Texts are Latin-1, so that a character is a byte."""


class NoSenseError(Exception):
    """Not SQL that has a value here."""


def text_of(value: Value) -> str:
    """A value as it is printed; NULL is empty."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def number_of(value: Value) -> int | float:
    """A value as a number: the digits a text begins with."""
    if isinstance(value, int | float):
        return value
    found = re.match(r"\s*([+-]?\d{1,18})(\.\d{1,18})?", value or "", re.ASCII)
    if found is None:
        return 0
    return float(found[0]) if found[2] else int(found[1])


def bytes_of(value: Value) -> bytes:
    """A value as bytes."""
    return text_of(value).encode("latin-1", "replace")


def _digest(name: str) -> "Function":
    return lambda _, values: hashlib.new(name, bytes_of(values[0]), usedforsecurity=False).hexdigest()


def _concat(_: Scope, values: Sequence[Value]) -> Value:
    return None if None in values else "".join(map(text_of, values))[:MAX_TEXT]


def _concat_ws(_: Scope, values: Sequence[Value]) -> Value:
    return text_of(values[0]).join(text_of(value) for value in values[1:] if value is not None)[:MAX_TEXT]


def _char(_: Scope, values: Sequence[Value]) -> Value:
    return "".join(chr(int(number_of(value)) & 0xFF) for value in values[:1_024])


def _hex(_: Scope, values: Sequence[Value]) -> Value:
    value = values[0]
    return f"{value:X}" if isinstance(value, int) else bytes_of(value).hex().upper()


def _unhex(_: Scope, values: Sequence[Value]) -> Value:
    try:
        return binascii.unhexlify(bytes_of(values[0])).decode("latin-1")
    except (binascii.Error, ValueError):
        return None


def _from_base64(_: Scope, values: Sequence[Value]) -> Value:
    try:
        return base64.b64decode(bytes_of(values[0])).decode("latin-1")
    except (binascii.Error, ValueError):
        return None


def _substring(_: Scope, values: Sequence[Value]) -> Value:
    text, start = text_of(values[0]), int(number_of(values[1]))
    start = start - 1 if start > 0 else max(0, len(text) + start)
    length = int(number_of(values[2])) if len(values) > 2 else len(text)
    return text[start : start + max(0, length)]


def _if(_: Scope, values: Sequence[Value]) -> Value:
    return values[1] if number_of(values[0]) else values[2]


def _repeat(_: Scope, values: Sequence[Value]) -> Value:
    text = text_of(values[0])
    return text * max(0, min(int(number_of(values[1])), MAX_TEXT // max(1, len(text))))


def _replace(_: Scope, values: Sequence[Value]) -> Value:
    text, old, new = map(text_of, values[:3])
    if not old or len(text) + text.count(old) * len(new) > MAX_TEXT:
        return text
    return text.replace(old, new)


def _first(_: Scope, values: Sequence[Value]) -> Value:
    return values[0]


def _coalesce(_: Scope, values: Sequence[Value]) -> Value:
    return next((value for value in values if value is not None), None)


def _says(text: Callable[[Scope], str]) -> "Function":
    return lambda scope, _: text(scope)


def _user(_: Scope) -> str:
    return "portal@localhost"


def _ascii(_: Scope, values: Sequence[Value]) -> Value:
    return (bytes_of(values[0]) or b"\0")[0]


Function: TypeAlias = Callable[[Scope, Sequence[Value]], Value]

FUNCTIONS: MappingProxyType[str, Function] = MappingProxyType(
    {
        "ascii": _ascii,
        "char": _char,
        "char_length": lambda _, values: len(text_of(values[0])),
        "chr": _char,
        "coalesce": _coalesce,
        "concat": _concat,
        "concat_ws": _concat_ws,
        "current_database": _says(lambda _: "portal"),
        "current_user": _says(_user),
        "database": _says(lambda _: "portal"),
        "db_name": _says(lambda _: "portal"),
        "elt": lambda _, values: (
            values[int(number_of(values[0]))] if 0 < number_of(values[0]) < len(values) else None
        ),
        "from_base64": _from_base64,
        "group_concat": _concat,
        "count": lambda _, __: 1,
        "floor": lambda _, values: math.floor(number_of(values[0])),
        "hashbytes": lambda scope, values: FUNCTIONS[text_of(values[0]).lower()](scope, values[1:]),
        "hex": _hex,
        "host_name": _says(lambda scope: scope.scene.hostname),
        "if": _if,
        "ifnull": _coalesce,
        "iif": _if,
        "isnull": _coalesce,
        "left": lambda _, values: text_of(values[0])[: max(0, int(number_of(values[1])))],
        "len": lambda _, values: len(text_of(values[0])),
        "length": lambda _, values: len(text_of(values[0])),
        "load_file": lambda scope, values: file(scope, bytes_of(values[0])).decode("latin-1") or None,
        "lower": lambda _, values: text_of(values[0]).lower(),
        "make_set": lambda _, values: text_of(values[1]),
        "max": _first,
        "md5": _digest("md5"),
        "mid": _substring,
        "min": _first,
        "now": _says(lambda _: "2024-01-14 21:14:03"),
        "nvl": _coalesce,
        "ord": _ascii,
        "rand": lambda _, __: 0.5,
        "repeat": _repeat,
        "replace": _replace,
        "reverse": lambda _, values: text_of(values[0])[::-1],
        "schema": _says(lambda _: "portal"),
        "session_user": _says(_user),
        "sha": _digest("sha1"),
        "sha1": _digest("sha1"),
        "sha2": _digest("sha256"),
        "sleep": lambda _, __: 0,
        "string_agg": _first,
        "substr": _substring,
        "substring": _substring,
        "system_user": _says(_user),
        "to_char": _first,
        "to_nchar": _first,
        "trim": lambda _, values: text_of(values[0]).strip(),
        "unhex": _unhex,
        "upper": lambda _, values: text_of(values[0]).upper(),
        "user": _says(_user),
        "user_name": _says(_user),
        "version": _says(lambda _: VERSION),
        "xmlagg": _first,
    }
)
"""Functions by their lower-case names."""

VARIABLES: MappingProxyType[str, Callable[[Scope], str]] = MappingProxyType(
    {
        "@@basedir": lambda _: "/usr/",
        "@@datadir": lambda _: "/var/lib/mysql/",
        "@@hostname": lambda scope: scope.scene.hostname,
        "@@servername": lambda scope: scope.scene.hostname,
        "@@version": lambda _: VERSION,
        "@@version_comment": lambda _: "(Ubuntu)",
        "@@version_compile_os": lambda _: "Linux",
        "current_user": _user,
        "user": _user,
    }
)
"""Names that stand for a value."""


def column(scope: Scope, name: str) -> str:
    """What is in a column of that name; a password is a canary of this visitor's."""
    if re.search(r"pass|pwd|hash|secret", name):
        return scope.scene.mint.mint("password", scope.scene.source)
    for pattern, content in _COLUMNS:
        if re.search(pattern, name):
            return content
    return "1"


_COLUMNS = (
    ("table_name|tbl_name", "users"),
    ("schema_name|table_schema|datname", "portal"),
    ("column_name", "username"),
    ("mail", "admin@localhost"),
    ("user|login|name|banner", "admin"),
)
