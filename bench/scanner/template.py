"""A scanner template: its YAML to frozen structs, one HTTP block each with requests, matchers and extractors.

Written after the public template reference of nuclei v3 (docs.projectdiscovery.io/templates). What the reference allows
and no HTTP template of the corpora uses (race, fuzzing, pipelining, other protocols) is refused with its name, so that
a template that was not run is never counted as one that was.
"""

import random
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import yaml

from bench.scanner.text import PatternError, bytewise, pattern

MAX_TEMPLATE_BYTES: Final = 4 << 20
RANDOM_NAME: Final = re.compile(r"\{\{(randstr(?:_[a-z0-9_]+)?)\}\}")
RANDOM_CHARACTERS: Final = 27
UNSUPPORTED_BLOCK: Final = ("race", "fuzzing", "pipeline", "self-contained", "signature", "analyzer")
PROTOCOLS: Final = (
    "dns",
    "network",
    "tcp",
    "file",
    "headless",
    "ssl",
    "websocket",
    "whois",
    "code",
    "javascript",
)


class TemplateError(ValueError):
    """A template that cannot be run; the reason is a few words that group."""


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a response; see the reference's page on matchers for the kinds."""

    kind: str
    part: str = ""
    words: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    """Regular expressions, DSL or XPath, by kind."""
    numbers: tuple[int, ...] = ()
    condition: Literal["and", "or"] = "or"
    name: str = ""
    is_negative: bool = False
    is_internal: bool = False
    ignores_case: bool = False


