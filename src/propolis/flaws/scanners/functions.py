"""What nuclei's helper functions give, over bytes; the random ones are draws, and are :mod:`.unknowns`' affair.

The names are those of the published helper list, in lower case and without underscores. Everything a template can ask
is bounded: a helper that would cost more raises :class:`NotComputedError` like one that is not known.
"""

import base64
import gzip
import hashlib
import hmac
import html
import json
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never

from propolis.flaws.scanners import dsl
from propolis.flaws.scanners.dsl import Braced, Call, Expr, Join, Literal, Name, Operation, Value
from propolis.flaws.scanners.regexes import searches

MAX_BYTES = 1_048_576
"""Of any text that a helper makes."""

Lookup = Callable[[str], Value | None]
Arguments = Sequence[Value]


class NotComputedError(ValueError):
    """A tree that has no value here: a name nobody knows, a helper we lack, arguments it does not take."""


def evaluate(expr: Expr, lookup: Lookup) -> Value:
    """What a tree is worth. ``lookup`` gives names their values. Raises :class:`NotComputedError`."""
    match expr:
        case Literal(value):
            return value
        case Name(name):
            known = lookup(name)
            if known is None:
                raise NotComputedError(f"nobody knows {name}")
            return known
        case Join(parts):
            return b"".join(text(evaluate(part, lookup)) for part in parts)
        case Operation(operator, operands):
            return _operate(operator, operands, lookup)
        case Braced(inner):
            return evaluate(inner, lookup)
        case Call(name, arguments):
            return call(name, [evaluate(argument, lookup) for argument in arguments])
        case _ as never:
            assert_never(never)


def render(expr: Expr, lookup: Lookup) -> bytes:
    """A tree as text; names nobody knows stay as they were written, which is what nuclei sends."""

    def known(name: str) -> Value:
        value = lookup(name)
        return f"{{{{{name}}}}}".encode() if value is None else value

    return text(evaluate(expr, known))


def call(name: str, arguments: Arguments) -> Value:
    """What a helper gives. Raises :class:`NotComputedError`."""
    function = FUNCTIONS.get(name)
    if function is None:
        raise NotComputedError(f"there is no helper {name}")
    try:
        result = function(arguments)
    except (ArithmeticError, IndexError, LookupError, TypeError, ValueError, zlib.error, OSError) as error:
        raise NotComputedError(f"{name}: {error}") from error
    if isinstance(result, bytes) and len(result) > MAX_BYTES:
        raise NotComputedError(f"{name} makes more than {MAX_BYTES} bytes")
    return result


