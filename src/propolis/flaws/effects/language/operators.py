"""Operators of template engines and expression languages, each engine's own arithmetic."""

from collections.abc import Callable
from typing import Final, TypeAlias

from propolis.flaws.effects.language.values import MAX_TEXT, Engine, NoSenseError, Thing, number_of, shown


def power(base: float, exponent: float) -> Thing:
    """``base`` to the power of ``exponent``, within bounds. Raises :class:`NoSenseError`."""
    if not -64 <= exponent <= 1_024 or abs(base) > 1e12:
        raise NoSenseError
    if base < 0 and not isinstance(exponent, int):
        raise NoSenseError
    return float(base**exponent) if isinstance(base, float) or exponent < 0 else int(base**exponent)


def _add(left: Thing, right: Thing, engine: Engine) -> Thing:
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    if isinstance(left, str) or isinstance(right, str):
        if engine == "php":
            return number_of(left) + number_of(right)
        return shown(left, engine) + shown(right, engine)
    return number_of(left) + number_of(right)


def multiply(left: Thing, right: Thing, engine: Engine) -> Thing:
    """A product; in Python and Ruby a text is repeated."""
    repeats = engine in {"python", "ruby"}
    for text, count in ((left, right), (right, left)):
        if repeats and isinstance(text, str) and isinstance(count, int):
            return text * max(0, min(count, MAX_TEXT // max(1, len(text))))
    return number_of(left) * number_of(right)


def _divide(left: Thing, right: Thing, engine: Engine) -> Thing:
    one, other = number_of(left), number_of(right)
    if engine in {"java", "ruby"} and isinstance(one, int) and isinstance(other, int):
        return one // other
    if engine == "php" and isinstance(one, int) and isinstance(other, int) and one % other == 0:
        return one // other
    return one / other


def _modulo(left: Thing, right: Thing, engine: Engine) -> Thing:
    if isinstance(left, str):
        return left.replace("%s", shown(right, engine), 1).replace("%d", shown(right, engine), 1)
    return number_of(left) % number_of(right)


def _join(left: Thing, right: Thing, engine: Engine) -> Thing:
    return shown(left, engine) + shown(right, engine)


def _compared(holds: Callable[[float, float], bool]) -> "Operator":
    return lambda left, right, _: int(holds(number_of(left), number_of(right)))


Operator: TypeAlias = Callable[[Thing, Thing, Engine], Thing]
LEVELS: Final[tuple[dict[str, Operator], ...]] = (
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
    {"+": _add, "-": lambda left, right, _: number_of(left) - number_of(right)},
    {
        "*": multiply,
        "/": _divide,
        "//": lambda left, right, _: number_of(left) // number_of(right),
        "%": _modulo,
        "div": _divide,
        "mod": _modulo,
    },
)
