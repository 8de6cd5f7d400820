"""A nuclei template as it stands in its file.

Of nuclei v3's HTTP protocol (https://docs.projectdiscovery.io/templates/protocols/http/basic-http); what other
protocols a template also speaks is left out and said so.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from propolis.flaws.scanners.document import TemplateError, cves, cwes, mapping, mappings, tags, text, texts
from propolis.flaws.scanners.template import Block, Extractor, Matcher, Template, suffix

MAX_REQUESTS = 64
MAX_VALUES = 4_096
"""Of one payload list."""


def is_one(tree: Mapping[str, Any]) -> bool:
    """Whether a file is one of nuclei's: it has an ``info``, and blocks of some protocol or a flow over them."""
    return isinstance(tree.get("info"), dict) and "rules" not in tree


def read(tree: Mapping[str, Any]) -> Template:
    """The template a file's data describe. Raises :class:`TemplateError`."""
    info = mapping(tree.get("info"))
    blocks = tree.get("http", tree.get("requests"))
    if not isinstance(blocks, list) or not blocks:
        raise TemplateError("asks nothing over HTTP")
    classes, metadata = mapping(info.get("classification")), mapping(info.get("metadata"))
    return Template(
        scanner="nuclei",
        id=text(tree.get("id")),
        name=" ".join(text(info.get("name")).split()),
        severity=text(info.get("severity")).lower(),
        cves=cves(classes.get("cve-id")),
        cwes=cwes(classes.get("cwe-id")),
        tags=tags(info.get("tags")),
        metadata={text(key): ", ".join(texts(value)) for key, value in metadata.items()},
        variables={text(key): text(value) for key, value in mapping(tree.get("variables")).items()},
        blocks=tuple(_block(block) for block in blocks[:MAX_REQUESTS] if isinstance(block, dict)),
        flow=text(tree.get("flow")),
    )


def _block(block: dict[str, Any]) -> Block:
    raw = texts(block.get("raw"))
    payloads = mapping(block.get("payloads"))
    return Block(
        id=text(block.get("id")),
        requests=tuple(_unannotated(one) for one in raw[:MAX_REQUESTS]) if raw else _written_out(block),
        matchers=tuple(_matcher(one) for one in mappings(block.get("matchers"))),
        is_all=text(block.get("matchers-condition")).lower() == "and",
        extractors=tuple(_extractor(one) for one in mappings(block.get("extractors"))),
        payloads={text(key): _payload(value) for key, value in payloads.items()},
        attack=text(block.get("attack")).lower(),
        is_literal=bool(block.get("skip-variables-check")),
        form="path" if not raw else "unsafe" if block.get("unsafe") else "raw",
        is_followed=bool(block.get("redirects") or block.get("host-redirects")),
    )


def _written_out(block: dict[str, Any]) -> tuple[str, ...]:
    """A method, paths, headers and a body as the messages they stand for."""
    headers = mapping(block.get("headers"))
    given = "".join(f"{text(name)}: {text(value)}\n" for name, value in headers.items())
    host = "" if any(text(name).lower() == "host" for name in headers) else "Host: {{Hostname}}\n"
    method = text(block.get("method")).upper() or "GET"
    body = text(block.get("body"))
    return tuple(
        f"{method} {path} HTTP/1.1\n{host}{given}\n{body}" for path in texts(block.get("path"))[:MAX_REQUESTS]
    )


def _unannotated(raw: str) -> str:
    """A raw request without the lines of ``@timeout`` and its like above it."""
    return re.sub(r"\A(?:\s*@[^\n]*\n)*\s*", "", raw)


def _payload(value: Any) -> tuple[str, ...]:
    """The values of a payload; none for a file of them, which is not ours to have."""
    if isinstance(value, list):
        return tuple(text(one) for one in value[:MAX_VALUES])
    return ()


def _matcher(matcher: dict[str, Any]) -> Matcher:
    kind = text(matcher.get("type")).lower() or "word"
    if kind not in _MATCHER_VALUES:
        raise TemplateError(f"has a matcher of type {kind!r}")
    return Matcher(
        kind=kind,  # type: ignore[arg-type] # looked up in the line above
        part=_part(matcher.get("part")),
        values=texts(matcher.get(_MATCHER_VALUES[kind])),
        is_all=text(matcher.get("condition")).lower() == "and",
        is_negative=bool(matcher.get("negative")),
        is_nocase=bool(matcher.get("case-insensitive")),
        is_hex=text(matcher.get("encoding")).lower() == "hex",
    )


def _extractor(extractor: dict[str, Any]) -> Extractor:
    kind = text(extractor.get("type")).lower() or "regex"
    if kind not in _EXTRACTOR_KINDS:
        raise TemplateError(f"has an extractor of type {kind!r}")
    group = extractor.get("group")
    return Extractor(
        kind=kind,  # type: ignore[arg-type] # looked up in the line above
        name=text(extractor.get("name")),
        part=_part(extractor.get("part")),
        values=texts(extractor.get(kind)),
        group=group if isinstance(group, int) else 0,
        attribute=text(extractor.get("attribute")),
        is_nocase=bool(extractor.get("case-insensitive")),
    )


_MATCHER_VALUES: Final = {
    "word": "words", "regex": "regex", "status": "status", "size": "size", "binary": "binary", "dsl": "dsl",
    "xpath": "xpath",
}  # fmt: skip
_EXTRACTOR_KINDS: Final = frozenset({"regex", "kval", "json", "xpath", "dsl"})


def _part(value: Any) -> str:
    name = text(value).lower() or "body"
    plain, index = suffix(name)
    plain = {"all_headers": "header", "headers": "header", "raw": "response", "all": "response"}.get(
        plain, plain
    )
    return f"{plain}_{index}" if index else plain
