"""Methods, filters and functions of template engines and expression languages."""

import hashlib
from collections.abc import Callable
from types import MappingProxyType

from propolis.flaws.effects.language.operators import multiply, power
from propolis.flaws.effects.language.values import MAX_TEXT, Opaque, Thing, bounded, number_of, shown

SAYS = frozenset(
    {"echo", "format", "print", "println", "puts", "raw", "render", "write", "writeln", "valueOf", "String"}
)
"""What gives its argument."""


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


def item_of(value: Thing, place: Thing) -> Thing:
    """An element of a text or a list; of anything else nothing is known. Raises ``IndexError``."""
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


METHODS: MappingProxyType[str, Callable[[Thing, list[Thing]], Thing]] = MappingProxyType(
    {
        "abs": lambda value, _: abs(number_of(value)),
        "capitalize": lambda value, _: _text(value).capitalize(),
        "charAt": lambda value, arguments: _text(value)[_whole_number(arguments, 0, 0)],
        "concat": lambda value, arguments: _text(value) + "".join(map(_text, arguments)),
        "count": lambda value, _: len(value) if isinstance(value, str | list) else 1,
        "downcase": lambda value, _: _text(value).lower(),
        "e": _same,
        "escape": _same,
        "first": lambda value, _: value[0] if isinstance(value, str | list) else value,
        "int": lambda value, _: number_of(value),
        "intValue": lambda value, _: number_of(value),
        "join": _joined,
        "last": lambda value, _: value[-1] if isinstance(value, str | list) else value,
        "length": lambda value, _: len(value) if isinstance(value, str | list) else 1,
        "lower": lambda value, _: _text(value).lower(),
        "lower_case": lambda value, _: _text(value).lower(),
        "md5": _digest("md5"),
        "raw": _same,
        "repeat": lambda value, arguments: multiply(_text(value), _whole_number(arguments, 0, 1), "python"),
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


FUNCTIONS: MappingProxyType[str, Callable[[list[Thing]], Thing]] = MappingProxyType(
    {
        "abs": lambda arguments: abs(number_of(arguments[0])),
        "chr": _character,
        "concat": lambda arguments: "".join(map(_text, arguments)),
        "max": lambda arguments: max(number_of(each) for each in arguments),
        "md5": lambda arguments: _digest("md5")(arguments[0], []),
        "min": lambda arguments: min(number_of(each) for each in arguments),
        "pow": lambda arguments: power(number_of(arguments[0]), number_of(arguments[1])),
        "sha1": lambda arguments: _digest("sha1")(arguments[0], []),
        "toChars": _character,
        "toHexString": lambda arguments: f"{int(number_of(arguments[0])):x}",
        "toString": _character,
    }
)
"""Functions, and static methods whatever class they are asked of."""


def called(name: str, arguments: list[Thing]) -> Thing:
    """A function by its name, whatever it was asked of; one that nobody knows gives an opaque thing."""
    if name in FUNCTIONS and arguments:
        return bounded(FUNCTIONS[name](arguments))
    if name in SAYS and arguments:
        return arguments[0]
    return Opaque(name)
