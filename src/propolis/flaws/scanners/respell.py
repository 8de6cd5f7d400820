"""afrog's expressions in nuclei's words: its functions, and what it calls the parts of requests and responses.

What nuclei has no word for becomes a call of that name, and whoever evaluates it says that nobody knows it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from propolis.flaws.scanners import functions
from propolis.flaws.scanners.dsl import Call, Expr, Literal, Name, Operation

Spelled: TypeAlias = tuple[str, bool]
"""An expression, and whether it is a text: ``+`` joins texts and adds figures."""

NAMES: Final[Mapping[str, Spelled]] = {
    "response.body": ("body", True),
    "response.content_type": ("content_type", True),
    "response.headers": ("header", True),
    "response.latency": ("(duration * 1000)", False),
    "response.raw": ("response", True),
    "response.raw_header": ("raw_header", True),
    "response.status": ("status_code", False),
    "request.url": ("BaseURL", True),
    "request.url.domain": ("Host", True),
    "request.url.host": ("Hostname", True),
    "request.url.path": ("Path", True),
    "request.url.port": ("Port", True),
    "request.url.scheme": ("Scheme", True),
    "oob": ("interactsh-url", True),
    "oob.DNS": ("interactsh-url", True),
    "oob.HTTP": ("concat('http://', interactsh-url)", True),
    "oob.HTTPS": ("concat('https://', interactsh-url)", True),
    "oob.LDAP": ("concat('ldap://', interactsh-url)", True),
    "oob.RMI": ("concat('rmi://', interactsh-url)", True),
    "oob.domain": ("interactsh-url", True),
    "oob.host": ("interactsh-url", True),
    "oob.ip": ("interactsh-url", True),
    "oob.url": ("concat('http://', interactsh-url)", True),
    "oob.url.host": ("interactsh-url", True),
    "oob.ProtocolDNS": ("'dns'", True),
    "oob.ProtocolHTTP": ("'http'", True),
}
"""Names that every expression may use."""
_OWN: Final = frozenset(
    {
        "BaseURL", "DN", "FQDN", "File", "Host", "Hostname", "IP", "Path", "Port", "RDN", "RootURL", "SD", "Scheme",
        "TLD", "all_headers", "body", "content_length", "content_type", "duration", "header", "http", "randstr", "raw",
        "raw_header",
        "response", "status_code",
    }
)  # fmt: skip
"""Names that mean something to nuclei: a variable of that name gets another."""
_LOWER: Final = "'abcdefghijklmnopqrstuvwxyz'"
_UPPER: Final = "'ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
_SAME: Final[Mapping[str, str]] = {
    "base64": "base64", "base64Decode": "base64_decode", "bcontains": "contains", "bendsWith": "ends_with",
    "bstartsWith": "starts_with", "contains": "contains", "endsWith": "ends_with", "hex": "hex_encode",
    "hexdecode": "hex_decode", "md5": "md5", "replaceAll": "replace", "reverse": "reverse", "sha1": "sha1",
    "sha256": "sha256", "sleep": "wait_for", "startsWith": "starts_with", "toLower": "to_lower",
    "toUpper": "to_upper", "trim": "trim_space", "urldecode": "url_decode", "urlencode": "url_encode",
}  # fmt: skip
"""Functions that nuclei has by another name, if by any."""
_FIGURES: Final = frozenset({"int", "size", "randomInt"})
_NOCASE: Final = frozenset({"icontains", "ibcontains", "bicontains"})
_PATTERNS: Final = frozenset({"matches", "bmatches", "rmatches"})
_PASSED: Final = frozenset({"string", "bytes"})
_MILLISECONDS: Final = 1_000


class Respelling:
    """Names that a file's own variables and outputs have; the same expression is always the same text."""

    def __init__(self) -> None:
        self._names: dict[str, Spelled] = dict(NAMES)

    def add(self, name: str, *, is_text: bool) -> str:
        """A variable from now on; gives the name that it has in nuclei's words."""
        known = f"{name}_set" if name in _OWN else name
        self._names[name] = (known, is_text)
        return known

    def add_group(self, output: str, group: str, wanted: str) -> str:
        """A group of a pattern, which is read as ``output["group"]``; gives its name."""
        self._names[f"{output}.{group}"] = (f"{wanted}_taken", True)
        return f"{wanted}_taken"

    def alias(self, name: str, other: str) -> None:
        """A variable that is another name and all its members."""
        for known, spelled in list(self._names.items()):
            if known == other or known.startswith(f"{other}."):
                self._names[name + known.removeprefix(other)] = spelled

    def knows(self, name: str) -> bool:
        """Whether a name means something by now."""
        return name in self._names

    def name(self, name: str) -> str:
        """A variable's name in nuclei's words."""
        return self._names[name][0]

    def variable(self, name: str) -> str | None:
        """What ``{{name}}`` asks for; ``None`` for what nobody knows."""
        found = self._names.get(name)
        return found[0] if found else None

    def spell(self, tree: Expr) -> Spelled:
        """An expression in nuclei's words."""
        match tree:
            case Literal(bytes(value)):
                return quoted(value), True
            case Literal(value):
                return functions.text(value).decode(), False
            case Name(name):
                return self._names.get(name, (f"{name}()", False))
            case Operation("[]", (of, index)):
                return self._member(of, index)
            case Operation("in", (one, Name("response.headers"))):
                return f"contains(header, {self._named_line(one)})", False
            case Operation(operator, (operand,)):
                return f"{operator}({self.spell(operand)[0]})", False
            case Operation(operator, (left, right)):
                return self._operation(operator, left, right)
            case Call(function, arguments):
                return self._call(function, arguments)
            case _:
                return "false", False

    def _operation(self, operator: str, left: Expr, right: Expr) -> Spelled:
        match left, right:
            case Name("response.latency"), Literal(int() | float() as figure):
                return f"duration {operator} {figure / _MILLISECONDS}", False
            case Literal(int() | float() as figure), Name("response.latency"):
                return f"{figure / _MILLISECONDS} {operator} duration", False
        (one, is_text), (other, is_other_text) = self.spell(left), self.spell(right)
        if operator == "+" and (is_text or is_other_text):
            return f"concat({one}, {other})", True
        if operator in "+-*/%":  # what a scanner draws is a text to nuclei
            one = f"to_number({one})" if isinstance(left, Name) else one
            other = f"to_number({other})" if isinstance(right, Name) else other
        return f"({one} {operator} {other})", False

    def _member(self, of: Expr, index: Expr) -> Spelled:
        key = functions.text(index.value).decode("utf-8", "replace") if isinstance(index, Literal) else ""
        if of == Name("response.headers"):
            return key.lower().replace("-", "_"), True
        name = of.name if isinstance(of, Name) else ""
        return self._names.get(f"{name}.{key}", (f"{name or 'value'}.item()", True))

    def _named_line(self, name: Expr) -> str:
        """How the line of a header begins, as nuclei shows it."""
        shown = functions.text(name.value) if isinstance(name, Literal) else b""
        return quoted(b"-".join(word.capitalize() for word in shown.split(b"-")) + b": ")

    def _call(self, function: str, arguments: Sequence[Expr]) -> Spelled:
        spelled = [self.spell(argument)[0] for argument in arguments]
        if function in _PASSED and len(spelled) == 1:
            return spelled[0], True
        if function in _SAME:
            return f"{_SAME[function]}({', '.join(spelled)})", True
        if function in _NOCASE and len(spelled) == 2:
            sought = spelled[1] if isinstance(arguments[0], Name | Operation) else f"to_lower({spelled[1]})"
            return f"contains(to_lower({spelled[0]}), {sought})", False
        if function in _PATTERNS and len(spelled) == 2:
            is_reversed = function == "matches" and not isinstance(arguments[0], Literal)
            pattern, sought = reversed(spelled) if is_reversed else spelled
            return f"regex({pattern}, {sought})", False
        if function in _WORDS:
            return _WORDS[function](spelled), function not in _FIGURES
        return f"{function}({', '.join(spelled)})", True


