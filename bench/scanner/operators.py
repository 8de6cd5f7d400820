"""Matchers and extractors over what is known of an exchange.

:func:`facts` lays a response out under the names that templates use; :func:`judge` runs a block's extractors and
matchers over such a table. Parts: ``body`` by default, ``header``, ``all``, ``response``, any field with underscores
for hyphens, any cookie, and every name with ``_N`` for the N-th request of a block.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jq
import lxml.etree
import lxml.html
import msgspec

from bench.scanner.exchange import Response
from bench.scanner.expression import EvaluationError, ExpressionSyntaxError, evaluate, parse
from bench.scanner.render import Renderer
from bench.scanner.template import Block, Extractor, Matcher
from bench.scanner.text import Value, bytewise, encoded, found, is_found, shown


class Judgement(msgspec.Struct, frozen=True):
    """What a block says of one response."""

    is_matched: bool
    """The matchers together; true without matchers if something was extracted for the output."""
    is_visible: bool
    """Whether the scanner would report it."""
    values: dict[str, list[str]]
    """Internal extractions, for later requests."""
    outputs: tuple[str, ...]
    held: tuple[bool, ...]
    """Each matcher on its own."""


def facts(response: Response, extra: Mapping[str, Value]) -> dict[str, Value]:
    """A response under the names of the template language; ``extra`` first, so that it never hides the response."""
    table: dict[str, Value] = dict(extra)
    for name, value, _ in response.cookies():
        table[name.lower()] = value
    for name, values in response.table().items():
        table[name.strip().lower().replace("-", "_")] = " ".join(values)
    length = response.table().get("Content-Length", ["-1"])[0]
    return table | {
        "request": response.sent,
        "response": response.text,
        "raw": response.text,
        "status_code": float(response.status),
        "body": response.body,
        "all_headers": response.header_block,
        "header": response.header_block,
        "duration": response.seconds,
        "content_length": float(length) if length.isdigit() else float(len(response.body)),
        "type": "http",
    }


def judge(block: Block, table: dict[str, Value], renderer: Renderer) -> Judgement:
    """Extractors, then matchers, over ``table``, to which extracted values are added."""
    internal: dict[str, list[str]] = {}
    outputs: list[str] = []
    for extractor in block.extractors:
        taken = list(dict.fromkeys(extract(extractor, table, renderer)))
        if extractor.is_internal and taken:
            internal.setdefault(extractor.name, []).extend(taken)
        elif taken:
            outputs.extend(taken)
        if taken:
            table[extractor.name] = taken[0] if len(taken) == 1 else list(taken)
    for name, values in internal.items():
        if len(values) > 1:
            table.update({f"{name}{number}": value for number, value in enumerate(values)})
    held = tuple(matches(matcher, table, renderer) for matcher in block.matchers)
    is_matched = (
        (all(held) if block.matchers_condition == "and" else any(held)) if block.matchers else bool(outputs)
    )
    hidden = bool(block.matchers) and all(matcher.is_internal for matcher in block.matchers)
    return Judgement(is_matched, is_matched and not hidden, internal, tuple(outputs), held)


def _part(name: str, table: Mapping[str, Value]) -> str | None:
    if name == "all":
        return shown(table.get("body", "")) + shown(table.get("all_headers", ""))
    value = table.get({"": "body", "header": "all_headers"}.get(name, name))
    return None if value is None else shown(value)


def _together(matcher: Matcher, number: int, holds: Callable[[int], bool]) -> bool:
    if not number:
        return False
    return (all if matcher.condition == "and" else any)(holds(place) for place in range(number))


def matches(matcher: Matcher, table: Mapping[str, Value], renderer: Renderer) -> bool:
    """One matcher. A part that is not there matches nothing, not even negatively."""
    part = _part(matcher.part, table)
    if part is None and matcher.kind not in {"dsl", "status"}:
        return False
    text = part or ""
    match matcher.kind:
        case "status":
            code = table.get("status_code")
            holds = isinstance(code, float) and int(code) in matcher.numbers
        case "size":
            holds = len(text) in matcher.numbers
        case "word":
            holds = _words(matcher, text, table, renderer)
        case "binary":
            holds = _together(matcher, len(matcher.words), lambda i: matcher.words[i] in text)
        case "regex":
            holds = _together(
                matcher, len(matcher.expressions), lambda i: is_found(matcher.expressions[i], text)
            )
        case "xpath":
            holds = _together(
                matcher, len(matcher.expressions), lambda i: bool(_xpath(text, matcher.expressions[i]))
            )
        case _:
            holds = _together(
                matcher,
                len(matcher.expressions),
                lambda i: _dsl(matcher.expressions[i], table, renderer) is True,
            )
    return holds != matcher.is_negative


def _words(matcher: Matcher, text: str, table: Mapping[str, Value], renderer: Renderer) -> bool:
    words = [renderer.text(word, table) for word in matcher.words]
    if matcher.ignores_case:
        text, words = text.lower(), [word.lower() for word in words]
    return _together(matcher, len(words), lambda place: words[place] in text)


def _dsl(expression: str, table: Mapping[str, Value], renderer: Renderer) -> Value:
    """An expression's value; nothing if it has none here."""
    try:
        return evaluate(parse(renderer.text(expression, table)), table, renderer.helpers)
    except (ExpressionSyntaxError, EvaluationError):
        return None


