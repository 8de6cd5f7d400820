"""What a template's matchers ask of its responses: a formula, and the ways in which it can hold.

A *want* is one thing about one response: a word it has or has not, its status, its length. Matchers combine wants with
and, or and not; the disjunctive normal form lists the ways, and an answer has to keep all wants of one way.
"""

from collections.abc import Callable, Container, Iterator
from itertools import islice, product
from typing import Final, TypeAlias
from typing import Literal as Choice

import msgspec

from propolis.flaws.scanners import dsl, functions
from propolis.flaws.scanners.dsl import Call, Expr, Join, Literal, Name, Operation
from propolis.flaws.scanners.template import Block, Matcher, suffix

MAX_WAYS = 96
MAX_PRODUCT = 4_096

WantKind: TypeAlias = Choice[
    "word",
    "regex",
    "equal",
    "starts",
    "ends",
    "status",
    "length",
    "duration",
    "versions",
    "xpath",
    "third",
    "other",
]


class Want(msgspec.Struct, frozen=True):
    """One thing about response number ``at`` of a block (from 1).

    ``value`` is what is sought in ``part``; for figures it stands behind ``order`` (``==``, ``>=``, …). ``third``: only
    a third party could tell, such as a callback that arrives; ``other``: an expression that is only ever tested.
    """

    at: int
    kind: WantKind
    part: str
    value: Expr
    is_wanted: bool
    is_nocase: bool = False
    order: str = "=="
    is_trimmed: bool = False
    """Of a length: blanks at the ends do not count."""


class All(msgspec.Struct, frozen=True):
    """Every one of these."""

    parts: tuple["Formula", ...]


class Some(msgspec.Struct, frozen=True):
    """At least one of these."""

    parts: tuple["Formula", ...]


Formula: TypeAlias = Want | All | Some
Way: TypeAlias = tuple[Want, ...]
Resolve: TypeAlias = Callable[[Expr], Expr]

TRUE: Final = All(())
FALSE: Final = Some(())

_THIRD: Final = frozenset(
    {"interactsh_protocol", "interactsh_request", "interactsh_response", "interactsh_ip"}
)
_NEGATED: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_PASSED: Final = frozenset({"tostring", "trimspace", "tolower", "toupper", "urldecode", "htmlunescape"})
"""Helpers that a sought text can be put through and still be found (``tolower`` without its case)."""
_FIGURES: Final = {"status_code": "status", "duration": "duration", "content_length": "length"}


class Context(msgspec.Struct, frozen=True):
    """How a block's matchers are read.

    ``current`` is the response that names without a number mean, ``resolve`` puts variables into a tree, and names
    that are then not among the ``unknowns`` are parts of a response. ``before`` requests were made by earlier blocks:
    a number beyond this block's ``count`` is one that counts those too.
    """

    current: int
    count: int
    before: int
    resolve: Resolve
    unknowns: Container[str]

    def at(self, number: int) -> int:
        """Which response a number means; 0 is the current one."""
        if number > self.count >= number - self.before > 0:
            return number - self.before
        return number or self.current


def formula(block: Block, context: Context) -> Formula:
    """What a block's matchers ask; nothing if it has none."""
    if not block.matchers:
        return TRUE
    parts = tuple(_matcher(matcher, context) for matcher in block.matchers)
    return All(parts) if block.is_all or len(parts) == 1 else Some(parts)


def ways(formula: Formula) -> list[Way]:
    """The ways in which a formula can hold, those that need no third party first, in the template's order."""
    found = list(dict.fromkeys(islice(_ways(formula), MAX_PRODUCT)))
    found = [way for way in found if not _contradicts(way)]
    return sorted(found, key=needs_third)[:MAX_WAYS]


def needs_third(way: Way) -> bool:
    """Whether a way rests on something that reached a third party."""
    return any(want.kind == "third" and want.is_wanted for want in way)


def _ways(formula: Formula) -> Iterator[Way]:
    match formula:
        case Want():
            yield (formula,)
        case Some(parts):
            for part in parts:
                yield from _ways(part)
        case All(parts):
            options = [list(islice(_ways(part), MAX_WAYS)) for part in parts]
            for chosen in product(*options):
                yield tuple(dict.fromkeys(want for way in chosen for want in way))


def _contradicts(way: Way) -> bool:
    """Whether a way asks for two statuses at once: the commonest impossibility, seen before anything is built."""
    statuses: dict[int, set[Expr]] = {}
    for want in way:
        if want.kind == "status" and want.order == "==" and want.is_wanted:
            statuses.setdefault(want.at, set()).add(want.value)
    return any(len(values) > 1 for values in statuses.values())


def _negated(formula: Formula) -> Formula:
    match formula:
        case All(parts):
            return Some(tuple(_negated(part) for part in parts))
        case Some(parts):
            return All(tuple(_negated(part) for part in parts))
        case Want(kind="status" | "length" | "duration"):
            return msgspec.structs.replace(formula, order=_NEGATED[formula.order])
        case Want():
            return msgspec.structs.replace(formula, is_wanted=not formula.is_wanted)


def _matcher(matcher: Matcher, context: Context) -> Formula:
    part, index = suffix(matcher.part)
    at = context.at(index)
    if part in _THIRD:
        return Want(at, "third", part, Literal(b""), is_wanted=not matcher.is_negative)
    if matcher.kind == "dsl":
        parts = tuple(_expression(text, context) for text in matcher.values)
    else:
        parts = tuple(_value(matcher, text, part, at, context) for text in matcher.values)
    is_all = matcher.is_all and matcher.kind not in {"status", "size"}
    found: Formula = All(parts) if is_all else Some(parts)
    return _negated(found) if matcher.is_negative else found


