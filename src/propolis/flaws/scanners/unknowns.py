"""What a template leaves open: random texts, hosts, credentials, callbacks, values of earlier answers.

A template's text is resolved to literals and *terms*, trees whose leaves are unknowns. Each unknown says what it looks
like in a request and how a scanner draws it, so that requests can be recognised whatever was drawn, and played again.
"""

import random
import re
import string
from collections.abc import Mapping
from typing import Final, TypeAlias
from typing import Literal as Choice

import msgspec

from propolis.flaws.scanners import dsl, functions
from propolis.flaws.scanners.dsl import Braced, Call, Expr, Join, Literal, Name, Operation
from propolis.flaws.scanners.template import Template

MAX_SUBSTITUTIONS = 24
"""Variables inside variables."""
MAX_WIDTH = 512
"""Characters of one drawn text."""

Kind: TypeAlias = Choice["drawn", "host", "given", "callback", "dynamic", "payload", "moment", "opaque"]

_ALNUM: Final = string.ascii_letters + string.digits
_DRAWS: Final[Mapping[str, tuple[str, str]]] = {
    "randbase": (_ALNUM, "[A-Za-z0-9]"),
    "randchar": (_ALNUM, "[A-Za-z0-9]"),
    "randtextalpha": (string.ascii_letters, "[A-Za-z]"),
    "randtextalphanumeric": (_ALNUM, "[A-Za-z0-9]"),
    "randtextnumeric": (string.digits, "[0-9]"),
}
"""Helpers that draw characters: out of which, and how those look."""
_MOMENTS: Final = frozenset({"unixtime", "datetime", "tounixtime"})
_HOSTS: Final = frozenset("DN FQDN File Host Hostname IP Path Port RDN SD Scheme TLD".split(" "))  # noqa: SIM905 - a list of words
_KNOWN: Final = (
    functions.FUNCTIONS.keys() | _DRAWS.keys() | _MOMENTS | {"randint", "randip", "concat", "waitfor"}
)
"""Helpers that mean something; what else a matcher calls is told."""
_NUMBERS: Final = frozenset({"randint", "unixtime", "tonumber", "tounixtime", "len", "randtextnumeric"})
ELSEWHERE: Final = re.compile(
    r"(?<![\w.-])(?:[\w-]+\.)*(?:interact\.sh|oast\.(?:fun|live|me|online|pro|site)|evil\.com|attacker\.com)(?![\w.-]*\w)"
)
"""Hosts that a template names in the place of whoever runs it."""
HOST: Final = r"[A-Za-z0-9.:\-]+"
"""How a host with or without a port looks."""
ANYTHING: Final = "[^\\s\"'<>&]*"
"""How something of which nothing is known looks where its end must be seen."""


class Unknown(msgspec.Struct, frozen=True):
    """A leaf. ``look`` is a pattern (RE2) of what it may be, ``source`` how it is drawn, ``values`` a payload's."""

    name: str
    kind: Kind
    look: str
    source: Expr
    is_number: bool = False
    values: tuple[str, ...] = ()


