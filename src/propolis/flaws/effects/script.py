"""A small language that template engines and expression languages have in common: numbers, texts, lists, methods.

As much of Jinja2, Twig, FreeMarker, Velocity, SpEL, OGNL, EL and ERB as proofs of evaluation need. What is no value
(classes, services, the request) is an object about which nothing is known. Steps, depth and sizes are bounded, and
nothing of the interpreter underneath can be reached.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

MAX_CHARS = 4_096
MAX_STEPS = 2_000
MAX_DEPTH = 24
MAX_TEXT = 65_536
MAX_ITEMS = 1_000
MAX_BITS = 4_096

Engine: TypeAlias = Literal["python", "php", "java", "ruby"]
"""Whose arithmetic it is: ``'7' * 7`` is 7777777, 49, 49 and 7777777; ``7 / 2`` is 3.5, 3.5, 3 and 3."""


class Opaque(msgspec.Struct, frozen=True):
    """Something that is no plain value, by the name it was reached with."""

    name: str


Thing: TypeAlias = "int | float | str | list[Thing] | Opaque | None"


class NoSenseError(Exception):
    """Not an expression that has a value here."""


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][0-9a-fA-F]{1,64}|\d{1,200}(?:\.\d{1,40})?)[LlFfDd]?(?![A-Za-z0-9_])
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>[$@\#]?[A-Za-z_]\w*)
    | (?P<operator>\*\*|//|==|!=|<=|>=|&&|\|\||<<|>>|\?\.|\?:|::|[-+*/%~^<>=!?:.,|()\[\]{};@\#&$])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_WORDS: Final[dict[str, Thing]] = {
    "true": 1, "false": 0, "True": 1, "False": 0, "null": None, "None": None, "nil": None, "none": None
}  # fmt: skip
_SAYS = frozenset(
    {"echo", "format", "print", "println", "puts", "raw", "render", "write", "writeln", "valueOf", "String"}
)


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str


_END = _Token("end", "")


def evaluate(source: str, engine: Engine, variables: dict[str, Thing]) -> Thing:
    """The value of an expression, or of the last of several; assignments go into ``variables``.

    Raises :class:`NoSenseError`, and nothing else.
    """
    parser = _Parser(source[:MAX_CHARS], engine, variables)
    try:
        return parser.program()
    except (ArithmeticError, ValueError, IndexError, TypeError) as error:
        raise NoSenseError from error


def shown(value: Thing, engine: Engine) -> str:
    """A value as the engine prints it."""
    match value:
        case None:
            return "None" if engine == "python" else ""
        case str():
            return value
        case float() if value.is_integer() and engine != "python":
            return str(int(value)) if engine == "php" else str(value)
        case list():
            return "[" + ", ".join(shown(item, engine) for item in value[:MAX_ITEMS])[:MAX_TEXT] + "]"
        case Opaque():
            return value.name
        case _:
            return str(value)


class _Parser:
    """Evaluates while it reads; every step is counted."""

    def __init__(self, source: str, engine: Engine, variables: dict[str, Thing]) -> None:
        self._tokens = _scan(source)
        self._engine = engine
        self._variables = variables
        self._steps = MAX_STEPS
        self._depth = 0
        self._token = next(self._tokens, _END)
        self._next_token = next(self._tokens, _END)

    def program(self) -> Thing:
        """Expressions apart by ``,`` or ``;``: the last counts."""
        value = self._whole()
        while self._take(";", ","):
            if self._token.kind == "end":
                break
            value = self._whole()
        if self._token.kind != "end":
            raise NoSenseError
        return value

    def _whole(self) -> Thing:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        if self._token.kind == "name" and self._next_token.text == "=":
            name = self._next().text.lstrip("#$@")
            self._next()
            value = self._whole()
            if len(self._variables) < MAX_ITEMS:
                self._variables[name] = value
        else:
            value = self._choice(self._binary(0))
        self._depth -= 1
        return value

    def _choice(self, condition: Thing) -> Thing:
        if self._take("?:"):
            other = self._whole()
            return condition or other
        if not self._take("?"):
            return condition
        then = self._whole()
        if not self._take(":"):
            raise NoSenseError
        other = self._whole()
        return then if condition else other

    def _binary(self, level: int) -> Thing:
        if level == len(_LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while self._token.kind in {"operator", "name"} and (compute := _LEVELS[level].get(self._token.text)):
            self._next()
            value = _bounded(compute(value, self._binary(level + 1), self._engine))
        return value

    def _unary(self) -> Thing:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoSenseError
        if self._take("-"):
            value: Thing = -_number(self._unary())
        elif self._take("+"):
            value = self._unary()
        elif self._take("!", "not"):
            value = int(not self._unary())
        else:
            value = self._postfix(self._operand())
            if self._take("**"):
                power = _number(self._unary())
                value = _bounded(_power(_number(value), power))
        self._depth -= 1
        return value

    def _postfix(self, value: Thing) -> Thing:
        """Members, calls, indices and filters."""
        while True:
            if (
                self._take(".", "?.", "::", "@")
                or self._take("|")
                or (self._take("?") if self._is_builtin() else False)
            ):
                value = self._member(value, self._name())
            elif self._take("["):
                value = _item(value, self._whole())
                self._expect("]")
            elif self._token.text == "(" and isinstance(value, Opaque):
                value = _called(value.name, self._arguments())
            else:
                return value

    def _is_builtin(self) -> bool:
        """FreeMarker's ``text?upper_case``."""
        return self._token.text == "?" and self._next_token.text in _METHODS

    def _member(self, value: Thing, name: str) -> Thing:
        arguments = self._arguments() if self._token.text == "(" else []
        if isinstance(value, Opaque):
            return _called(name, arguments) if name in _FUNCTIONS or name in _SAYS else Opaque(name)
        method = _METHODS.get(name)
        if method is None:
            return Opaque(name)
        return _bounded(method(value, arguments))

    def _operand(self) -> Thing:
        token = self._next()
        match token.kind:
            case "number":
                if token.text[:2].lower() == "0x":
                    return int(token.text, 16)
                return float(token.text) if "." in token.text else int(token.text)
            case "text":
                return _unquoted(token.text)
            case "name":
                return self._named(token.text)
        if token.text == "(":
            value = self._whole()
            while self._take(","):
                value = self._whole()
            self._expect(")")
            return value
        if token.text in {"[", "{"}:
            return self._items("]" if token.text == "[" else "}")
        raise NoSenseError

    def _named(self, name: str) -> Thing:
        if name in _WORDS:
            return _WORDS[name]
        if name == "new":
            return self._operand()
        bare = name.lstrip("#$@")
        if bare in self._variables:
            return self._variables[bare]
        if self._token.text == "(":
            return _called(bare, self._arguments())
        if bare in _SAYS and self._token.kind in {"text", "number"}:
            return self._whole()
        return Opaque(bare)

    def _items(self, end: str) -> Thing:
        items: list[Thing] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._whole())
            if len(items) > MAX_ITEMS:
                raise NoSenseError
        return items

    def _arguments(self) -> list[Thing]:
        self._expect("(")
        items = self._items(")")
        return items if isinstance(items, list) else []

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise NoSenseError
        return token.text

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NoSenseError

    def _take(self, *texts: str) -> bool:
        if self._token.text not in texts or self._token.kind == "text":
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        self._steps -= 1
        if self._steps < 0:
            raise NoSenseError
        token = self._token
        self._token, self._next_token = self._next_token, next(self._tokens, _END)
        return token


