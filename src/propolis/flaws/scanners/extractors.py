"""What a template takes out of responses, and what a response must show so that it can be taken."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from propolis.flaws.scanners import dsl, functions
from propolis.flaws.scanners.functions import Lookup
from propolis.flaws.scanners.regexes import PatternError, compiled, sample
from propolis.flaws.scanners.response import Response, part_lookup
from propolis.flaws.scanners.template import Extractor, suffix

Path: TypeAlias = tuple[str | int | None, ...]
"""Keys, indices, and ``None`` for every element."""

_JQ: Final = re.compile(
    r"""\.?\[\s*(?:"([^"]*)"|'([^']*)'|(\d+))?\s*\]|\.([A-Za-z_$][\w$-]*)|\.(?=\[|\s|$|\|)|\s*\|\s*"""
)
_XPATH: Final = re.compile(r"/(/?)([\w*-]+)((?:\[[^\]]*\])*)")
_PREDICATE: Final = re.compile(r"\[@([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')\]")
HEADERS: Final = frozenset(
    {
        "accept_ranges", "access_control_allow_origin", "cache_control", "content_disposition", "content_type", "date",
        "etag", "last_modified", "location", "server", "set_cookie", "www_authenticate", "x_powered_by",
    }
)  # fmt: skip
"""Headers by the names that matchers give them."""
HEADS: Final = frozenset({"header", "raw_header"})
"""Parts that are all headers."""


class Shown(msgspec.Struct, frozen=True):
    """What a response shows for an extractor: a piece of the body, a header line, or a leaf of JSON."""

    body: bytes = b""
    header: bytes = b""
    leaf: tuple[Path, bytes] | None = None
    extractor: Extractor | None = None
    """Which is to take the value; ``None`` if nobody checks."""
    value: bytes = b""


def extract(
    extractor: Extractor, responses: dict[int, Response], current: int, lookup: Lookup
) -> bytes | None:
    """What an extractor finds first, ``None`` if nothing. ``current`` is the response that names no number."""
    part, index = suffix(extractor.part)
    response = responses.get(index or current)
    if response is None:
        return None
    found: Iterator[bytes] = iter(())
    match extractor.kind:
        case "regex":
            found = _regex(extractor, functions.text(response.part(part) or b""), lookup)
        case "kval":
            found = _kval(extractor, response)
        case "json":
            found = _json(extractor, response.body)
        case "xpath":
            found = _xpath(extractor, response.body)
        case "dsl":
            found = _dsl(extractor, responses, current, lookup)
    return next(found, None)


def show(
    extractor: Extractor, value: bytes, draws: random.Random, lookup: Lookup, branch: int
) -> Shown | None:
    """What lets an extractor find a value; ``None`` if it cannot find this one. ``branch`` picks among its patterns."""
    shown = _shown(extractor, value, draws, lookup, branch)
    return shown and msgspec.structs.replace(shown, extractor=extractor, value=value)


def _shown(
    extractor: Extractor, value: bytes, draws: random.Random, lookup: Lookup, branch: int
) -> Shown | None:
    if not extractor.values:
        return None
    text = extractor.values[branch % len(extractor.values)]
    match extractor.kind:
        case "regex":
            return _shown_regex(extractor, text, value, draws, lookup)
        case "kval":
            return Shown(header=named_header(text, value))
        case "json":
            path = jq(text)
            return Shown(leaf=(path, value)) if path is not None else None
        case "xpath":
            return Shown(body=_shown_xpath(text, extractor.attribute, value))
        case _:
            return None


def named_header(name: str, value: bytes) -> bytes:
    """A header line by the name that matchers give it (``content_type``); a cookie if it is no header's."""
    if name.lower() in HEADERS or ("_" not in name and name.lower().startswith("x-")):
        shown = "-".join(word.capitalize() for word in re.split("[_-]", name))
        return shown.encode() + b": " + value
    return b"Set-Cookie: " + name.encode() + b"=" + value + b"; path=/"