def text(value: Value) -> bytes:
    """A value as Go prints it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode()


def number(value: Value) -> float:
    """A value to count with. Raises ``ValueError``."""
    if isinstance(value, bytes):
        stripped = value.strip()[:64]
        return int(stripped) if re.fullmatch(rb"[+-]?\d+", stripped) else float(stripped)
    return value


def _operate(operator: str, operands: tuple[Expr, ...], lookup: Lookup) -> Value:
    if operator == "&&":
        return all(truth(evaluate(one, lookup)) for one in operands)
    if operator == "||":
        return any(truth(evaluate(one, lookup)) for one in operands)
    if operator == "?:":
        return evaluate(operands[1] if truth(evaluate(operands[0], lookup)) else operands[2], lookup)
    values = [evaluate(one, lookup) for one in operands]
    try:
        return _OPERATORS[operator, len(values)](*values)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise NotComputedError(f"{operator}: {error}") from error


def truth(value: Value) -> bool:
    """Only what is a truth is one; text and numbers are no answer to a matcher."""
    if isinstance(value, bool):
        return value
    raise NotComputedError(f"{value!r} is neither true nor false")


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, bytes) or isinstance(right, bytes):
        return text(left) == text(right)
    return left == right


def _sum(left: Value, right: Value) -> Value:
    if isinstance(left, bytes) or isinstance(right, bytes):
        return text(left) + text(right)
    return left + right


def _power(base: Value, exponent: Value) -> Value:
    if abs(number(exponent)) > 64:
        raise ValueError("too large a power")
    return float(number(base) ** number(exponent))


_OPERATORS: Final[Mapping[tuple[str, int], Callable[..., Value]]] = {
    ("!", 1): lambda one: not truth(one),
    ("-", 1): lambda one: -number(one),
    ("==", 2): _same,
    ("!=", 2): lambda a, b: not _same(a, b),
    ("<", 2): lambda a, b: number(a) < number(b),
    (">", 2): lambda a, b: number(a) > number(b),
    ("<=", 2): lambda a, b: number(a) <= number(b),
    (">=", 2): lambda a, b: number(a) >= number(b),
    ("=~", 2): lambda a, b: searches(text(b), text(a)),
    ("!~", 2): lambda a, b: not searches(text(b), text(a)),
    ("+", 2): _sum,
    ("-", 2): lambda a, b: number(a) - number(b),
    ("*", 2): lambda a, b: number(a) * number(b),
    ("/", 2): lambda a, b: number(a) / number(b),
    ("%", 2): lambda a, b: number(a) % number(b),
    ("**", 2): _power,
}


def _padded(data: bytes) -> bytes:
    return data + b"=" * (-len(data) % 4)


def _base64_decode(data: bytes) -> bytes:
    return base64.b64decode(_padded(data.translate(bytes.maketrans(b"-_", b"+/"))))


def _digest(name: str) -> Callable[[Arguments], Value]:
    return lambda a: hashlib.new(name, text(a[0]), usedforsecurity=False).hexdigest().encode()


def _hmac(a: Arguments) -> Value:
    return hmac.new(text(a[2]), text(a[1]), text(a[0]).decode()).hexdigest().encode()


def _repeat(a: Arguments) -> Value:
    times = int(number(a[1]))
    if times * len(text(a[0])) > MAX_BYTES:
        raise ValueError("too long")
    return text(a[0]) * times


def _url_encode(a: Arguments) -> Value:
    return urllib.parse.quote_plus(text(a[0])).encode()


def _mmh3(data: bytes) -> int:
    """MurmurHash3, 32 bits, as a signed number: what favicons are known by."""
    h = 0
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = _scramble(int.from_bytes(data[at : at + 4], "little"))
        h ^= k
        h = (((h << 13 | h >> 19) & 0xFFFFFFFF) * 5 + 0xE6546B64) & 0xFFFFFFFF
    h ^= _scramble(int.from_bytes(data[whole:], "little")) ^ len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    h ^= h >> 16
    return h - (1 << 32) if h >> 31 else h


def _scramble(k: int) -> int:
    k = k * 0xCC9E2D51 & 0xFFFFFFFF
    return (k << 15 | k >> 17) * 0x1B873593 & 0xFFFFFFFF


_JWT_HASHES: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def _generate_jwt(a: Arguments) -> Value:
    """JSON Web Token (RFC 7519) over claims; without a known algorithm it is not signed."""
    algorithm = text(a[1]).decode() if len(a) > 1 and a[1] else "none"
    head = json.dumps({"alg": algorithm, "typ": "JWT"}, separators=(",", ":")).encode()
    claims = json.dumps(json.loads(text(a[0])), separators=(",", ":")).encode()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, claims))
    name = _JWT_HASHES.get(algorithm.upper())
    tag = hmac.digest(text(a[2]) if len(a) > 2 else b"", signed, name) if name else b""
    return signed + b"." + base64.urlsafe_b64encode(tag).rstrip(b"=")


_DATE: Final = {"Y": "%Y", "M": "%m", "D": "%d", "H": "%H", "m": "%M", "S": "%S"}


def date_format(pattern: str) -> str:
    """A ``strftime`` format for nuclei's ``%Y-%M-%D`` notation."""
    return re.sub(r"%([YMDHmS])", lambda found: _DATE[found[1]], pattern)


def compare_versions(version: str, constraints: Sequence[str]) -> bool:
    """Whether a version keeps all constraints such as ``>= 1.2`` or ``< 2.0, != 1.9``."""
    for constraint in (one for joined in constraints for one in joined.split(",")):
        found = re.fullmatch(r"\s*(>=|<=|!=|==|=|>|<|~|\^)?\s*v?([\w.+-]+)\s*", constraint)
        if found is None:
            raise ValueError(f"{constraint!r} constrains no version")
        order = _order(version, found[2])
        holds = {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "!=": order != 0}
        if not holds.get(found[1] or "=", order == 0 if (found[1] or "=") in {"=", "=="} else order >= 0):
            return False
    return True


def _order(one: str, other: str) -> int:
    a, b = ([int(part[:18]) for part in re.findall(r"\d+", version)][:16] for version in (one, other))
    width = max(len(a), len(b))
    a, b = a + [0] * (width - len(a)), b + [0] * (width - len(b))
    return (a > b) - (a < b)


def _replace_regex(a: Arguments) -> Value:
    return re.sub(text(a[1]), text(a[2]).replace(b"\\", rb"\\"), text(a[0])[:65_536])


def _substr(a: Arguments) -> Value:
    end = int(number(a[2])) if len(a) > 2 else None
    return text(a[0])[int(number(a[1])) : end]


def _to_unix_time(a: Arguments) -> Value:
    return int(number(a[0]))


def _gzip(a: Arguments) -> Value:
    return gzip.compress(text(a[0]), mtime=0)


def _index(a: Arguments) -> Value:
    return text(a[0])[int(number(a[1])) :][:1]


def _contains_any(a: Arguments) -> Value:
    return any(text(one) in text(a[0]) for one in a[1:])