def _scan(source: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(source, at):
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind])
        at = found.end()
    if source[at:].strip():
        yield _Token("strange", source[at : at + 1])


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "ux" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape.isdigit() and escape.isascii():
        return chr(int(escape, 8) & 0xFF)
    return _ESCAPED.get(escape, escape)


def _number(value: Thing) -> int | float:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,200}\s*", value, re.ASCII):
        return int(value)
    raise NoSenseError


def _power(base: float, power: float) -> Thing:
    if not -64 <= power <= 1_024 or abs(base) > 1e12:
        raise NoSenseError
    if base < 0 and not isinstance(power, int):
        raise NoSenseError
    return float(base**power) if isinstance(base, float) or power < 0 else int(base**power)


def _bounded(value: Thing) -> Thing:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise NoSenseError
    return value[:MAX_ITEMS] if isinstance(value, list) else value


def _add(left: Thing, right: Thing, engine: Engine) -> Thing:
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    if isinstance(left, str) or isinstance(right, str):
        if engine == "php":
            return _number(left) + _number(right)
        return shown(left, engine) + shown(right, engine)
    return _number(left) + _number(right)


def _multiply(left: Thing, right: Thing, engine: Engine) -> Thing:
    repeats = engine in {"python", "ruby"}
    for text, count in ((left, right), (right, left)):
        if repeats and isinstance(text, str) and isinstance(count, int):
            return text * max(0, min(count, MAX_TEXT // max(1, len(text))))
    return _number(left) * _number(right)


def _divide(left: Thing, right: Thing, engine: Engine) -> Thing:
    one, other = _number(left), _number(right)
    if engine in {"java", "ruby"} and isinstance(one, int) and isinstance(other, int):
        return one // other
    if engine == "php" and isinstance(one, int) and isinstance(other, int) and one % other == 0:
        return one // other
    return one / other


def _modulo(left: Thing, right: Thing, engine: Engine) -> Thing:
    if isinstance(left, str):
        return left.replace("%s", shown(right, engine), 1).replace("%d", shown(right, engine), 1)
    return _number(left) % _number(right)


def _join(left: Thing, right: Thing, engine: Engine) -> Thing:
    return shown(left, engine) + shown(right, engine)


def _compared(holds: Callable[[float, float], bool]) -> "Operator":
    return lambda left, right, _: int(holds(_number(left), _number(right)))


Operator: TypeAlias = Callable[[Thing, Thing, Engine], Thing]
_LEVELS: Final[tuple[dict[str, Operator], ...]] = (
    {"||": lambda left, right, _: left or right, "or": lambda left, right, _: left or right},
    {"&&": lambda left, right, _: left and right, "and": lambda left, right, _: left and right},
    {
        "==": lambda left, right, _: int(left == right),
        "eq": lambda left, right, _: int(left == right),
        "!=": lambda left, right, _: int(left != right),
        "ne": lambda left, right, _: int(left != right),
        "<": _compared(lambda left, right: left < right),
        ">": _compared(lambda left, right: left > right),
        "<=": _compared(lambda left, right: left <= right),
        ">=": _compared(lambda left, right: left >= right),
        "lt": _compared(lambda left, right: left < right),
        "gt": _compared(lambda left, right: left > right),
    },
    {"~": _join},
    {"+": _add, "-": lambda left, right, _: _number(left) - _number(right)},
    {
        "*": _multiply,
        "/": _divide,
        "//": lambda left, right, _: _number(left) // _number(right),
        "%": _modulo,
        "div": _divide,
        "mod": _modulo,
    },
)


def _text(value: Thing) -> str:
    return value if isinstance(value, str) else shown(value, "java")


def _whole_number(values: list[Thing], place: int, default: int) -> int:
    value = values[place] if place < len(values) else default
    return value if isinstance(value, int) else default


def _replace(value: Thing, arguments: list[Thing]) -> Thing:
    old, new = _text(arguments[0]), _text(arguments[1])
    text = _text(value)
    if not old or len(text) + text.count(old) * len(new) > MAX_TEXT:
        return text
    return text.replace(old, new)


def _joined(value: Thing, arguments: list[Thing]) -> Thing:
    items = value if isinstance(value, list) else list(_text(value))
    if isinstance(value, str) and arguments and isinstance(arguments[0], list):
        return value.join(_text(item) for item in arguments[0])  # Python's way round
    return (_text(arguments[0]) if arguments else "").join(_text(item) for item in items)


def _item(value: Thing, place: Thing) -> Thing:
    if isinstance(value, str | list) and isinstance(place, int):
        return value[place]
    return Opaque(place if isinstance(place, str) else "")


def _reversed(value: Thing, _: list[Thing]) -> Thing:
    return value[::-1] if isinstance(value, str | list) else value


def _digest(name: str) -> Callable[[Thing, list[Thing]], Thing]:
    return lambda value, _: hashlib.new(
        name, _text(value).encode("utf-8", "replace"), usedforsecurity=False
    ).hexdigest()


def _same(value: Thing, _: list[Thing]) -> Thing:
    return value


_METHODS: MappingProxyType[str, Callable[[Thing, list[Thing]], Thing]] = MappingProxyType(
    {
        "abs": lambda value, _: abs(_number(value)),
        "capitalize": lambda value, _: _text(value).capitalize(),
        "charAt": lambda value, arguments: _text(value)[_whole_number(arguments, 0, 0)],
        "concat": lambda value, arguments: _text(value) + "".join(map(_text, arguments)),
        "count": lambda value, _: len(value) if isinstance(value, str | list) else 1,
        "downcase": lambda value, _: _text(value).lower(),
        "e": _same,
        "escape": _same,
        "first": lambda value, _: value[0] if isinstance(value, str | list) else value,
        "int": lambda value, _: _number(value),
        "intValue": lambda value, _: _number(value),
        "join": _joined,
        "last": lambda value, _: value[-1] if isinstance(value, str | list) else value,
        "length": lambda value, _: len(value) if isinstance(value, str | list) else 1,
        "lower": lambda value, _: _text(value).lower(),
        "lower_case": lambda value, _: _text(value).lower(),
        "md5": _digest("md5"),
        "raw": _same,
        "repeat": lambda value, arguments: _multiply(_text(value), _whole_number(arguments, 0, 1), "python"),
        "replace": _replace,
        "reverse": _reversed,
        "safe": _same,
        "sha1": _digest("sha1"),
        "size": lambda value, _: len(value) if isinstance(value, str | list) else 1,
        "string": lambda value, _: _text(value),
        "strip": lambda value, _: _text(value).strip(),
        "substring": lambda value, arguments: _text(value)[
            _whole_number(arguments, 0, 0) : _whole_number(arguments, 1, MAX_TEXT)
        ],
        "toLowerCase": lambda value, _: _text(value).lower(),
        "toString": lambda value, _: _text(value),
        "toUpperCase": lambda value, _: _text(value).upper(),
        "to_s": lambda value, _: _text(value),
        "trim": lambda value, _: _text(value).strip(),
        "upcase": lambda value, _: _text(value).upper(),
        "upper": lambda value, _: _text(value).upper(),
        "upper_case": lambda value, _: _text(value).upper(),
    }
)
"""Methods and filters of texts, lists and numbers."""


def _character(arguments: list[Thing]) -> Thing:
    code = arguments[0]
    return chr(code & 0xFF) if isinstance(code, int) else _text(code)


_FUNCTIONS: MappingProxyType[str, Callable[[list[Thing]], Thing]] = MappingProxyType(
    {
        "abs": lambda arguments: abs(_number(arguments[0])),
        "chr": _character,
        "concat": lambda arguments: "".join(map(_text, arguments)),
        "max": lambda arguments: max(_number(each) for each in arguments),
        "md5": lambda arguments: _digest("md5")(arguments[0], []),
        "min": lambda arguments: min(_number(each) for each in arguments),
        "pow": lambda arguments: _power(_number(arguments[0]), _number(arguments[1])),
        "sha1": lambda arguments: _digest("sha1")(arguments[0], []),
        "toChars": _character,
        "toHexString": lambda arguments: f"{int(_number(arguments[0])):x}",
        "toString": _character,
    }
)
"""Functions, and static methods whatever class they are asked of."""


def _called(name: str, arguments: list[Thing]) -> Thing:
    if name in _FUNCTIONS and arguments:
        return _bounded(_FUNCTIONS[name](arguments))
    if name in _SAYS and arguments:
        return arguments[0]
    return Opaque(name)
