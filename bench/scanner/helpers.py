"""The helpers that expressions of scanner templates may call.

:func:`helpers` gives the table for one run: its randomness and its clock are the caller's. Text goes in and out
bytewise (:mod:`bench.scanner.text`); a wrong argument raises, which the evaluator turns into a fault.
"""

import base64
import binascii
import gzip
import hashlib
import hmac
import html
import io
import json
import math
import random
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import quote_plus, unquote_to_bytes

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.scanner import gadget
from bench.scanner.expression import Helper
from bench.scanner.text import Value, encoded, found, is_found, pattern, shown

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NUMBERS: Final = "1234567890"
MAX_REPEATED_BYTES: Final = 10_000_000
MAX_INFLATED_BYTES: Final = 10 << 20


def helpers(
    random_source: random.Random,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Helper]:
    """Every helper by name; each is also known without its underscores, as templates write both."""
    table: dict[str, Helper] = {**_TEXT, **_HASHES, **_CODECS, **_TESTS, **_NUMBERS}
    table.update(_random_helpers(random_source))
    table.update(_time_helpers(now, wait))
    table["aes_gcm"] = lambda key, text: _aes_gcm(random_source, shown(key), shown(text))
    return {**table, **{name.replace("_", ""): helper for name, helper in table.items()}}


def _whole(value: Value) -> int:
    return int(float(shown(value)))


def _decoded(data: bytes) -> str:
    return data.decode("latin-1")


def _index(value: Value, position: Value) -> Value:
    place = _whole(position)
    if place < 0:
        raise IndexError("negative")
    return value[place] if isinstance(value, list) else shown(value)[place]


def _sorted(*values: Value) -> Value:
    if len(values) == 1:
        return "".join(sorted(shown(values[0])))
    return [*sorted(map(shown, values))]


def _unique(*values: Value) -> Value:
    if len(values) == 1:
        return "".join(dict.fromkeys(shown(values[0])))
    return list(dict.fromkeys(map(shown, values)))


def _repeat(text: Value, count: Value) -> str:
    piece, times = shown(text), _whole(count)
    if len(piece) * times > MAX_REPEATED_BYTES:
        raise ValueError("too long")
    return piece * times


def _replace_regex(text: Value, expression: Value, replacement: Value) -> str:
    template = re.sub(r"\$\{?(\w+)\}?", r"\\\1", shown(replacement))
    return _decoded(pattern(shown(expression)).sub(encoded(template), encoded(shown(text))))


def _split(text: Value, separator: Value, count: Value = None) -> Value:
    whole = shown(text)
    if count is not None:
        return list(whole.split(shown(separator), max(_whole(count) - 1, 0)))
    if shown(separator).isdigit():
        size = _whole(separator) or len(whole) or 1
        return [whole[start : start + size] for start in range(0, len(whole), size)]
    return list(whole.split(shown(separator)))


def _join(separator: Value, *elements: Value) -> str:
    pieces = elements[0] if len(elements) == 1 and isinstance(elements[0], list) else elements
    return shown(separator).join(map(shown, pieces))


def _substr(text: Value, start: Value, end: Value = None) -> str:
    whole, begin = shown(text), _whole(start)
    stop = len(whole) if end is None else _whole(end)
    if not whole or not 0 <= begin <= stop <= len(whole):
        raise ValueError("outside the text")
    return whole[begin:stop]