def jq(text: str) -> Path | None:
    """The path of a jq filter that is nothing but a path; ``None`` for any other."""
    keys: list[str | int | None] = []
    at = 0
    text = text.strip()
    while at < len(text):
        found = _JQ.match(text, at)
        if found is None or found.end() == at:
            return None
        at = found.end()
        key = next((group for group in (found[1], found[2], found[4]) if group is not None), None)
        if key is not None:
            keys.append(key)
        elif found[3] is not None:
            keys.append(int(found[3]))
        elif "[" in found[0]:
            keys.append(None)
    return tuple(keys)


def plant(tree: Any, path: Path, value: bytes) -> Any:
    """A JSON tree with a value at a path; what stands in the way is replaced."""
    if not path:
        text = value.decode("utf-8", "replace")
        return int(text) if re.fullmatch(r"[1-9]\d{0,15}", text) else text
    key, rest = path[0], path[1:]
    if isinstance(key, str):
        inner = tree if isinstance(tree, dict) else {}
        return {**inner, key: plant(inner.get(key), rest, value)}
    items = list(tree) if isinstance(tree, list) else []
    index = min(key or 0, 64)
    items += [{} for _ in range(index + 1 - len(items))]
    items[index] = plant(items[index], rest, value)
    return items


def _regex(extractor: Extractor, part: bytes, lookup: Lookup) -> Iterator[bytes]:
    for text in extractor.values:
        pattern = functions.render(dsl.parse_text(text), lookup)
        try:
            regex = compiled(b"(?i)" + pattern if extractor.is_nocase else pattern)
        except PatternError:
            continue
        for found in regex.finditer(part):
            if extractor.group <= regex.groups:
                yield found[extractor.group] or b""


def _shown_regex(
    extractor: Extractor, text: str, value: bytes, draws: random.Random, lookup: Lookup
) -> Shown | None:
    part, _ = suffix(extractor.part)
    pattern = functions.render(dsl.parse_text(text), lookup)
    try:
        made = sample(pattern, draws)
        span = made.spans.get(extractor.group, (0, len(made.text)) if not extractor.group else None)
        if span is None:
            return None
        shown = made.text[: span[0]] + value + made.text[span[1] :]
        if next(_regex(extractor, shown, lookup), None) != value:
            return None
    except PatternError:
        return None
    if part in {"body", "response"}:
        return Shown(body=shown)
    return Shown(header=shown if part in HEADS else named_header(part, shown))


def together(found: list[Shown], draws: random.Random, lookup: Lookup) -> list[Shown]:
    """The same, but one text for extractors that take several groups of one pattern: another would hide the second."""
    groups: dict[tuple[str, tuple[str, ...]], list[Shown]] = {}
    for one in found:
        known = one.extractor
        if known is not None and known.kind == "regex" and one.body and len(known.values) == 1:
            groups.setdefault((known.part, known.values), []).append(one)
    for several in groups.values():
        if len(several) > 1 and (text := _filled_in(several, draws, lookup)):
            changed = [msgspec.structs.replace(one, body=text) for one in several]
            found = [changed[several.index(one)] if one in several else one for one in found]
    return found


def _filled_in(several: list[Shown], draws: random.Random, lookup: Lookup) -> bytes:
    """A text of a pattern in which every extractor finds its value; empty if there is none."""
    taken = {one.extractor.group: one.value for one in several if one.extractor is not None}
    pattern = next(one.extractor.values[0] for one in several if one.extractor is not None)
    try:
        made = sample(functions.render(dsl.parse_text(pattern), lookup), draws)
    except PatternError:
        return b""
    text = made.text
    for group, (start, end) in sorted(made.spans.items(), key=lambda item: -item[1][0]):
        if group in taken:
            text = text[:start] + taken[group] + text[end:]
    held = (next(_regex(one.extractor, text, lookup), None) == one.value for one in several if one.extractor)
    return text if all(held) else b""


