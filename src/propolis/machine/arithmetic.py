"""Whole numbers as a shell reckons: ``$((7 * (3 + 0x1f)))``, in 64 bits (POSIX 2.6.4, C's operators)."""

import re
from collections.abc import Callable, Iterator
from typing import Final

MAX_CHARS = 1_024
MAX_DEPTH = 24
"""Parentheses and signs inside one another."""
_MAX_SHIFT = 63

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]{1,16}|\d{1,19}|[A-Za-z_]\w*)|(\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&|^~!()]))",
    re.ASCII,
)


def reckon(text: str, value_of: Callable[[str], str] = lambda _: "") -> int | None:
    """The value of an expression, ``None`` for what is none; ``value_of`` gives a variable's text. Never raises."""
    try:
        parser = _Parser(text[:MAX_CHARS], value_of)
        value = parser.binary(0)
    except (_NoSenseError, ZeroDivisionError, ValueError):
        return None
    return value if not parser.token else None


class _NoSenseError(Exception):
    """Not an expression."""


class _Parser:
    def __init__(self, text: str, value_of: Callable[[str], str]) -> None:
        self._value_of = value_of
        self._tokens = _tokens(text)
        self._depth = 0
        self.token = next(self._tokens, "")

    def binary(self, level: int) -> int:
        """Precedence climbing."""
        if level == len(_LEVELS):
            return self._unary()
        value = self.binary(level + 1)
        while compute := _LEVELS[level].get(self.token):
            self._next()
            value = _wrapped(compute(value, self.binary(level + 1)))
        return value

    def _unary(self) -> int:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NoSenseError
        token = self._next()
        match token:
            case "-":
                value = -self._unary()
            case "+":
                value = self._unary()
            case "!":
                value = int(not self._unary())
            case "~":
                value = ~self._unary()
            case "(":
                value = self.binary(0)
                if self._next() != ")":
                    raise _NoSenseError
            case _:
                value = self._operand(token)
        self._depth -= 1
        return _wrapped(value)

    def _operand(self, token: str) -> int:
        if token[:1].isdigit():
            return _number(token)
        if not token.isidentifier():
            raise _NoSenseError
        held = self._value_of(token).strip()
        return _number(held) if held.isascii() and held.isdigit() and len(held) < 20 else 0

    def _next(self) -> str:
        token, self.token = self.token, next(self._tokens, "")
        return token


def _tokens(text: str) -> Iterator[str]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _NoSenseError
        yield found[1] or found[2]
        at = found.end()


def _number(digits: str) -> int:
    if digits[:2] in {"0x", "0X"}:
        return int(digits, 16)
    return int(digits, 8) if digits[0] == "0" else int(digits)


def _wrapped(value: int) -> int:
    """Two's complement of 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _quotient(left: int, right: int) -> int:
    """C rounds towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _power(left: int, right: int) -> int:
    return pow(left, right, 1 << 64) if right >= 0 else 0


_LEVELS: Final[tuple[dict[str, Callable[[int, int], int]], ...]] = (
    {"||": lambda left, right: int(bool(left or right))},
    {"&&": lambda left, right: int(bool(left and right))},
    {"|": lambda left, right: left | right},
    {"^": lambda left, right: left ^ right},
    {"&": lambda left, right: left & right},
    {"==": lambda left, right: int(left == right), "!=": lambda left, right: int(left != right)},
    {
        "<": lambda left, right: int(left < right),
        ">": lambda left, right: int(left > right),
        "<=": lambda left, right: int(left <= right),
        ">=": lambda left, right: int(left >= right),
    },
    {
        "<<": lambda left, right: left << (right & _MAX_SHIFT),
        ">>": lambda left, right: left >> (right & _MAX_SHIFT),
    },
    {"+": lambda left, right: left + right, "-": lambda left, right: left - right},
    {
        "*": lambda left, right: left * right,
        "/": _quotient,
        "%": lambda left, right: left - right * _quotient(left, right),
    },
    {"**": _power},
)
