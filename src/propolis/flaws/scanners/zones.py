"""What a CrowdSec AppSec rule says of a request's zones, as conditions of a lure file.

Zones, transforms and match types are those of https://docs.crowdsec.net/docs/appsec/rules_syntax. Fields are decoded
once already, as the zones are, so an ``urldecode`` undoes what was encoded twice. ``libinjection`` is a library of
fingerprints; here two patterns of what it looks for stand in its place.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from propolis.flaws.file import Conditions, Scalar
from propolis.flaws.scanners.recognise import quote

MAX_WAYS = 64
MAX_COUNT = 16


class Leaf(msgspec.Struct, frozen=True):
    """One test of a rule: ``key`` is where it stands in the file, ``kind`` how ``value`` is compared."""

    key: str
    zones: tuple[str, ...]
    variables: tuple[str, ...]
    transforms: tuple[str, ...]
    kind: str
    value: str


class UnsaidError(ValueError):
    """Something that no condition says: the key in the file, and what it is."""

    def __init__(self, key: str, why: str) -> None:
        self.key = key
        self.why = why
        super().__init__(f"{key}: {why}")


_SQL: Final = (
    r"(?i)['\x22`)\\]\s*(?:(?:x?or|and|union|having|order|group|like|rlike|limit)\b|[|&]{2}|;|--|#|/\*|[=<>]|$)"
    r"|\bunion\b.{0,40}\bselect\b|\bselect\b.{1,200}\bfrom\b|\b(?:sleep|benchmark|pg_sleep|extractvalue|updatexml|char|"
    r"concat(?:_ws)?|load_file|if|substr(?:ing)?|ascii)\s*\(|\bwaitfor\s+delay\b|\bcase\s+when\b|--\s|/\*!?|"
    r"\b(?:or|and)\b\s+[\x22'(]*\w+[\x22')]*\s*(?:[=<>]|like\b|in\b|between\b)"
)
_XSS: Final = r"(?i)<\s*[a-z!/?%]|\bon[a-z]{3,20}\s*=|javascript\s*:|vbscript\s*:|data\s*:\s*text/html"
_GRAMMARS: Final = {"libinjectionsql": _SQL, "libinjectionxss": _XSS}
_TRANSFORMS: Final = {
    "urldecode": "urldecode",
    "b64decode": "base64decode",
    "base64decode": "base64decode",
    "trim": "trim",
}
_ORDERS: Final = frozenset({"gt", "gte", "lt", "lte"})
FAMILIES: Final = {"ARGS": "query", "BODY_ARGS": "form", "HEADERS": "header", "COOKIES": "cookie"}
_LISTS: Final = {"ARGS": "query", "BODY_ARGS": "body", "HEADERS": "headers", "COOKIES": "header.cookie"}
"""Where all the pairs of a zone stand."""
_NAMES: Final = {"ARGS_NAMES": "query", "BODY_ARGS_NAMES": "body"}
_ENCODED: Final = re.compile(r"%[0-9a-fA-F]{2}")
_RAW: Final = re.compile(r"\.\.|//|/\./")
"""In a path that is read without them, these would never be found."""


def ways(leaf: Leaf) -> list[Conditions]:
    """The mappings one of which holds where the test does. Raises :class:`UnsaidError`."""
    found: list[Conditions] = []
    for zone in leaf.zones:
        for variable in leaf.variables or ("",):
            found += _zone(leaf, zone, variable)
    return found


def both(left: list[Conditions], right: list[Conditions], key: str) -> list[Conditions]:
    """The mappings of two tests that both hold. Raises :class:`UnsaidError`."""
    found = [_merged(one, other, key) for one in left for other in right]
    if len(found) > MAX_WAYS:
        raise UnsaidError(key, f"has more than {MAX_WAYS} ways to hold")
    return found


def shouted(leaf: Leaf) -> Leaf:
    """The same test with its parameters named in capitals: rules are written in lower case and compared in any."""
    is_plain = all(name == name.lower() and not _is_pattern(name) for name in leaf.variables)
    if not is_plain or not {"ARGS", "BODY_ARGS"} & {*leaf.zones}:
        return leaf
    return msgspec.structs.replace(
        leaf, variables=tuple(name if name.startswith("json.") else name.upper() for name in leaf.variables)
    )


def as_sent(conditions: Conditions) -> Conditions:
    """The same; if one test is of the path as it was sent, all are: climbing changes what is left of it."""
    if not any(name.startswith("raw_path") for name in conditions):
        return conditions
    changed: Conditions = {}
    for name, value in conditions.items():
        field, bar, rest = name.partition("|")
        changed = _merged(
            changed, {f"raw_path|urldecode{bar}{rest}" if field == "path" else name: value}, name
        )
    return changed


def _merged(one: Conditions, other: Conditions, key: str) -> Conditions:
    merged = dict(one)
    for name, value in other.items():
        plain = name.removesuffix("|all")
        old = next((merged.pop(known) for known in (plain, f"{plain}|all") if known in merged), None)
        if old is None or old == value:
            merged[name] = value
        elif plain.endswith(("|contains", "|re")):
            merged[f"{plain}|all"] = tuple(dict.fromkeys((*_several(old), *_several(value))))
        else:
            raise UnsaidError(key, f"asks {plain} to be two things")
    return merged


def _several(value: Scalar | tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _zone(leaf: Leaf, zone: str, variable: str) -> Iterator[Conditions]:
    match zone:
        case "METHOD":
            yield _method(leaf)
        case "URI":
            field = (
                "raw_path"
                if _is_encoded(leaf)
                else "raw_path|urldecode"
                if _RAW.search(leaf.value)
                else "path"
            )
            yield _compared(leaf, field, [name for name in _undone(leaf) if name != "urldecode"])
        case "URI_FULL":
            yield _compared(leaf, "target", [] if _is_encoded(leaf) else ["urldecode"])
        case "RAW_BODY":
            yield _compared(leaf, "body", _undone(leaf))
        case "FILENAMES":
            yield _compared(leaf, "file", _undone(leaf))
        case "PROTOCOL":
            yield _compared(leaf, "version", [])
        case "HEADERS_NAMES":
            yield _header_named(leaf)
        case "ARGS_NAMES" | "BODY_ARGS_NAMES":
            yield {f"{_NAMES[zone]}|urldecode|re": _name(leaf)}
        case "ARGS" | "BODY_ARGS" | "HEADERS" | "COOKIES":
            yield _pair(leaf, zone, variable)
        case _:
            raise UnsaidError(leaf.key, f"zone {zone}")


def _is_encoded(leaf: Leaf) -> bool:
    """Whether a value is written as it is sent."""
    return "urldecode" not in leaf.transforms and _ENCODED.search(leaf.value) is not None


def _method(leaf: Leaf) -> Conditions:
    if leaf.kind == "equals":
        return {"method": leaf.value.upper()}
    return {"method|re": f"(?i){_pattern(leaf)}"}


def _undone(leaf: Leaf) -> list[str]:
    """The modifiers that a test's transforms are; case comes last. Raises :class:`UnsaidError`."""
    unknown = {*leaf.transforms} - {
        *_TRANSFORMS,
        "lowercase",
        "length",
        "count",
        "normalizepath",
        "normalize_path",
    }
    if unknown:
        raise UnsaidError(leaf.key, f"transform {min(unknown)}")
    return [_TRANSFORMS[name] for name in leaf.transforms if name in _TRANSFORMS]


