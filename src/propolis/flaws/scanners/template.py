"""A nuclei template as it stands in its file: requests, matchers, extractors, and in which order they are asked.

Of nuclei v3's HTTP protocol (https://docs.projectdiscovery.io/templates/protocols/http/basic-http); what other
protocols a template also speaks is left out and said so.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
import yaml

MAX_TEMPLATE_CHARACTERS = 1_048_576
MAX_REQUESTS = 64
MAX_VALUES = 4_096
"""Of one payload list."""
MAX_DEPTH = 32

MatcherKind: TypeAlias = Literal["word", "regex", "status", "size", "binary", "dsl", "xpath"]
ExtractorKind: TypeAlias = Literal["regex", "kval", "json", "xpath", "dsl"]

Form: TypeAlias = Literal["path", "raw", "unsafe"]
"""How requests are given: methods and paths, whole messages, or whole messages that are sent as they stand."""

_SUFFIX: Final = re.compile(r"_(\d{1,2})$")


class TemplateError(ValueError):
    """A file that is no nuclei template of HTTP requests; says why."""


class Matcher(msgspec.Struct, frozen=True):
    """What a response must show. ``values`` are words, patterns, expressions or figures, by kind."""

    kind: MatcherKind
    part: str
    values: tuple[str, ...]
    is_all: bool
    is_negative: bool
    is_nocase: bool
    is_hex: bool


class Extractor(msgspec.Struct, frozen=True):
    """What is taken out of a response, under a name that later requests use (empty: it is only reported)."""

    kind: ExtractorKind
    name: str
    part: str
    values: tuple[str, ...]
    group: int
    attribute: str
    is_nocase: bool


class Block(msgspec.Struct, frozen=True):
    """Requests that share matchers. ``requests`` are whole messages as text with ``{{expressions}}``."""

    id: str
    requests: tuple[str, ...]
    matchers: tuple[Matcher, ...]
    is_all: bool
    extractors: tuple[Extractor, ...]
    payloads: Mapping[str, tuple[str, ...]]
    attack: str
    is_literal: bool
    """``skip-variables-check``: braces nobody knows are sent as they are."""
    form: Form
    is_followed: bool
    """Whether redirects are followed."""


class Template(msgspec.Struct, frozen=True):
    """A template, and how its blocks follow one another: ``flow`` is empty where each stands for itself."""

    id: str
    name: str
    severity: str
    cves: tuple[str, ...]
    cwes: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    variables: Mapping[str, str]
    blocks: tuple[Block, ...]
    flow: str


def read(text: str) -> Template:
    """The template a file's text describes. Raises :class:`TemplateError`."""
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateError(f"has more than {MAX_TEMPLATE_CHARACTERS} characters")
    try:
        _check(text)
        tree = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TemplateError(f"is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("info"), dict):
        raise TemplateError("has no info")
    blocks = tree.get("http", tree.get("requests"))
    if not isinstance(blocks, list) or not blocks:
        raise TemplateError("asks nothing over HTTP")
    info = tree["info"]
    classes, metadata = _mapping(info.get("classification")), _mapping(info.get("metadata"))
    variables = _mapping(tree.get("variables"))
    return Template(
        id=_text(tree.get("id")),
        name=" ".join(_text(info.get("name")).split()),
        severity=_text(info.get("severity")).lower(),
        cves=tuple(re.findall(r"CVE-\d{4}-\d{4,7}", " ".join(_texts(classes.get("cve-id"))).upper())),
        cwes=tuple(re.findall(r"CWE-\d+", " ".join(_texts(classes.get("cwe-id"))).upper())),
        tags=tuple(
            tag.strip().lower() for tag in ",".join(_texts(info.get("tags"))).split(",") if tag.strip()
        ),
        metadata={_text(key): ", ".join(_texts(value)) for key, value in metadata.items()},
        variables={_text(key): _text(value) for key, value in variables.items()},
        blocks=tuple(_block(block) for block in blocks[:MAX_REQUESTS] if isinstance(block, dict)),
        flow=_text(tree.get("flow")),
    )


def suffix(name: str) -> tuple[str, int]:
    """``body_2`` as ``body`` and 2: a part, and which of a block's responses is meant; 0 for the present one."""
    found = _SUFFIX.search(name)
    return (name[: found.start()], int(found[1])) if found else (name, 0)


def _block(block: dict[str, Any]) -> Block:
    raw = _texts(block.get("raw"))
    payloads = _mapping(block.get("payloads"))
    return Block(
        id=_text(block.get("id")),
        requests=tuple(_unannotated(one) for one in raw[:MAX_REQUESTS]) if raw else _written_out(block),
        matchers=tuple(_matcher(one) for one in _mappings(block.get("matchers"))),
        is_all=_text(block.get("matchers-condition")).lower() == "and",
        extractors=tuple(_extractor(one) for one in _mappings(block.get("extractors"))),
        payloads={_text(key): _payload(value) for key, value in payloads.items()},
        attack=_text(block.get("attack")).lower(),
        is_literal=bool(block.get("skip-variables-check")),
        form="path" if not raw else "unsafe" if block.get("unsafe") else "raw",
        is_followed=bool(block.get("redirects") or block.get("host-redirects")),
    )


def _written_out(block: dict[str, Any]) -> tuple[str, ...]:
    """A method, paths, headers and a body as the messages they stand for."""
    headers = _mapping(block.get("headers"))
    given = "".join(f"{_text(name)}: {_text(value)}\n" for name, value in headers.items())
    host = "" if any(_text(name).lower() == "host" for name in headers) else "Host: {{Hostname}}\n"
    method = _text(block.get("method")).upper() or "GET"
    body = _text(block.get("body"))
    return tuple(
        f"{method} {path} HTTP/1.1\n{host}{given}\n{body}"
        for path in _texts(block.get("path"))[:MAX_REQUESTS]
    )


def _unannotated(raw: str) -> str:
    """A raw request without the lines of ``@timeout`` and its like above it."""
    return re.sub(r"\A(?:\s*@[^\n]*\n)*\s*", "", raw)


def _payload(value: Any) -> tuple[str, ...]:
    """The values of a payload; none for a file of them, which is not ours to have."""
    if isinstance(value, list):
        return tuple(_text(one) for one in value[:MAX_VALUES])
    return ()


def _matcher(matcher: dict[str, Any]) -> Matcher:
    kind = _text(matcher.get("type")).lower() or "word"
    if kind not in _MATCHER_VALUES:
        raise TemplateError(f"has a matcher of type {kind!r}")
    return Matcher(
        kind=kind,  # type: ignore[arg-type] # looked up in the line above
        part=_part(matcher.get("part")),
        values=_texts(matcher.get(_MATCHER_VALUES[kind])),
        is_all=_text(matcher.get("condition")).lower() == "and",
        is_negative=bool(matcher.get("negative")),
        is_nocase=bool(matcher.get("case-insensitive")),
        is_hex=_text(matcher.get("encoding")).lower() == "hex",
    )


def _extractor(extractor: dict[str, Any]) -> Extractor:
    kind = _text(extractor.get("type")).lower() or "regex"
    if kind not in _EXTRACTOR_KINDS:
        raise TemplateError(f"has an extractor of type {kind!r}")
    group = extractor.get("group")
    return Extractor(
        kind=kind,  # type: ignore[arg-type] # looked up in the line above
        name=_text(extractor.get("name")),
        part=_part(extractor.get("part")),
        values=_texts(extractor.get(kind)),
        group=group if isinstance(group, int) else 0,
        attribute=_text(extractor.get("attribute")),
        is_nocase=bool(extractor.get("case-insensitive")),
    )


_MATCHER_VALUES: Final = {
    "word": "words", "regex": "regex", "status": "status", "size": "size", "binary": "binary", "dsl": "dsl",
    "xpath": "xpath",
}  # fmt: skip
_EXTRACTOR_KINDS: Final = frozenset({"regex", "kval", "json", "xpath", "dsl"})


def _part(value: Any) -> str:
    name = _text(value).lower() or "body"
    plain, index = suffix(name)
    plain = {"all_headers": "header", "headers": "header", "raw": "response", "all": "response"}.get(
        plain, plain
    )
    return f"{plain}_{index}" if index else plain


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    """One or several scalars as texts."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(_text(one) for one in value)
    return (_text(value),)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _check(text: str) -> None:
    """Raises ``yaml.YAMLError`` for aliases, as bombs are made of them, and for what is nested too deeply."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("an alias; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"collections nested deeper than {MAX_DEPTH}")


class _Loader(yaml.CSafeLoader):
    """Plain data; dates stay text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - PyYAML's own shape
        first: [(tag, regex) for tag, regex in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