def _contains_all(a: Arguments) -> Value:
    return all(text(one) in text(a[0]) for one in a[1:])


FUNCTIONS: Final[Mapping[str, Callable[[Arguments], Value]]] = {
    "base64": lambda a: base64.b64encode(text(a[0])),
    "base64decode": lambda a: _base64_decode(text(a[0])),
    "base64py": lambda a: base64.encodebytes(text(a[0])),
    "compareversions": lambda a: compare_versions(text(a[0]).decode(), [text(one).decode() for one in a[1:]]),
    "concat": lambda a: b"".join(text(one) for one in a),
    "contains": lambda a: text(a[1]) in text(a[0]),
    "containsall": _contains_all,
    "containsany": _contains_any,
    "dectohex": lambda a: b"%x" % int(number(a[0])),
    "endswith": lambda a: text(a[0]).endswith(tuple(text(one) for one in a[1:])),
    "equalsany": lambda a: any(text(a[0]) == text(one) for one in a[1:]),
    "generatejwt": _generate_jwt,
    "gzip": _gzip,
    "gzipdecode": lambda a: zlib.decompressobj(31).decompress(text(a[0]), MAX_BYTES),
    "hexdecode": lambda a: bytes.fromhex(text(a[0]).decode()),
    "hexencode": lambda a: text(a[0]).hex().encode(),
    "hextodec": lambda a: int(text(a[0]), 16),
    "hmac": _hmac,
    "htmlescape": lambda a: html.escape(text(a[0]).decode("latin-1")).encode("latin-1"),
    "htmlunescape": lambda a: html.unescape(text(a[0]).decode("latin-1")).encode(),
    "index": _index,
    "join": lambda a: text(a[0]).join(text(one) for one in a[1:]),
    "jsonminify": lambda a: json.dumps(json.loads(text(a[0])), separators=(",", ":")).encode(),
    "jsonprettify": lambda a: json.dumps(json.loads(text(a[0])), indent=4).encode(),
    "len": lambda a: len(text(a[0])),
    "md5": _digest("md5"),
    "mmh3": lambda a: _mmh3(text(a[0])),
    "padding": lambda a: (text(a[0]) + text(a[1]) * int(number(a[2])))[: int(number(a[2]))],
    "regex": lambda a: searches(text(a[0]), text(a[1])),
    "regexall": lambda a: all(searches(text(a[0]), text(one)) for one in a[1:]),
    "regexany": lambda a: any(searches(text(a[0]), text(one)) for one in a[1:]),
    "removebadchars": lambda a: text(a[0]).translate(None, text(a[1])),
    "repeat": _repeat,
    "replace": lambda a: text(a[0]).replace(text(a[1]), text(a[2])),
    "replaceregex": _replace_regex,
    "reverse": lambda a: text(a[0])[::-1],
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
    "startswith": lambda a: text(a[0]).startswith(tuple(text(one) for one in a[1:])),
    "substr": _substr,
    "tolower": lambda a: text(a[0]).lower(),
    "tonumber": lambda a: number(a[0]),
    "tostring": lambda a: text(a[0]),
    "totitle": lambda a: text(a[0]).title(),
    "tounixtime": _to_unix_time,
    "toupper": lambda a: text(a[0]).upper(),
    "trim": lambda a: text(a[0]).strip(text(a[1])),
    "trimleft": lambda a: text(a[0]).lstrip(text(a[1])),
    "trimprefix": lambda a: text(a[0]).removeprefix(text(a[1])),
    "trimright": lambda a: text(a[0]).rstrip(text(a[1])),
    "trimspace": lambda a: text(a[0]).strip(),
    "trimsuffix": lambda a: text(a[0]).removesuffix(text(a[1])),
    "urldecode": lambda a: urllib.parse.unquote_to_bytes(text(a[0]).replace(b"+", b" ")),
    "urlencode": _url_encode,
    "waitfor": lambda _: True,
    "zlib": lambda a: zlib.compress(text(a[0])),
    "zlibdecode": lambda a: zlib.decompressobj().decompress(text(a[0]), MAX_BYTES),
}
"""Every helper that computes; see ``docs.projectdiscovery.io``, *Helper functions*."""

INVERSES: Final[Mapping[str, str]] = {
    "base64": "base64_decode",
    "base64py": "base64_decode",
    "hexencode": "hex_decode",
    "urlencode": "url_decode",
    "htmlescape": "html_unescape",
    "reverse": "reverse",
}
"""Helpers that can be undone, with the answer language's function that does it."""


def date_text(pattern: str, now: int) -> bytes:
    """A moment (Unix seconds) in nuclei's date notation, UTC."""
    return time.strftime(date_format(pattern), time.gmtime(now)).encode()


def is_known(expr: Expr) -> bool:
    """Whether every helper of a tree is one that computes."""
    return all(name in FUNCTIONS for name in dsl.calls(expr))