def _compared(leaf: Leaf, field: str, modifiers: list[str]) -> Conditions:
    """A field after its modifiers against the value."""
    last = ["lower"] if "lowercase" in leaf.transforms else []
    key = "|".join(dict.fromkeys([field, *modifiers, *last]))
    if leaf.kind in _ORDERS:
        if "length" not in leaf.transforms or not leaf.value.isdigit():
            raise UnsaidError(leaf.key, f"match type {leaf.kind} without a length")
        return {f"{key}|length|{leaf.kind}": int(leaf.value)}
    match leaf.kind:
        case "equals":
            return {key: leaf.value}
        case "contains" | "startswith" | "endswith" if leaf.value:
            return {f"{key}|{leaf.kind}": leaf.value}
        case _:
            return {f"{key}|re": _pattern(leaf)}


def _pattern(leaf: Leaf) -> str:
    """The value as a pattern that is sought in a field. Raises :class:`UnsaidError`."""
    if leaf.kind in _GRAMMARS:
        return _GRAMMARS[leaf.kind]
    written = quote(leaf.value.encode())
    match leaf.kind:
        case "regex":
            return leaf.value
        case "contains":
            return written
        case "equals":
            return f"^{written}$"
        case "startswith":
            return f"^{written}"
        case "endswith":
            return f"{written}$"
        case _:
            raise UnsaidError(leaf.key, f"match type {leaf.kind}")


