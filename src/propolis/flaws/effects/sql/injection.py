"""What an injected query shows on a page: the columns of its UNION, the database's complaint, or nothing."""

import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from propolis.flaws.effects.sql.expression import Reader
from propolis.flaws.effects.sql.values import NoSenseError, Value, number_of, text_of
from propolis.flaws.scene import Scope

MAX_BYTES = 32_768
MAX_TRIED = 8
"""Places of one text where an expression is read."""
COLUMNS = 10
"""``ORDER BY`` beyond it is an error."""
XPATH_CHARS = 32
"""MySQL cuts what an XPath error shows."""

_UNION = re.compile(r"(?is)union\b(?:[\s+(]|\*/|/\*!?\d*)*(?:all|distinct)?(?:[\s+(]|/\*!?\d*|\*/)*select\b")
_ORDER = re.compile(r"(?i)\border(?:\s|\+|/\*.*?\*/)+by(?:\s|\+|/\*.*?\*/)+(\d{1,6})\b")
_CONDITION = re.compile(r"(?i)(?:\b(?:and|or|xor|where|having)\b|&&)\s*")
_COMMENT = re.compile(r"/\*(?!!).*?\*/", re.DOTALL)


class _Complaint(msgspec.Struct, frozen=True):
    """How a database tells a value: which argument of the function holds it, and the words around it."""

    argument: int
    words: Callable[[str], str]


def _words(form: str) -> Callable[[str], str]:
    return lambda value: form.replace("{}", value)


_XPATH = "XPATH syntax error: '{}'"
_CONVERSION = "Conversion failed when converting the nvarchar value '{}' to data type int."
_GTID = "Malformed GTID set specification '{}'."
_GEOHASH = "Incorrect geohash value: '{}' for function ST_LATFROMGEOHASH"
_JSON = 'Invalid JSON text in argument 1 to function json_keys: "Invalid value." at position 0. {}'
_ORACLE_XML = (
    "ORA-31011: XML parsing failed\nORA-19202: Error occurred in XML processing\n"
    'LPX-00110: Warning: invalid QName "{}"'
)
_ORACLE_TEXT = "ORA-20000: Oracle Text error:\nDRG-11701: thesaurus {} does not exist"
_ORACLE_HOST = "ORA-29257: host {} unknown"
_COMPLAINTS: Final[MappingProxyType[str, _Complaint]] = MappingProxyType(
    {
        "ctxsys.drithsx.sn": _Complaint(1, _words(_ORACLE_TEXT)),
        "extractvalue": _Complaint(1, lambda value: _XPATH.replace("{}", value[:XPATH_CHARS])),
        "gtid_subset": _Complaint(0, _words(_GTID)),
        "gtid_subtract": _Complaint(0, _words(_GTID)),
        "json_keys": _Complaint(0, _words(_JSON)),
        "st_latfromgeohash": _Complaint(0, _words(_GEOHASH)),
        "updatexml": _Complaint(1, lambda value: _XPATH.replace("{}", value[:XPATH_CHARS])),
        "utl_inaddr.get_host_address": _Complaint(0, _words(_ORACLE_HOST)),
        "utl_inaddr.get_host_name": _Complaint(0, _words(_ORACLE_HOST)),
        "xmltype": _Complaint(0, _words(_ORACLE_XML)),
    }
)
_COMPLAINING = re.compile(
    r"(?i)\b(" + "|".join(name.replace(".", r"\.") for name in _COMPLAINTS) + r")\s*\(", re.ASCII
)
_CONVERTING = re.compile(
    r"(?is)\bconvert\s*\(\s*int\s*,|\bcast\s*\((?=.{1,4000}?\bas\s+(?:int|integer|numeric|bigint|signed)\b)"
)
_INTEGER = 'invalid input syntax for type integer: "{}"'
_DUPLICATE = re.compile(r"(?is)\bconcat(?:_ws)?\s*\((?=.{1,4000}?\bfloor\s*\(\s*rand\s*\()")
_IN = re.compile(r"(?is)\b(?:in|=|>|<)\s*\(\s*(?=select\b)")


