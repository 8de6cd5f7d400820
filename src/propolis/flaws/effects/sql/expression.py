"""Expressions of SQL, by a parser of our own: as far as the columns of an injected SELECT go."""

import math
import operator
import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from propolis.flaws.effects.sql.values import (
    FUNCTIONS,
    VARIABLES,
    NoSenseError,
    Value,
    column,
    number_of,
    text_of,
)
from propolis.flaws.scene import Scope

MAX_TOKENS = 1_000
MAX_DEPTH = 24
MAX_COLUMNS = 128
_MAX_TEXT = 65_536
_MAX_NUMBER = 1 << 63

_TOKEN = re.compile(
    r"""(?:\s|/\*!\d{0,6}|\*/|/\*.*?\*/)*(?:
      (?P<hex>0[xX][0-9a-fA-F]{1,8192}|[xX]'[0-9a-fA-F]{0,8192}')
    | (?P<number>\d{1,18}(?:\.\d{1,18})?)
    | (?P<text>[nNeEqQ]?'(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|\$\$.*?\$\$)
    | (?P<name>@{0,2}[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*|`[^`]{1,64}`|\[[A-Za-z_ ]{1,64}\])
    | (?P<end>--|\#|;|\Z)
    | (?P<operator>\|\||&&|<=>|<=|>=|<>|!=|::|<<|>>|[-+*/%=<>!(),&|^~])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)|''|\"\"", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_ENDS = frozenset(
    "from where limit order group having union into as end then else when".split()  # noqa: SIM905 - a list of words
)


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str


_END = _Token("end", "")


class Reader:
    """Reads expressions from a place in a text on. Raises :class:`NoSenseError` for what has no value."""

    def __init__(self, scope: Scope, source: str, at: int = 0) -> None:
        self._scope = scope
        self._tokens = _scan(source, at)
        self._depth = 0
        self._token = next(self._tokens, _END)

    def columns(self) -> list[Value]:
        """The list of an injected SELECT."""
        self._take("all", "distinct")
        values: list[Value] = []
        while len(values) < MAX_COLUMNS:
            values.append(self.value())
            if self._take("as") or (self._token.kind == "name" and self._token.text.lower() not in _ENDS):
                self._next()
            if not self._take(","):
                break
        return values

    def value(self) -> Value:
        """One expression."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        value = self._binary(0)
        self._depth -= 1
        return value

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while compute := _LEVELS[level].get(self._token.text.lower()) if self._token.kind != "text" else None:
            self._next()
            value = _bounded(compute(value, self._binary(level + 1)))
        return value

    def _unary(self) -> Value:
        if self._take("+"):
            return self._unary()
        if self._take("-"):
            return -number_of(self._unary())
        if self._take("~"):
            return ~int(number_of(self._unary())) & (2 * _MAX_NUMBER - 1)
        if self._take("not", "!"):
            return int(not number_of(self._unary()))
        if self._take("binary", "distinct"):
            return self._unary()
        value = self._operand()
        while self._take("::"):
            self._next()
        return value

    def _operand(self) -> Value:
        token = self._next()
        match token.kind:
            case "hex":
                digits = token.text[2:].rstrip("'")
                return bytes.fromhex("0" * (len(digits) % 2) + digits).decode("latin-1")
            case "number":
                return float(token.text) if "." in token.text else int(token.text)
            case "text":
                return _unquoted(token.text)
            case "name":
                return self._named(token.text.lower().strip("`[]"))
        if token.text == "(":
            value = self._select() if self._take("select") else self.value()
            while self._take(","):
                self.value()
            self._expect(")")
            return value
        if token.text == "*":
            return None
        raise NoSenseError

    def _named(self, name: str) -> Value:
        match name:
            case "null":
                return None
            case "true" | "false":
                return int(name == "true")
            case "case":
                return self._case()
            case "cast" | "convert" | "try_convert" | "try_cast" if self._token.text == "(":
                return self._converted()
            case "select":
                return self._select()
        bare = name.rpartition(".")[2]
        if self._take("("):
            values = self._arguments()
            function = FUNCTIONS.get(bare)
            if function is None:
                raise NoSenseError
            try:
                return _bounded(function(self._scope, values))
            except (ArithmeticError, IndexError, KeyError, ValueError) as error:
                raise NoSenseError from error
        known = VARIABLES.get(name)
        return known(self._scope) if known else column(self._scope, bare)

    def _arguments(self) -> list[Value]:
        values: list[Value] = []
        while not self._take(")"):
            if values and not self._take(","):
                self._skip_to_parenthesis()
                break
            if self._take("select"):
                values.append(self._select())
            else:
                values.append(self.value())
            if len(values) > MAX_COLUMNS:
                raise NoSenseError
        return values

    def _select(self) -> Value:
        """A subquery: its first column, of one row."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        values = self.columns()
        depth = 0
        while self._token.kind != "end" and (depth or self._token.text != ")"):
            text = self._next().text
            depth += (text == "(") - (text == ")")
        self._depth -= 1
        return values[0]

    def _skip_to_parenthesis(self) -> None:
        depth = 1
        while depth and self._token.kind != "end":
            text = self._next().text
            depth += (text == "(") - (text == ")")

    def _case(self) -> Value:
        result: Value = None
        is_found = False
        while self._take("when"):
            condition = self.value()
            self._expect("then")
            value = self.value()
            if number_of(condition) and not is_found:
                result, is_found = value, True
        if self._take("else"):
            value = self.value()
            result = result if is_found else value
        self._expect("end")
        return result

    def _converted(self) -> Value:
        """``CAST(x AS type)``, and ``CONVERT(x, type)`` in either order."""
        self._expect("(")
        is_type_first = self._token.text.lower() in {"int", "varchar", "nvarchar", "char"}
        if is_type_first:
            self._next()
            if self._take("("):
                self._skip_to_parenthesis()
            self._expect(",")
        value = self.value()
        self._skip_to_parenthesis()
        return value

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NoSenseError

    def _take(self, *texts: str) -> bool:
        if self._token.kind == "text" or self._token.text.lower() not in texts:
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        token, self._token = self._token, next(self._tokens, _END)
        return token


def _scan(source: str, at: int) -> Iterator[_Token]:
    for _ in range(MAX_TOKENS):
        found = _TOKEN.match(source, at)
        if found is None or found.lastgroup == "end":
            return
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind])
        at = found.end()


def _unquoted(text: str) -> str:
    if text.startswith("$$"):
        return text[2:-2]
    text = text.lstrip("nNeEqQ")
    inner = text[1:-1] if len(text) > 1 and text[-1] == text[0] else text[1:]
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]) if found[1] else found[0][0], inner)


def _bounded(value: Value) -> Value:
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    if isinstance(value, int) and abs(value) > 2 * _MAX_NUMBER:
        return float(value) if value.bit_length() < 1_000 else None
    return value


def _compared(holds: Callable[[float, float], bool]) -> Callable[[Value, Value], Value]:
    return lambda left, right: (
        None if left is None or right is None else int(holds(number_of(left), number_of(right)))
    )


def _equal(left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return int(left.lower() == right.lower())  # MySQL's default collation
    return int(number_of(left) == number_of(right))


def _unequal(left: Value, right: Value) -> Value:
    same = _equal(left, right)
    return None if same is None else int(not same)


def _reckoned(compute: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    def on(left: Value, right: Value) -> Value:
        if left is None or right is None:
            return None
        try:
            return compute(number_of(left), number_of(right))
        except ArithmeticError:
            return None

    return on


def _modulo(left: float, right: float) -> float:
    """The sign is the dividend's."""
    result = math.fmod(left, right)
    return int(result) if result.is_integer() else result


def _joined(left: Value, right: Value) -> Value:
    """``||`` joins texts, everywhere but in MySQL, where it is ``OR``."""
    if isinstance(left, int | float) and isinstance(right, int | float):
        return int(bool(left or right))
    return text_of(left) + text_of(right)


def _added(left: Value, right: Value) -> Value:
    """Microsoft's ``+`` joins texts."""
    if isinstance(left, str) and isinstance(right, str) and not (left.isdigit() and right.isdigit()):
        return left + right
    return _reckoned(operator.add)(left, right)


def _like(left: Value, right: Value) -> Value:
    pattern = re.escape(text_of(right)[:256].lower()).replace("%", ".*").replace("_", ".")
    return int(re.fullmatch(pattern, text_of(left)[:1_024].lower(), re.DOTALL) is not None)


_LEVELS: Final[tuple[dict[str, Callable[[Value, Value], Value]], ...]] = (
    {
        "or": lambda left, right: int(bool(number_of(left) or number_of(right))),
        "xor": lambda left, right: int(bool(number_of(left)) != bool(number_of(right))),
    },
    {
        "and": lambda left, right: int(bool(number_of(left) and number_of(right))),
        "&&": lambda left, right: int(bool(number_of(left) and number_of(right))),
    },
    {
        "=": _equal,
        "<=>": _equal,
        "!=": _unequal,
        "<>": _unequal,
        "<": _compared(operator.lt),
        ">": _compared(operator.gt),
        "<=": _compared(operator.le),
        ">=": _compared(operator.ge),
        "like": _like,
        "rlike": _like,
        "regexp": _like,
    },
    {"||": _joined},
    {"-": _reckoned(operator.sub), "+": _added},
    {
        "*": _reckoned(operator.mul),
        "/": _reckoned(operator.truediv),
        "%": _reckoned(_modulo),
        "div": _reckoned(operator.floordiv),
    },
)