def _padding(text: Value, filler: Value, length: Value, mode: Value) -> str:
    whole, pad = shown(text), shown(filler)
    missing = _whole(length) - len(whole)
    if missing <= 0:
        return whole
    if not pad or missing > MAX_REPEATED_BYTES:
        raise ValueError("cannot pad")
    filling = (pad * (missing // len(pad) + 1))[:missing]
    return filling + whole if mode == "prefix" else whole + filling


def _zip(*parts: Value) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zip(parts[::2], parts[1::2], strict=True):
            archive.writestr(zipfile.ZipInfo(shown(name)), encoded(shown(content)))
    return _decoded(buffer.getvalue())


def _removed(text: Value, characters: Value) -> str:
    return "".join(c for c in shown(text) if c not in shown(characters))


_TEXT: Final[dict[str, Helper]] = {
    "index": _index,
    "len": lambda value: float(len(value) if isinstance(value, list | dict) else len(shown(value))),
    "to_upper": lambda text: shown(text).upper(),
    "to_lower": lambda text: shown(text).lower(),
    "to_title": lambda text, _language=None: shown(text).title(),
    "sort": _sorted,
    "uniq": _unique,
    "repeat": _repeat,
    "replace": lambda text, old, new: shown(text).replace(shown(old), shown(new)),
    "replace_regex": _replace_regex,
    "trim": lambda text, characters: shown(text).strip(shown(characters)),
    "trim_left": lambda text, characters: shown(text).lstrip(shown(characters)),
    "trim_right": lambda text, characters: shown(text).rstrip(shown(characters)),
    "trim_space": lambda text: shown(text).strip(" \t\n\v\f\r"),
    "trim_prefix": lambda text, prefix: shown(text).removeprefix(shown(prefix)),
    "trim_suffix": lambda text, suffix: shown(text).removesuffix(shown(suffix)),
    "reverse": lambda text: shown(text)[::-1],
    "concat": lambda *parts: "".join(map(shown, parts)),
    "split": _split,
    "join": _join,
    "substr": _substr,
    "padding": _padding,
    "remove_bad_chars": _removed,
    "to_string": shown,
    "count": lambda text, part: float(shown(text).count(shown(part))),
    "zip": _zip,
    "print_debug": lambda *_: True,
}


def _digest(name: str) -> Helper:
    return lambda text: hashlib.new(name, encoded(shown(text))).hexdigest()


def _hmac(algorithm: Value, text: Value, secret: Value) -> str:
    name = shown(algorithm).replace("-", "")
    return hmac.new(encoded(shown(secret)), encoded(shown(text)), name).hexdigest()


def murmur3(data: bytes) -> int:
    """MurmurHash3, 32 bits, seed 0, as a signed number (Appleby, public domain)."""
    value = 0
    whole = len(data) // 4 * 4
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        value ^= _scrambled(block)
        value = ((value << 13 | value >> 19) * 5 + 0xE6546B64) & 0xFFFFFFFF
    if tail := data[whole:]:
        value ^= _scrambled(int.from_bytes(tail, "little"))
    value ^= len(data)
    value = ((value ^ value >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    value = ((value ^ value >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    value ^= value >> 16
    return value - (1 << 32) if value >> 31 else value


def _scrambled(block: int) -> int:
    block = block * 0xCC9E2D51 & 0xFFFFFFFF
    return (block << 15 | block >> 17) * 0x1B873593 & 0xFFFFFFFF


_HASHES: Final[dict[str, Helper]] = {
    **{name: _digest(name) for name in ("md5", "sha1", "sha256", "sha512")},
    "hmac": _hmac,
    "mmh3": lambda text: str(murmur3(encoded(shown(text)))),
}


def _base64_py(text: Value) -> str:
    return _decoded(base64.encodebytes(encoded(shown(text))))


def _base64_decode(text: Value) -> str:
    return _decoded(base64.b64decode(encoded(shown(text)), validate=True))


def _inflated(window_bits: int) -> Helper:
    def inflate(text: Value) -> str:
        return _decoded(zlib.decompressobj(window_bits).decompress(encoded(shown(text)), MAX_INFLATED_BYTES))

    return inflate


def _deflated(text: Value) -> str:
    maker = zlib.compressobj(wbits=-15)
    return _decoded(maker.compress(encoded(shown(text))) + maker.flush())


def _jwt(text: Value, algorithm: Value = "", secret: Value = "", max_age: Value = None) -> str:
    claims: dict[str, Any] = json.loads(encoded(shown(text)))
    name = shown(algorithm)
    if max_age is not None:
        claims["exp"] = _whole(max_age)
    header = json.dumps({"alg": name or "NONE", "typ": "JWT"}, separators=(",", ":"))
    body = json.dumps(claims, separators=(",", ":"))
    head = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, body))
    if name.strip().lower() in {"", "none"}:
        return f"{head}."
    if not name.upper().startswith("HS"):
        raise ValueError(f"no key for {name}")
    made = hmac.new(encoded(shown(secret)), head.encode(), f"sha{name[2:]}").digest()
    return f"{head}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def _aes_cbc(text: Value, key: Value, vector: Value) -> str:
    plain = encoded(shown(text))
    missing = 16 - len(plain) % 16
    cipher = Cipher(algorithms.AES(encoded(shown(key))), modes.CBC(encoded(shown(vector)))).encryptor()
    return _decoded(cipher.update(plain + bytes([missing]) * missing) + cipher.finalize())


def _aes_gcm(random_source: random.Random, key: str, text: str) -> str:
    nonce = random_source.randbytes(12)
    return _decoded(nonce + AESGCM(encoded(key)).encrypt(nonce, encoded(text), None))


def _xor(*parts: Value) -> str:
    texts = [encoded(shown(part)) for part in parts]
    if len(texts) < 2 or len(set(map(len, texts))) != 1:
        raise ValueError("needs texts of one length")
    result = bytes(len(texts[0]))
    for text in texts:
        result = bytes(a ^ b for a, b in zip(result, text, strict=True))
    return _decoded(result)


_CODECS: Final[dict[str, Helper]] = {
    "base64": lambda text: base64.b64encode(encoded(shown(text))).decode(),
    "base64_py": _base64_py,
    "base64_decode": _base64_decode,
    "url_encode": lambda text: quote_plus(encoded(shown(text)), safe="-_.~"),
    "url_decode": lambda text: _decoded(unquote_to_bytes(encoded(shown(text).replace("+", " ")))),
    "hex_encode": lambda text: encoded(shown(text)).hex(),
    "hex_decode": lambda text: _decoded(binascii.unhexlify(shown(text))),
    "html_escape": lambda text: (
        html.escape(shown(text)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    ),
    "html_unescape": lambda text: html.unescape(shown(text)),
    "gzip": lambda text: _decoded(gzip.compress(encoded(shown(text)), mtime=0)),
    "gzip_decode": _inflated(31),
    "zlib": lambda text: _decoded(zlib.compress(encoded(shown(text)))),
    "zlib_decode": _inflated(15),
    "deflate": _deflated,
    "inflate": _inflated(-15),
    "json_minify": lambda text: json.dumps(json.loads(shown(text)), separators=(",", ":"), sort_keys=True),
    "json_prettify": lambda text: json.dumps(json.loads(shown(text)), indent=4),
    "generate_jwt": _jwt,
    "generate_java_gadget": lambda kind, command, coding: gadget.java(
        shown(kind), shown(command), shown(coding)
    ),
    "aes_cbc": _aes_cbc,
    "xor": _xor,
    "unpack": lambda form, data: float(struct.unpack_from(shown(form), encoded(shown(data)))[0]),
}


def _versions(text: str) -> tuple[int, ...]:
    match = re.match(r"\s*v?(\d+(?:\.\d+)*)", text)
    if not match:
        raise ValueError(f"{text!r} is no version")
    numbers = tuple(int(part) for part in match[1].split("."))
    return numbers + (0,) * (8 - len(numbers))


def _compare_versions(first: Value, *constraints: Value) -> bool:
    version = _versions(shown(first))
    for constraint in ",".join(map(shown, constraints)).split(","):
        match = re.match(r"\s*(>=|<=|!=|~>|>|<|=)?\s*(.+)", constraint)
        if not match:
            raise ValueError(f"{constraint!r} is no constraint")
        other = _versions(match[2])
        places = match[2].strip().lstrip("v").count(".")
        holds = {
            ">": version > other,
            ">=": version >= other,
            "<": version < other,
            "<=": version <= other,
            "!=": version != other,
            "~>": version >= other and version[: max(places, 1)] == other[: max(places, 1)],
        }.get(match[1] or "=", version == other)
        if not holds:
            return False
    return True


def _some(text: Value, holds: Callable[[str], bool]) -> bool:
    return any(holds(shown(item)) for item in (text if isinstance(text, list) else [text]))


def _lines(text: Value, holds: Callable[[str], bool]) -> bool:
    return any(holds(line) for line in shown(text).split("\n"))


def _affixes(values: tuple[Value, ...]) -> tuple[str, ...]:
    return tuple(map(shown, values))


_TESTS: Final[dict[str, Helper]] = {
    "contains": lambda text, part: shown(part) in shown(text),
    "contains_all": lambda text, *parts: all(shown(part) in shown(text) for part in parts),
    "contains_any": lambda text, *parts: any(shown(part) in shown(text) for part in parts),
    "starts_with": lambda text, *prefixes: shown(text).startswith(_affixes(prefixes)),
    "ends_with": lambda text, *suffixes: shown(text).endswith(_affixes(suffixes)),
    "line_starts_with": lambda text, *all_: _lines(text, lambda line: line.startswith(_affixes(all_))),
    "line_ends_with": lambda text, *all_: _lines(text, lambda line: line.endswith(_affixes(all_))),
    "regex": lambda expression, text: is_found(shown(expression), shown(text)),
    "regex_all": lambda text, all_: not _some(all_, lambda one: not is_found(one, shown(text))),
    "regex_any": lambda text, all_: _some(all_, lambda one: is_found(one, shown(text))),
    "equals_any": lambda text, all_: _some(all_, lambda one: one == shown(text)),
    "compare_versions": _compare_versions,
}


def _based(base: int) -> Helper:
    return lambda text: float(int(shown(text), base))


def _to_number(text: Value) -> float:
    number = float(shown(text))
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


_NUMBERS: Final[dict[str, Helper]] = {
    "to_number": _to_number,
    "dec_to_hex": lambda number: f"{_whole(number):x}",
    "hex_to_dec": _based(16),
    "oct_to_dec": _based(8),
    "bin_to_dec": _based(2),
}


def _random_helpers(source: random.Random) -> dict[str, Helper]:
    def drawn(alphabet: str, length: Value) -> str:
        return "".join(source.choices(alphabet, k=min(_whole(length), MAX_REPEATED_BYTES)))

    def rand_base(length: Value, alphabet: Value = None) -> str:
        return drawn(shown(alphabet).strip() or LETTERS + NUMBERS, length)

    def without(alphabet: str) -> Helper:
        return lambda length, bad=None: drawn(
            "".join(c for c in alphabet if c not in shown(bad)) or alphabet, length
        )

    def rand_int(low: Value = 0.0, high: Value = 2147483647.0) -> float:
        return float(source.randrange(_whole(low), max(_whole(high), _whole(low) + 1)))

    def rand_ip(*prefixes: Value) -> str:
        network = ip_network(shown(source.choice(prefixes)), strict=False)
        return str(network[source.randrange(min(network.num_addresses, 1 << 62))])

    return {
        "rand_char": lambda alphabet=None: drawn(shown(alphabet).strip() or LETTERS + NUMBERS, 1.0),
        "rand_base": rand_base,
        "rand_text_alphanumeric": without(LETTERS + NUMBERS),
        "rand_text_alpha": without(LETTERS),
        "rand_text_numeric": without(NUMBERS),
        "rand_int": rand_int,
        "rand_ip": rand_ip,
    }


_SIMPLE_DATE: Final = {
    "Y": "%Y",
    "y": "%Y",
    "M": "%m",
    "D": "%d",
    "d": "%d",
    "H": "%H",
    "h": "%H",
    "m": "%M",
    "S": "%S",
    "s": "%S",
}
_REFERENCE_DATE: Final = (
    ("January", "%B"),
    ("Monday", "%A"),
    ("2006", "%Y"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "UTC"),
    ("Z07:00", "Z"),
    ("-0700", "+0000"),
    ("01", "%m"),
    ("02", "%d"),
    ("15", "%H"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("PM", "%p"),
)


def _date_time(form: str, moment: datetime) -> str:
    """Either ``%Y-%M-%D`` as templates write it, or a layout given by the reference date of January 2, 2006."""
    if found("%([A-Za-z])", form):
        return re.sub("%([A-Za-z])", lambda match: moment.strftime(_SIMPLE_DATE[match[1]]), form)
    layout = "|".join(re.escape(name) for name, _ in _REFERENCE_DATE)
    return re.sub(layout, lambda match: moment.strftime(dict(_REFERENCE_DATE)[match[0]]), form)


def _time_helpers(now: Callable[[], float], wait: Callable[[float], None]) -> dict[str, Helper]:
    def date_time(form: Value, moment: Value = None) -> str:
        seconds = now() if moment is None else float(shown(moment))
        return _date_time(shown(form), datetime.fromtimestamp(seconds, UTC))

    def to_unix_time(text: Value, _layout: Value = None) -> float:
        written = shown(text)
        try:
            return float(int(float(written)))
        except ValueError:
            moment = datetime.fromisoformat(written)
            return float(int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()))

    def wait_for(seconds: Value) -> bool:
        wait(float(shown(seconds)))
        return True

    return {
        "date_time": date_time,
        "unix_time": lambda offset=0.0: float(int(now()) + _whole(offset)),
        "to_unix_time": to_unix_time,
        "wait_for": wait_for,
    }