def _value(matcher: Matcher, text: str, part: str, at: int, context: Context) -> Formula:
    """One value of a matcher that is no expression."""
    if matcher.kind in {"status", "size"}:
        if not text.strip().lstrip("-").isdigit():
            return FALSE
        kind: WantKind = "status" if matcher.kind == "status" else "length"
        return Want(at, kind, part, Literal(int(text)), is_wanted=True)
    if matcher.kind == "binary" or matcher.is_hex:
        try:
            return Want(at, "word", part, Literal(bytes.fromhex(text)), is_wanted=True)
        except ValueError:
            return FALSE
    value = context.resolve(dsl.parse_text(text))
    kind = {"word": "word", "regex": "regex", "xpath": "xpath"}[matcher.kind]  # type: ignore[assignment] # one of them
    return Want(at, kind, part, value, is_wanted=True, is_nocase=matcher.is_nocase)


def _expression(text: str, context: Context) -> Formula:
    try:
        tree = dsl.parse(text)
    except dsl.DslError:
        return FALSE
    return _tree(context.resolve(tree), context)


def _tree(tree: Expr, context: Context) -> Formula:
    match tree:
        case Operation("&&", parts):
            return All(tuple(_tree(part, context) for part in parts))
        case Operation("||", parts):
            return Some(tuple(_tree(part, context) for part in parts))
        case Operation("!", (part,)):
            return _negated(_tree(part, context))
        case Literal(value):
            return TRUE if value is True else FALSE
        case Operation(order, (left, right)) if order in {*_NEGATED, "=~", "!~"}:
            return _comparison(order, left, right, context) or _other(tree, context)
        case Call(function, arguments):
            return _call(function, arguments, context) or _other(tree, context)
        case _:
            return _other(tree, context)


def _other(tree: Expr, context: Context) -> Formula:
    """Something that can only be tested once there is an answer."""
    indices = [suffix(name)[1] for name in dsl.names(tree)]
    if any(suffix(name)[0] in _THIRD for name in dsl.names(tree)):
        return Want(context.current, "third", "interactsh_protocol", tree, is_wanted=True)
    return Want(max(map(context.at, [*indices, 0])), "other", "", tree, is_wanted=True)


def _comparison(order: str, left: Expr, right: Expr, context: Context) -> Formula | None:
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, order = right, left, _MIRRORED.get(order, order)
    if order in {"=~", "!~"}:
        found = _call("regex", (right, left), context)
        return _negated(found) if found is not None and order == "!~" else found
    if isinstance(left, Name) and left.name not in context.unknowns:
        part, index = suffix(left.name)
        at = context.at(index)
        if part in _FIGURES and isinstance(right, Literal):
            kind = _FIGURES[part]
            figure = Literal(_figure(right))
            return Want(at, kind, "body", figure, is_wanted=True, order=order)  # type: ignore[arg-type] # from the table
        if part in _THIRD:
            return Want(at, "third", part, right, is_wanted=order == "==")
    if isinstance(left, Call) and left.function == "len" and isinstance(right, Literal):
        viewed = _view(left.arguments[0], context)
        if viewed is not None:
            is_trimmed = "trimspace" in dsl.calls(left)
            length = Literal(_figure(right))
            return Want(
                viewed[1], "length", viewed[0], length, is_wanted=True, order=order, is_trimmed=is_trimmed
            )
    viewed = _view(left, context)
    if viewed is None or order not in {"==", "!="} or _view(right, context) is not None:
        return None
    part, at, is_nocase = viewed
    return Want(at, "equal", part, right, is_wanted=order == "==", is_nocase=is_nocase)


def _figure(literal: Literal) -> float:
    try:
        return functions.number(literal.value)
    except ValueError:
        return -1


_SOUGHT: Final[dict[str, WantKind]] = {
    "contains": "word", "containsall": "word", "containsany": "word", "startswith": "starts", "endswith": "ends",
    "equalsany": "equal",
}  # fmt: skip


def _call(function: str, arguments: tuple[Expr, ...], context: Context) -> Formula | None:
    if function == "compareversions" and arguments and isinstance(arguments[0], Name):
        constraints = Join(tuple(arguments[1:]))
        return Want(context.current, "versions", arguments[0].name, constraints, is_wanted=True)
    if function == "regex" and len(arguments) == 2:
        viewed = _view(arguments[1], context)
        return viewed and Want(
            viewed[1], "regex", viewed[0], arguments[0], is_wanted=True, is_nocase=viewed[2]
        )
    kind = _SOUGHT.get(function)
    viewed = _view(arguments[0], context) if kind and len(arguments) > 1 else None
    if kind is None or viewed is None:
        return None
    part, at, is_nocase = viewed
    if part in _THIRD:
        return Want(at, "third", part, arguments[1], is_wanted=True)
    wants = tuple(Want(at, kind, part, value, is_wanted=True, is_nocase=is_nocase) for value in arguments[1:])
    return All(wants) if function == "containsall" else Some(wants)


def _view(tree: Expr, context: Context) -> tuple[str, int, bool] | None:
    """The part of a response that an expression looks at, of which one, and whether without case."""
    is_nocase = False
    while isinstance(tree, Call) and tree.function in _PASSED and len(tree.arguments) == 1:
        is_nocase |= tree.function in {"tolower", "toupper"}
        tree = tree.arguments[0]
    if not isinstance(tree, Name) or tree.name in context.unknowns:
        return None
    part, index = suffix(tree.name.lower())
    part = {"all_headers": "header", "headers": "header", "raw": "response", "all": "response"}.get(
        part, part
    )
    return part, context.at(index), is_nocase