def _header_named(leaf: Leaf) -> Conditions:
    if leaf.kind == "equals":
        return {f"header.{leaf.value.lower()}|exists": True}
    lead, inner, tail = _unanchored(leaf)
    return {"headers|re": f"(?im)^{'' if lead else '[^:]*?'}(?:{inner}){'' if tail else '[^:]*'}:"}


def _name(leaf: Leaf) -> str:
    """A pattern of a parameter's name, in a query, a form or the parts of a multipart body."""
    lead, inner, tail = _unanchored(leaf)
    before = r'(?:^|&|\bname=")' + ("" if lead else "[^=&]*?")
    after = "" if tail else "[^=&]*"
    return f'{_case(leaf)}{before}(?:{inner}){after}(?:=|&|"|$)'


def _case(leaf: Leaf) -> str:
    return "(?i)" if "lowercase" in leaf.transforms else ""


def _unanchored(leaf: Leaf) -> tuple[bool, str, bool]:
    """A pattern without the anchors at its ends, and whether it had them."""
    pattern = _pattern(leaf)
    is_last = pattern.endswith("$") and not pattern.endswith("\\$")
    return pattern.startswith("^"), pattern.removeprefix("^")[: -1 if is_last else None], is_last


def _pair(leaf: Leaf, zone: str, variable: str) -> Conditions:
    """A named value, or any value if no name is given."""
    if "count" in leaf.transforms:
        return _counted(leaf, zone, variable)
    modifiers = _undone(leaf)
    if zone == "BODY_ARGS" and variable.startswith("json."):
        return _json(leaf, variable.removeprefix("json."))
    if variable and not _is_pattern(variable):
        return _compared(leaf, f"{FAMILIES[zone]}.{variable}", modifiers)
    if "base64decode" in modifiers:
        raise UnsaidError(leaf.key, f"decodes whatever {zone} hold, by no name")
    field = _LISTS[zone]
    if leaf.kind == "contains" and not variable:
        return _compared(leaf, field, ["urldecode"] if field in {"query", "body"} else [])
    lead, inner, tail = _unanchored(leaf)
    end = ";" if field == "header.cookie" else r"\r\n" if field == "headers" else "&"
    value = ("" if lead else f"[^{end}]*?") + f"(?:{inner})" + (f"(?:[{end}]|$)" if tail else "")
    undone = [*(["urldecode"] if field in {"query", "body"} else []), *modifiers]
    return {
        "|".join([field, *undone, "re"]): f"{_begun(zone, variable)}(?{'i' if _case(leaf) else ''}:{value})"
    }


def _begun(zone: str, variable: str) -> str:
    """A pattern of what stands before a value in the text that holds all of a zone's; any value's without a name."""
    written = variable[1:-1] if _is_pattern(variable) else quote(variable.encode())
    name = f"(?i:{written})" if variable else ""
    match zone:
        case "COOKIES":
            return rf"(?:^|;\s*){name or '[^=;]*'}="
        case "HEADERS":
            return rf"(?m)^{name or '[^:]*'}:\s*"
        case "BODY_ARGS":
            name = name or '[^=&"]*'
            return rf'(?:(?:^|&){name}=|\bname="{name}"[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)'
        case _:
            return f"(?:^|&){name or '[^=&]*'}="


def _is_pattern(variable: str) -> bool:
    return len(variable) > 2 and variable.startswith("/") and variable.endswith("/")


def _counted(leaf: Leaf, zone: str, variable: str) -> Conditions:
    """A parameter that is given several times."""
    if leaf.kind != "gte" or not leaf.value.isdigit() or zone not in {"ARGS", "BODY_ARGS"} or not variable:
        raise UnsaidError(leaf.key, "counts what a condition cannot")
    number = max(1, min(int(leaf.value), MAX_COUNT))
    return {f"{_LISTS[zone]}|urldecode|re": ".*".join([_begun(zone, variable)] * number)}


def _json(leaf: Leaf, path: str) -> Conditions:
    """A value of JSON. Rules write names in lower case where the transform is meant, so their case says nothing."""
    if path != path.lower():
        return _compared(leaf, f"json.{path}", _undone(leaf))
    lead, inner, tail = _unanchored(leaf)
    name = quote(path.rpartition(".")[2].encode())
    value = ("" if lead else r'(?:[^"\\]|\\.)*?') + f"(?:{inner})" + (r'\s*[",}\]]' if tail else "")
    return {"body|re": rf'(?i)"{name}"\s*:\s*"?{value}'}