class Resolver:
    """Resolves a template's texts; the same variable is the same unknown wherever it stands."""

    def __init__(self, template: Template) -> None:
        self.unknowns: dict[str, Unknown] = {}
        self._variables = template.variables
        self._dynamic = {one.name for block in template.blocks for one in block.extractors if one.name}
        self._resolved: dict[str, Expr] = {}
        self._drawn = 0

    def text(
        self, text: str, payloads: Mapping[str, str | tuple[str, ...]], *, is_literal: bool = False
    ) -> Expr:
        """A text of a request or a matcher as literals and terms.

        ``payloads`` are a block's by name: one value that is put in, or several that stand open. With ``is_literal``
        braces that nobody knows are left as they are.
        """
        return self.expr(dsl.parse_text(text), payloads, is_literal=is_literal)

    def expr(
        self,
        expr: Expr,
        payloads: Mapping[str, str | tuple[str, ...]],
        *,
        is_literal: bool = False,
        depth: int = 0,
        is_matcher: bool = False,
    ) -> Expr:
        """A tree with its variables put in and what is constant computed; in a matcher, other names stay."""
        if depth > MAX_SUBSTITUTIONS:
            return expr

        def inner(one: Expr) -> Expr:
            return self.expr(one, payloads, is_literal=is_literal, depth=depth + 1, is_matcher=is_matcher)

        match expr:
            case Name(name):
                found = self._name(name, payloads, is_literal=is_literal, depth=depth)
                if found is None and not (is_matcher or is_literal or "." in name):
                    return self._add(Unknown(name, "given", r"[^&\r\n]*", expr))
                return found or expr
            case Join(parts):
                return dsl.join([inner(part) for part in parts])
            case Braced(braced, text):
                known = inner(braced)
                return (
                    known
                    if all(name in self.unknowns for name in dsl.names(known))
                    else Literal(text.encode())
                )
            case Call(function, arguments):
                given = tuple(inner(argument) for argument in arguments)
                if is_matcher and function not in _KNOWN:
                    return Call(function, given)
                return self._call(function, given)
            case Operation(operator, operands):
                return _folded(Operation(operator, tuple(inner(operand) for operand in operands)))
            case _:
                return expr

    def _name(
        self, name: str, payloads: Mapping[str, str | tuple[str, ...]], *, is_literal: bool, depth: int
    ) -> Expr | None:
        """What a name stands for; ``None`` for one that nobody knows."""
        payload = payloads.get(name)
        if isinstance(payload, str):
            return self.expr(dsl.parse_text(payload), {}, is_literal=is_literal, depth=depth + 1)
        if name in self.unknowns:
            return Name(name)
        if isinstance(payload, tuple):
            return self._add(Unknown(name, "payload", _alternatives(payload), Name(name), values=payload))
        if name in self._variables:
            if name not in self._resolved:
                self._resolved[name] = Name(name)  # a variable that names itself stays a name
                tree = dsl.parse_text(self._variables[name])
                self._resolved[name] = self.expr(tree, payloads, is_literal=is_literal, depth=depth + 1)
            if self._resolved[name] != Name(name):
                return self._resolved[name]
        leaf = self._leaf(name)
        if leaf is not None:
            return self._add(leaf)
        if name in {"BaseURL", "RootURL"}:
            return dsl.join(
                [Literal(b"http://"), self._add(Unknown("Hostname", "host", ANYTHING, Name(name)))]
            )
        return None

    def _leaf(self, name: str) -> Unknown | None:
        """The unknown that nuclei itself, or an earlier answer, gives this name."""
        if name in _HOSTS:
            return Unknown(name, "host", ANYTHING, Name(name))
        if re.fullmatch(r"randstr(?:_\w+)?", name):
            return Unknown(name, "drawn", "[A-Za-z0-9]{27}", Call("randbase", (Literal(27),)))
        if name.startswith("interactsh-"):
            return Unknown(name, "callback", HOST, Name(name))
        if name in self._dynamic or re.match(r"http_\d+_", name):
            return Unknown(name, "dynamic", ANYTHING, Name(name))
        return None

    def _call(self, function: str, arguments: tuple[Expr, ...]) -> Expr:
        call = Call(function, arguments)
        if function == "concat":
            return dsl.join([_as_text(argument) for argument in arguments])
        if function == "waitfor":
            return Literal(b"true")
        if function in _DRAWS or function in {"randint", "randip"}:
            return self._drawn_text(call)
        if function in _MOMENTS and not (function == "tounixtime" and arguments):
            return self._numbered("moment", r"[0-9A-Za-z:/. \-]+", call)
        if function not in functions.FUNCTIONS:
            return self._numbered("opaque", ANYTHING, call)
        return _folded(_distributed(call))

    def _drawn_text(self, call: Call) -> Expr:
        width = next((one.value for one in call.arguments if isinstance(one, Literal)), None)
        count = width if isinstance(width, int) and 0 < width <= MAX_WIDTH else 0
        if call.function == "randint":
            look = r"\d+"
        elif call.function == "randip":
            look = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
        else:
            charset = _charset(call)
            shown = f"[{re.escape(charset)}]" if charset else _DRAWS[call.function][1]
            look = f"{shown}{{{count}}}" if count else f"{shown}+"
        return self._numbered("drawn", look, call)

    def _numbered(self, kind: Kind, look: str, call: Call) -> Expr:
        self._drawn += 1
        return self._add(
            Unknown(f"drawn{self._drawn}", kind, look, call, is_number=call.function in _NUMBERS)
        )

    def _add(self, unknown: Unknown) -> Name:
        self.unknowns[unknown.name] = unknown
        return Name(unknown.name)