class Extractor(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken out of a response, and whether only later requests of the template see it."""

    kind: str
    name: str = ""
    part: str = ""
    expressions: tuple[str, ...] = ()
    group: int = 0
    attribute: str = ""
    is_internal: bool = False
    ignores_case: bool = False


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``http:``."""

    id: str = ""
    method: str = "GET"
    paths: tuple[str, ...] = ()
    raws: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    payloads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    attack: str = "batteringram"
    matchers: tuple[Matcher, ...] = ()
    matchers_condition: Literal["and", "or"] = "or"
    extractors: tuple[Extractor, ...] = ()
    redirects: Literal["none", "host", "all"] = "none"
    max_redirects: int = 10
    max_bytes: int = 10 << 20
    is_unsafe: bool = False
    stops_at_first_match: bool = False
    skips_variables_check: bool = False
    keeps_cookies: bool = True
    iterates_all: bool = False


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. ``variables`` in the order written; ``constants`` are the random names drawn while reading."""

    id: str
    blocks: tuple[Block, ...]
    variables: tuple[tuple[str, str], ...] = ()
    flow: str = ""
    constants: tuple[tuple[str, str], ...] = ()
    stops_at_first_match: bool = False


def read(text: str, random_source: random.Random) -> Template:
    """A template of its text; every ``{{randstr}}`` becomes one random word. Raises :class:`TemplateError`."""
    if len(text) > MAX_TEMPLATE_BYTES:
        raise TemplateError("too long")
    constants: dict[str, str] = {}
    for name in dict.fromkeys(RANDOM_NAME.findall(text)):
        word = "".join(random_source.choices(string.ascii_letters + string.digits, k=RANDOM_CHARACTERS))
        text = text.replace(f"{{{{{name}}}}}", word)
        constants[name] = word
    try:
        tree = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise TemplateError("not YAML") from error
    if not isinstance(tree, dict):
        raise TemplateError("not a mapping")
    blocks = tree.get("http") or tree.get("requests")
    if not isinstance(blocks, list) or any(name in tree for name in PROTOCOLS):
        raise TemplateError("not an HTTP template")
    if tree.get("self-contained"):
        raise TemplateError("unsupported: self-contained")
    return Template(
        id=_text(tree.get("id")),
        blocks=tuple(_block(block) for block in blocks if isinstance(block, dict)),
        variables=tuple((str(key), _text(value)) for key, value in (tree.get("variables") or {}).items()),
        flow=str(tree.get("flow") or "").strip(),
        constants=tuple(constants.items()),
        stops_at_first_match=bool(tree.get("stop-at-first-match")),
    )


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return "[" + " ".join(map(_text, value)) + "]"
    return bytewise(str(value))


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(_text, value)) if isinstance(value, list) else (_text(value),)


def _condition(value: Any) -> Literal["and", "or"]:
    return "and" if str(value).lower() == "and" else "or"


def _lines(text: str) -> str:
    """Line ends as HTTP wants them, unless the author took care of them."""
    return text if "\r\n" in text else text.replace("\n", "\r\n")


def _block(tree: Mapping[str, Any]) -> Block:
    for name in UNSUPPORTED_BLOCK:
        if tree.get(name):
            raise TemplateError(f"unsupported: {name}")
    followed: Literal["none", "host", "all"] = "all" if tree.get("redirects") else "none"
    return Block(
        id=_text(tree.get("id")),
        method=_text(tree.get("method") or "GET").upper(),
        paths=_texts(tree.get("path")),
        raws=tuple(map(_lines, _texts(tree.get("raw")))),
        headers=tuple((_text(key), _text(value)) for key, value in (tree.get("headers") or {}).items()),
        body=_lines(_text(tree.get("body"))),
        payloads=tuple((str(key), _payload(value)) for key, value in (tree.get("payloads") or {}).items()),
        attack=_text(tree.get("attack") or "batteringram").lower(),
        matchers=tuple(map(_matcher, tree.get("matchers") or ())),
        matchers_condition=_condition(tree.get("matchers-condition")),
        extractors=tuple(map(_extractor, tree.get("extractors") or ())),
        redirects="host" if tree.get("host-redirects") else followed,
        max_redirects=int(tree.get("max-redirects") or 10),
        max_bytes=int(tree.get("max-size") or 10 << 20),
        is_unsafe=bool(tree.get("unsafe")),
        stops_at_first_match=bool(tree.get("stop-at-first-match")),
        skips_variables_check=bool(tree.get("skip-variables-check")),
        keeps_cookies=not tree.get("disable-cookie"),
        iterates_all=bool(tree.get("iterate-all")),
    )


def _payload(value: Any) -> tuple[str, ...]:
    """Values of a payload. A word list that is a file we do not have is the numbers 1 to 10."""
    if isinstance(value, list):
        return _texts(value)
    text = _text(value)
    if "\n" in text:
        return tuple(line for line in text.splitlines() if line)
    return tuple(map(str, range(1, 11)))


def _matcher(tree: Mapping[str, Any]) -> Matcher:
    kind = _text(tree.get("type"))
    words = _texts(tree.get("words"))
    if _text(tree.get("encoding")).lower() == "hex":
        words = tuple(_hex(word) for word in words)
    if kind == "binary":
        words = tuple(_hex(word) for word in _texts(tree.get("binary")))
    if kind not in {"word", "regex", "status", "size", "binary", "dsl", "xpath"}:
        raise TemplateError(f"unsupported: matcher {kind}")
    expressions = _texts(tree.get(kind)) if kind in {"regex", "dsl", "xpath"} else ()
    if kind == "regex":
        _check_patterns(expressions)
    numbers = tree.get(kind) or () if kind in {"status", "size"} else ()
    return Matcher(
        kind=kind,
        part=_text(tree.get("part")),
        words=words,
        expressions=expressions,
        numbers=tuple(
            int(number) for number in (numbers if isinstance(numbers, list | tuple) else [numbers])
        ),
        condition=_condition(tree.get("condition")),
        name=_text(tree.get("name")),
        is_negative=bool(tree.get("negative")),
        is_internal=bool(tree.get("internal")),
        ignores_case=bool(tree.get("case-insensitive")),
    )


def _extractor(tree: Mapping[str, Any]) -> Extractor:
    kind = _text(tree.get("type"))
    if kind not in {"regex", "kval", "json", "xpath", "dsl"}:
        raise TemplateError(f"unsupported: extractor {kind}")
    expressions = _texts(tree.get(kind))
    if kind == "regex":
        _check_patterns(expressions)
    return Extractor(
        kind=kind,
        name=_text(tree.get("name")),
        part=_text(tree.get("part")),
        expressions=expressions,
        group=int(tree.get("group") or 0),
        attribute=_text(tree.get("attribute")),
        is_internal=bool(tree.get("internal")),
        ignores_case=bool(tree.get("case-insensitive")),
    )


def _hex(word: str) -> str:
    try:
        return bytes.fromhex(word).decode("latin-1")
    except ValueError as error:
        raise TemplateError("not hexadecimal") from error


def _check_patterns(expressions: Sequence[str]) -> None:
    for expression in expressions:
        try:
            pattern(expression)
        except PatternError as error:
            raise TemplateError("regular expression is refused") from error
