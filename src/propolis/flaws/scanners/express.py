"""From what is unknown to the expression that computes it from a visit: captured texts, values we issued, the persona.

A term can be captured where it stands in a request; others are computed from those (``md5(num)``), or found inside of
what was captured encoded (``base64`` of a text that holds it).
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from propolis.flaws.extract import KINDS
from propolis.flaws.request import NAMED, PLAIN
from propolis.flaws.scanners import functions
from propolis.flaws.scanners.dsl import Call, Expr, Join, Literal, Name, Operation
from propolis.flaws.scanners.recognise import quote
from propolis.flaws.scanners.unknowns import Unknown, is_number
from propolis.flaws.scene import PERSONA_WORDS

Capture = Callable[[Expr], str | None]

HOSTS: Final[Mapping[str, str]] = {
    "DN": "split_at(split_at(host, ':', 0), '.', 0)",
    "FQDN": "split_at(host, ':', 0)",
    "Host": "split_at(host, ':', 0)",
    "Hostname": "host",
    "IP": "ip",
    "RDN": "split_at(host, ':', 0)",
    "Scheme": "'http'",
}
"""What nuclei's host names are, as this server sees them: its own name is what it was called by."""

_SAME: Final[Mapping[str, str]] = {
    "base64": "base64", "base64decode": "base64_decode", "hexencode": "hex", "hexdecode": "hex_decode",
    "htmlescape": "html_escape", "htmlunescape": "html_unescape", "len": "len", "md5": "md5", "repeat": "repeat",
    "replace": "replace", "reverse": "reverse", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512",
    "substr": "slice", "tolower": "lower", "tonumber": "int", "tostring": "str", "toupper": "upper",
    "trimspace": "trim", "urldecode": "url_decode", "urlencode": "url_encode",
}  # fmt: skip
"""Helpers that the answer language has by another name."""


class Expressions:
    """Writes terms in the answer language.

    ``capture`` gives the variable in which a term is kept once it was seen in a request, ``seen`` all terms that can be
    captured, ``issued`` the names of values that we hand out.
    """

    def __init__(
        self,
        unknowns: Mapping[str, Unknown],
        issued: Mapping[str, str],
        look: Callable[[Expr], str],
        capture: Capture,
        seen: Callable[[], tuple[Expr, ...]],
    ) -> None:
        self._unknowns = unknowns
        self._issued = issued
        self._look = look
        self._capture = capture
        self._seen = seen

    def write(self, term: Expr) -> str | None:
        """The expression for a term, ``None`` if nothing a visitor sends tells it."""
        if isinstance(term, Literal):
            return literal(term.value)
        if isinstance(term, Name) and term.name in self._issued:
            return variable(term.name)
        if isinstance(term, Name) and self._is_host(term.name):
            return HOSTS.get(term.name)
        captured = self._capture(term)
        if captured is not None:
            return captured
        return self._unwrapped(term) or self._computed(term)

    def _is_host(self, name: str) -> bool:
        return name in self._unknowns and self._unknowns[name].kind == "host"

    def _computed(self, term: Expr) -> str | None:
        match term:
            case Join(parts):
                return self._joined([self.write(part) for part in parts])
            case Call("base64py", (argument,)):
                inner = self.write(argument)
                return inner and f"base64({inner}) + '\\n'"
            case Call(function, arguments) if function in _SAME:
                written = [self.write(argument) for argument in arguments]
                return None if None in written else f"{_SAME[function]}({', '.join(map(str, written))})"
            case Operation(operator, (left, right)) if operator in "+-*/%":
                one, other = self.write(left), self.write(right)
                if one is None or other is None:
                    return None
                if operator == "+" and is_number(term, self._unknowns):
                    return f"(int({one}) + int({other}))"
                return f"({one} {operator} {other})"
            case _:
                return None

    def _joined(self, written: list[str | None]) -> str | None:
        return None if None in written else "(" + " + ".join(["''", *map(str, written)]) + ")"

    def _unwrapped(self, term: Expr) -> str | None:
        """A term inside of another one that was captured, if what was done to it can be undone."""
        for known in self._seen():
            undone = self._undone(known, term, "{}")
            if undone is not None and (captured := self._capture(known)) is not None:
                return undone.replace("{}", captured)
        return None

    def _undone(self, known: Expr, term: Expr, so_far: str) -> str | None:
        """How to come from what is known to a term in it; ``so_far`` is the way up to here, from ``{}``."""
        if known == term:
            return so_far
        if isinstance(known, Join) and (pattern := self._inside(term, known)) is not None:
            return f"find({literal(pattern.encode())}, {so_far})"
        if isinstance(known, Call) and known.arguments:
            if known.function == "generatejwt":
                return self._undone(known.arguments[0], term, f"base64_decode(split_at({so_far}, '.', 1))")
            if known.function in functions.INVERSES:
                return self._undone(
                    known.arguments[0], term, f"{functions.INVERSES[known.function]}({so_far})"
                )
        return None

    def _inside(self, term: Expr, whole: Expr) -> str | None:
        """A pattern whose first group is the term inside of a text."""
        if not isinstance(whole, Join) or term not in whole.parts:
            return None
        pattern, is_found = "^", False
        for part in whole.parts:
            if isinstance(part, Literal):
                pattern += quote(functions.text(part.value))
            elif part == term and not is_found:
                pattern, is_found = f"{pattern}({self._look(part)})", True
            else:
                pattern += f"(?:{self._look(part)})"
        return pattern + "$"


_RESERVED: Final = (
    KINDS | NAMED | PLAIN | PERSONA_WORDS.keys() | {"and", "else", "false", "if", "not", "or", "true"}
)
"""Words that the answer language or the event already uses."""


def variable(name: str) -> str:
    """A template's name as a name of the answer language."""
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:28] or "value"
    plain = plain if plain[0].isalpha() else f"v{plain}"
    return f"{plain}_1" if plain in _RESERVED else plain


def literal(value: bytes | float) -> str:
    """A constant of the answer language."""
    if not isinstance(value, bytes):
        return functions.text(value).decode()
    text = "".join(_character(byte) for byte in value)
    return f"'{text}'"


def _character(byte: int) -> str:
    if byte in b"'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
