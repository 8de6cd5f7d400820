"""A key of a condition, ``field|transform|comparison``: what is compared, after what, and how."""

import binascii
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from propolis.errors import PropolisError
from propolis.flaws.request import PLAIN, Request, is_field
from propolis.flaws.unwrap import unquote

Compare: TypeAlias = Callable[[bytes, bytes], bool]

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class ConditionError(PropolisError):
    """A condition that cannot be used: its key, and the cure."""

    def __init__(self, key: str, cure: str) -> None:
        self.key = key
        self.cure = cure
        super().__init__(f"{key}: {cure}" if key else cure)


def _unbase64(data: bytes) -> bytes:
    """Base64 of either alphabet (RFC 4648, 4 and 5), padded or not; empty for what is none."""
    data = data.strip().translate(_URL_SAFE).rstrip(b"=")
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return b""


TRANSFORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "base64decode": _unbase64,
    "length": lambda data: b"%d" % len(data),
    "lower": bytes.lower,
    "trim": bytes.strip,
    "urldecode": unquote,
}
"""What is done to a field before it is compared, in the order of the key."""

COMPARISONS: Mapping[str, Compare] = {
    "": lambda held, value: held == value,
    "contains": lambda held, value: value in held,
    "startswith": lambda held, value: held.startswith(value),
    "endswith": lambda held, value: held.endswith(value),
}
"""With a value as bytes; without a modifier the field equals it."""

ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda held, value: held > value,
    "gte": lambda held, value: held >= value,
    "lt": lambda held, value: held < value,
    "lte": lambda held, value: held <= value,
}
"""With a number; a field that is none does not match."""

NUMBER = re.compile(rb"-?\d{1,18}(?:\.\d{1,9})?")
"""What is compared as a number."""

_HOWS = frozenset({*COMPARISONS, *ORDERS, "re", "exists"} - {""})


class Key(msgspec.Struct, frozen=True):
    """A key taken apart; ``text`` is the whole of it."""

    text: str
    field: str
    transforms: tuple[str, ...]
    how: str
    is_every: bool
    is_caseless: bool

    def reader(self, *, fold: bool = True) -> Callable[[Request], bytes | None]:
        """The field of a request after its transforms; in lower case if the comparison is caseless and ``fold``."""
        field = self.field
        names = [*self.transforms, *(("lower",) if self.is_caseless and fold else ())]
        steps = [TRANSFORMS[name] for name in names]
        if not steps:
            return lambda request: request[field]

        def read(request: Request) -> bytes | None:
            held = request[field]
            if held is not None:
                for step in steps:
                    held = step(held)
            return held

        return read


def parse_key(text: str) -> Key:
    """The key that a text is. Raises :class:`ConditionError`."""
    field, *modifiers = text.split("|")
    transforms: list[str] = []
    how = ""
    flags = set()
    for modifier in modifiers:
        if modifier in TRANSFORMS and not how:
            transforms.append(modifier)
        elif modifier in {"all", "nocase"}:
            flags.add(modifier)
        elif modifier in _HOWS and not how:
            how = modifier
        elif modifier in TRANSFORMS or modifier in _HOWS:
            raise ConditionError(text, f"{modifier!r} cannot stand after {how!r}; keep one comparison, last")
        else:
            known = sorted({*TRANSFORMS, *_HOWS, "all", "nocase"})
            raise ConditionError(text, f"there is no modifier {modifier!r}; choose of {', '.join(known)}")
    if not is_field(field):
        raise ConditionError(
            text,
            f"there is no field {field!r}; choose of {', '.join(sorted(PLAIN))} or one such as query.NAME",
        )
    return Key(text, field, tuple(transforms), how, "all" in flags, "nocase" in flags)