_DUPLICATED = "Duplicate entry '{}' for key 'group_key'"
_TELLING = ((_DUPLICATE, False, _DUPLICATED), (_CONVERTING, True, _INTEGER), (_IN, True, _CONVERSION))
"""Where an expression begins that a complaint quotes: at the end of what is found, or at its start."""


def sql(scope: Scope, text: bytes) -> bytes:
    """What the page shows: reflected columns of a UNION, a line each; an error; or nothing.

    The markers that scanners look for are computed: ``concat(0x7e,md5(1),0x7e)``, ``char(113)||...``, ``version()``.
    For what a query waits see :func:`~propolis.flaws.effects.delay.sleep`, for whether its condition holds
    :func:`sql_holds`. O(bytes), bounded; nothing raises.
    """
    source = _readable(text)
    scope.spend(len(source))
    shown = _united(scope, source)
    if shown is None:
        shown = _complained(scope, source)
    return shown.encode("latin-1", "replace")


def sql_holds(scope: Scope, text: bytes) -> bool:
    """Whether the condition that is injected is true: ``AND 1=1`` against ``AND 1=2``; true if there is none."""
    source = _readable(text)
    scope.spend(len(source))
    holds = True
    for found in list(_CONDITION.finditer(source))[:MAX_TRIED]:
        try:
            value = Reader(scope, source, found.end()).value()
        except NoSenseError:
            continue
        if found[0].strip().lower() in {"or", "xor"}:
            holds = holds or bool(number_of(value))
        else:
            holds = holds and bool(number_of(value))
    return holds


def _readable(text: bytes) -> str:
    data = text[:MAX_BYTES]
    if b"+" in data and b" " not in data:
        data = data.replace(b"+", b" ")  # a form's spaces; between texts it is Microsoft's concatenation
    if b"%" in data:
        data = unquote_to_bytes(data)
    return _COMMENT.sub(" ", data.decode("latin-1"))


def _united(scope: Scope, source: str) -> str | None:
    """The columns of the last UNION SELECT that can be read."""
    for found in reversed(list(_UNION.finditer(source))[:MAX_TRIED]):
        try:
            values: Sequence[Value] = Reader(scope, source, found.end()).columns()
        except NoSenseError:
            continue
        return "\n".join(text_of(value) for value in values if value is not None)
    return None


def _complained(scope: Scope, source: str) -> str:
    for found in list(_COMPLAINING.finditer(source))[:MAX_TRIED]:
        complaint = _COMPLAINTS[found[1].lower()]
        value = _argument(scope, source, found.end(), complaint.argument)
        if value:
            return complaint.words(value)
    for pattern, at_end, form in _TELLING:
        told = pattern.search(source)
        value = _argument(scope, source, told.end() if at_end else told.start(), 0) if told else ""
        if told and value and (form is _DUPLICATED or not value.isdigit()):
            is_microsoft = form is _INTEGER and told[0].lower().startswith("convert")
            return (_CONVERSION if is_microsoft else form).replace("{}", value)
    return _rejected(source)


def _argument(scope: Scope, source: str, at: int, place: int) -> str:
    """A function's argument as text; empty if it has none."""
    reader = Reader(scope, source, at)
    try:
        values = [reader.value()] if place == 0 else reader.columns()
    except NoSenseError:
        return ""
    return text_of(values[place]) if place < len(values) else ""


def _rejected(source: str) -> str:
    """A syntax error for a quote that is left open, an unknown column for an ORDER BY that goes too far."""
    order = _ORDER.search(source)
    if order and int(order[1]) > COLUMNS:
        return f"Unknown column '{order[1]}' in 'order clause'"
    code = re.split(r"--|#", source, maxsplit=1)[0]
    if code == source and re.sub(r"\\.", "", source).count("'") % 2:
        near = source[source.rfind("'") :][:80]
        return (
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for "
            f"the right syntax to use near '{near}' at line 1"
        )
    return ""