def wanted_text(extractor: Extractor, draws: random.Random, lookup: Lookup) -> bytes:
    """What an extractor's pattern itself would let a value be; empty if that says nothing."""
    if extractor.kind != "regex" or not extractor.values:
        return b""
    try:
        made = sample(functions.render(dsl.parse_text(extractor.values[0]), lookup), draws)
    except PatternError:
        return b""
    start, end = made.spans.get(extractor.group, (0, len(made.text)))
    return made.text[start:end]


def _kval(extractor: Extractor, response: Response) -> Iterator[bytes]:
    for name in extractor.values:
        value = response.part(name.lower().replace("-", "_"))
        if value is None:
            value = response.part(name)
        if value is not None:
            yield functions.text(value)


def _json(extractor: Extractor, body: bytes) -> Iterator[bytes]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return
    for text in extractor.values:
        path = jq(text)
        for leaf in _leaves(tree, path or ()):
            if isinstance(leaf, bool):
                yield b"true" if leaf else b"false"
            elif isinstance(leaf, str | int | float):
                yield str(leaf).encode()


def _leaves(tree: Any, path: Sequence[str | int | None]) -> Iterator[Any]:
    if not path:
        yield tree
        return
    key, rest = path[0], path[1:]
    if key is None:
        for item in tree if isinstance(tree, list) else tree.values() if isinstance(tree, dict) else ():
            yield from _leaves(item, rest)
    elif (isinstance(key, str) and isinstance(tree, dict) and key in tree) or (
        isinstance(key, int) and isinstance(tree, list) and key < len(tree)
    ):
        yield from _leaves(tree[key], rest)  # type: ignore[index] # a key for a mapping, a number for a list


def _xpath(extractor: Extractor, body: bytes) -> Iterator[bytes]:
    """The last element of a path by its name and attributes; the way to it is not followed."""
    for text in extractor.values:
        steps = _XPATH.findall(text)
        if not steps:
            continue
        tag = steps[-1][1].encode()
        wanted = [
            f'{name}="{one or other}"'.encode() for name, one, other in _PREDICATE.findall(steps[-1][2])
        ]
        for found in re.finditer(rb"<" + re.escape(tag) + rb"\b([^>]*)>([^<]*)", body):
            if all(pair in found[1] for pair in wanted):
                attribute = re.search(
                    rb"\b" + re.escape(extractor.attribute.encode()) + rb'="([^"]*)"', found[1]
                )
                if not extractor.attribute:
                    yield found[2]
                elif attribute:
                    yield attribute[1]


def _shown_xpath(text: str, attribute: str, value: bytes) -> bytes:
    """Nested elements along a path, the last with the value in its attribute or as its text."""
    steps = _XPATH.findall(text)
    before, after = b"", b""
    for index, (_, tag, predicates) in enumerate(steps):
        name = tag if tag not in {"*", "html", "body"} else "" if tag != "*" else "div"
        if not name:
            continue
        place = re.findall(r"\[(\d+)\]", predicates)
        before += f"<{name}></{name}>".encode() * (min(int(place[-1]), 16) - 1 if place else 0)
        pairs = "".join(f' {key}="{one or other}"' for key, one, other in _PREDICATE.findall(predicates))
        is_last = index == len(steps) - 1
        own = f' {attribute}="'.encode() + value + b'"' if is_last and attribute else b""
        before += f"<{name}{pairs}".encode() + own + b">" + (value if is_last and not attribute else b"")
        after = f"</{name}>".encode() + after
    return before + after


def _dsl(
    extractor: Extractor, responses: dict[int, Response], current: int, lookup: Lookup
) -> Iterator[bytes]:
    for text in extractor.values:
        try:
            value = functions.evaluate(dsl.parse(text), part_lookup(responses, current, lookup))
        except (dsl.DslError, functions.NotComputedError):
            continue
        yield functions.text(value)