def _drawn(alphabet: str) -> Callable[[Sequence[str]], str]:
    return lambda arguments: f"rand_base({arguments[0] if arguments else 8}, {alphabet})"


def _substring(arguments: Sequence[str]) -> str:
    """Where a piece starts and how long it is, as afrog says it, with nuclei's end."""
    text, start, length = (*arguments, "0", "0")[:3]
    return f"substr({text}, {start}, ({start} + {length}))"


def _version(arguments: Sequence[str]) -> str:
    version, order, limit = (*arguments, "''", "''")[:3]
    return f"compare_versions({version}, concat({order}, ' ', {limit}))"


_WORDS: Final[Mapping[str, Callable[[Sequence[str]], str]]] = {
    "day": lambda _: "date_time('%D')",
    "int": lambda arguments: f"to_number({', '.join(arguments)})",
    "month": lambda _: "date_time('%M')",
    "oobCheck": lambda _: "contains(interactsh_protocol, 'dns')",
    "randomInt": lambda arguments: f"rand_int({', '.join(arguments)})",
    "randomLowercase": _drawn(_LOWER),
    "randomString": _drawn(f"{_LOWER[:-1]}{_UPPER[1:]}"),
    "randomUppercase": _drawn(_UPPER),
    "size": lambda arguments: f"len({', '.join(arguments)})",
    "substr": _substring,
    "timestamp_second": lambda _: "unix_time()",
    "versionCompare": _version,
    "wait": lambda _: "contains(interactsh_protocol, 'dns')",
    "year": lambda _: "date_time('%Y')",
}
"""Functions that are said differently."""


def quoted(value: bytes) -> str:
    """A text as a literal; what cannot be written in one, as its hexadecimal form."""
    try:
        shown = value.decode()
    except UnicodeDecodeError:
        return f"hex_decode('{value.hex()}')"
    if "{{" in shown or "§" in shown:
        return f"hex_decode('{value.hex()}')"
    escaped = shown.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_ASKING: Final = re.compile(r"[{§]*(?:\{\{|§)[{§]*|\{+\Z")
"""What would begin an expression, here or together with one behind it."""


def literal_text(text: str) -> str:
    """A text in which no braces ask for anything."""
    return _ASKING.sub(lambda found: f"{{{{hex_decode('{found[0].encode().hex()}')}}}}", text)