def extract(extractor: Extractor, table: Mapping[str, Value], renderer: Renderer) -> list[str]:
    """What one extractor takes, in order."""
    if extractor.kind == "kval":
        return _kval(extractor, table)
    if extractor.kind == "dsl":
        values = [_dsl(expression, table, renderer) for expression in extractor.expressions]
        return [shown(value) for value in values if value is not None and shown(value)]
    text = _part(extractor.part, table)
    if text is None:
        return []
    match extractor.kind:
        case "regex":
            return [
                one
                for expression in extractor.expressions
                for one in found(expression, text, extractor.group)
            ]
        case "json":
            return _json(extractor.expressions, text)
        case _:
            nodes = [node for expression in extractor.expressions for node in _xpath(text, expression)]
            return [_node_text(node, extractor.attribute) for node in nodes]


def _kval(extractor: Extractor, table: Mapping[str, Value]) -> list[str]:
    if extractor.ignores_case:
        table = {
            key.lower(): value.lower() if isinstance(value, str) else value for key, value in table.items()
        }
    return [shown(table[key]) for key in extractor.expressions if key in table]


def _json(expressions: tuple[str, ...], text: str) -> list[str]:
    try:
        tree: Any = json.loads(encoded(text))
    except ValueError:
        return []
    taken: list[str] = []
    for expression in expressions:
        try:
            results = jq.compile(expression).input_value(tree).all()
        except ValueError:
            continue  # what jq cannot do with this document yields nothing
        taken += [bytewise(item) if isinstance(item, str) else _json_text(item) for item in results]
    return taken


def _json_text(item: Any) -> str:
    return bytewise(json.dumps(item, separators=(",", ":"), ensure_ascii=False))


def _xpath(text: str, expression: str) -> list[Any]:
    try:
        if text.startswith("<?xml"):
            tree = lxml.etree.fromstring(encoded(text), lxml.etree.XMLParser(resolve_entities=False))
        else:
            tree = lxml.html.document_fromstring(encoded(text))
        nodes = tree.xpath(expression)
    except (lxml.etree.LxmlError, ValueError):
        return []
    return nodes if isinstance(nodes, list) else [nodes]


def _node_text(node: Any, attribute: str) -> str:
    if lxml.etree.iselement(node):
        return bytewise(node.get(attribute) or "" if attribute else "".join(map(str, node.itertext())))
    return bytewise(str(node))