def draw(unknown: Unknown, draws: random.Random, now: int) -> bytes:
    """What a scanner might put in for an unknown that it draws by itself (``drawn``, ``moment``, ``opaque``).

    ``now`` are Unix seconds. Of what has no helper here (a Java gadget), bytes that look like it.
    """
    call = unknown.source
    if not isinstance(call, Call):
        return b"".join(draws.choice(_ALNUM).encode() for _ in range(12))
    figures = [one.value for one in call.arguments if isinstance(one, Literal) and isinstance(one.value, int)]
    if call.function == "randint":
        low, high = (figures + [0, 2**31 - 1][len(figures) :])[:2] if figures else (0, 2**31 - 1)
        return str(draws.randint(min(low, high), max(low, high))).encode()
    if call.function == "randip":
        return b"10.%d.%d.%d" % tuple(draws.randint(1, 250) for _ in range(3))
    if call.function in _DRAWS:
        alphabet = _charset(call) or _DRAWS[call.function][0]
        width = min(figures[0], MAX_WIDTH) if figures else 1
        return "".join(draws.choice(alphabet) for _ in range(width)).encode()
    if call.function == "datetime":
        form = call.arguments[0] if call.arguments else Literal(b"%Y-%M-%D")
        return functions.date_text(
            functions.text(form.value).decode() if isinstance(form, Literal) else "", now
        )
    if call.function in _MOMENTS:
        return str(now + (figures[0] if figures else 0)).encode()
    return b"rO0ABXNyABFqYXZhLnV0aWwuSGFzaFNldA" + str(draws.randint(0, 9)).encode()


def is_number(expr: Expr, unknowns: Mapping[str, Unknown]) -> bool:
    """Whether a term is a figure: its place in JSON may have no quotes."""
    match expr:
        case Name(name):
            return name in unknowns and unknowns[name].is_number
        case Call(function):
            return function in _NUMBERS
        case Operation(operator, operands):
            return operator in "+-*/%" and all(
                isinstance(one, Literal) or is_number(one, unknowns) for one in operands
            )
        case _:
            return False


def _alternatives(values: tuple[str, ...]) -> str:
    """A pattern of a payload's values, if they are few and plain."""
    if not values or len(values) > 32 or any("{{" in value or not value for value in values):
        return ANYTHING
    written = "|".join(re.escape(value) for value in values)
    return f"(?:{written})" if len(written) < 1_000 else ANYTHING


def _charset(call: Call) -> str:
    """The alphabet that a drawing helper was given as its second argument."""
    if call.function != "randbase" or len(call.arguments) < 2:
        return ""
    given = call.arguments[1]
    return (
        given.value.decode("latin-1") if isinstance(given, Literal) and isinstance(given.value, bytes) else ""
    )


def _as_text(expr: Expr) -> Expr:
    return Literal(functions.text(expr.value)) if isinstance(expr, Literal) else expr


_EACH: Final = frozenset({"urlencode", "hexencode", "tolower", "toupper"})
"""Helpers whose result for a text is their results for its pieces."""


def _distributed(call: Call) -> Expr:
    if call.function in _EACH and len(call.arguments) == 1 and isinstance(call.arguments[0], Join):
        return dsl.join([_folded(Call(call.function, (part,))) for part in call.arguments[0].parts])
    return call


def _folded(expr: Expr) -> Expr:
    """The value of a tree without unknowns; texts that are added up are one text."""
    match expr:
        case Call(arguments=inner) | Operation(operands=inner) if all(
            isinstance(one, Literal) for one in inner
        ):
            try:
                return Literal(functions.evaluate(expr, lambda _: None))
            except functions.NotComputedError:
                return expr
        case Operation("+", (left, right)) if any(_is_text(one) for one in (left, right)):
            return dsl.join([_as_text(left), _as_text(right)])
        case _:
            return expr


def _is_text(expr: Expr) -> bool:
    return isinstance(expr, Join) or (isinstance(expr, Literal) and isinstance(expr.value, bytes))
