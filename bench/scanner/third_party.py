"""Which templates can only be satisfied by a real third party.

A matcher on ``interactsh_*`` holds when an outside server has been contacted by the target. A decoy never reaches out,
so such a matcher is taken as false, everything else as possibly true; a template whose every reported way is then
impossible needs the third party. ``&&``, ``||`` and ``!`` of expressions are followed; a flow of ``&&`` and ``||`` too.
"""

import re
from typing import Final

from bench.scanner.expression import ExpressionSyntaxError, Infix, Node, Prefix, names, parse
from bench.scanner.template import Block, Extractor, Matcher, Template

PREFIX: Final = "interactsh_"
CALL: Final = re.compile(r"""http\(\s*["']?([\w-]*)["']?\s*\)""")


def needs_third_party(template: Template) -> bool:
    """Whether no way of the template to be reported is left without a third party."""
    possible = [_block(block) for block in template.blocks]
    if not template.flow:
        return not any(
            is_possible and _is_reported(block)
            for block, is_possible in zip(template.blocks, possible, strict=True)
        )
    return not _flow(template, possible)


def _is_reported(block: Block) -> bool:
    if block.matchers:
        return not all(matcher.is_internal for matcher in block.matchers)
    return not all(extractor.is_internal for extractor in block.extractors)


def _block(block: Block) -> bool:
    if not block.matchers:
        return not block.extractors or any(map(_extractor, block.extractors))
    held = [_matcher(matcher) for matcher in block.matchers]
    return all(held) if block.matchers_condition == "and" else any(held)


def _extractor(extractor: Extractor) -> bool:
    return not extractor.part.startswith(PREFIX)


def _matcher(matcher: Matcher) -> bool:
    if matcher.kind != "dsl":
        return not matcher.part.startswith(PREFIX)
    held = [_expression(text) for text in matcher.expressions]
    return all(held) if matcher.condition == "and" else any(held)


def _expression(text: str) -> bool:
    try:
        return _node(parse(text))
    except ExpressionSyntaxError:
        return PREFIX not in text


def _node(node: Node) -> bool:
    match node:
        case Infix(operator="&&", left=left, right=right):
            return _node(left) and _node(right)
        case Infix(operator="||", left=left, right=right):
            return _node(left) or _node(right)
        case Prefix(operator="!"):
            return True
    return not any(name.startswith(PREFIX) for name in names(node))


def _flow(template: Template, possible: list[bool]) -> bool:
    """Whether the flow can hold. A flow that is a program is possible if a reported block of it is."""
    ids = {block.id: is_possible for block, is_possible in zip(template.blocks, possible, strict=True)}

    def word(match: re.Match[str]) -> str:
        name = match[1]
        if name.isdigit() and 0 < int(name) <= len(possible):
            return str(possible[int(name) - 1]).lower()
        return str(ids.get(name, True)).lower()

    try:
        return _value(parse(CALL.sub(word, template.flow.rstrip("; \n"))))
    except ExpressionSyntaxError:
        return any(
            is_possible and _is_reported(block)
            for block, is_possible in zip(template.blocks, possible, strict=True)
        )


def _value(node: Node) -> bool:
    match node:
        case Infix(operator="&&", left=left, right=right):
            return _value(left) and _value(right)
        case Infix(operator="||", left=left, right=right):
            return _value(left) or _value(right)
        case Prefix(operator="!"):
            return True
    return getattr(node, "value", True) is not False
