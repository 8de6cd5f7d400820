"""What PHP scripts call, on a machine that pretends: texts, digests, the shell, files, and ``phpinfo()``."""

import base64
import codecs
import hashlib
import html
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from propolis.clock import SECOND
from propolis.flaws.effects.files import file
from propolis.flaws.effects.php.machine import Php, Stop
from propolis.flaws.effects.php.page import VERSION, phpinfo
from propolis.flaws.effects.php.printing import print_r, printf, sprintf, var_dump
from propolis.flaws.effects.php.values import MAX_ITEMS, MAX_TEXT, Array, Value, bytes_of, number_of, text_of

HALTS = frozenset({"die", "exit", "__halt_compiler"})


def _first(values: list[Value]) -> str:
    return text_of(values[0]) if values else ""


def _plain(compute: Callable[[str], Value]) -> "Function":
    return lambda _, values: compute(_first(values))


def _digest(name: str) -> "Function":
    return lambda _, values: hashlib.new(name, bytes_of(values[0]), usedforsecurity=False).hexdigest()


def _hash(machine: Php, values: list[Value]) -> Value:
    del machine
    name = _first(values).lower()
    if name not in {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}:
        return f"{zlib.crc32(bytes_of(values[1])):08x}"
    return hashlib.new(name, bytes_of(values[1]), usedforsecurity=False).hexdigest()


def _latin(data: bytes) -> str:
    return data[:MAX_TEXT].decode("latin-1")


def _decode64(text: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9+/]", "", text)
    return _latin(base64.b64decode(kept + "A" * (len(kept) % 4 == 1) + "=" * (-len(kept) % 4)))


def _inflate(data: bytes, bits: int) -> str:
    try:
        return _latin(zlib.decompressobj(bits).decompress(data, MAX_TEXT))
    except zlib.error:
        return ""


def _system(machine: Php, values: list[Value]) -> Value:
    said = machine.shell(_first(values))
    machine.say(said)
    return said.rstrip("\n").rpartition("\n")[2]


def _exec(machine: Php, values: list[Value]) -> Value:
    return machine.shell(_first(values)).rstrip("\n").rpartition("\n")[2].rstrip()


def _shell_exec(machine: Php, values: list[Value]) -> Value:
    return machine.shell(_first(values)) or None


def _readfile(machine: Php, values: list[Value]) -> Value:
    text = _file(machine, values)
    machine.say(text_of(text))
    return len(text_of(text))


def _file(machine: Php, values: list[Value]) -> Value:
    path = bytes_of(values[0])
    if path == b"php://input":
        return _latin(machine.scope.request["body"] or b"")
    return _latin(file(machine.scope, path)) or False


def _file_put(machine: Php, values: list[Value]) -> Value:
    content = bytes_of(values[1])
    machine.scope.session.upload(bytes_of(values[0])[:4_096], content)
    return len(content)


def _substr(_: Php, values: list[Value]) -> Value:
    text, start = _first(values), int(number_of(values[1]))
    start = max(0, len(text) + start) if start < 0 else start
    if len(values) < 3 or values[2] is None:
        return text[start:]
    length = int(number_of(values[2]))
    return text[start : start + length if length >= 0 else len(text) + length]


def _replace(_: Php, values: list[Value]) -> Value:
    text = text_of(values[2])
    olds = (
        [text_of(each) for each in values[0].items.values()]
        if isinstance(values[0], Array)
        else [_first(values)]
    )
    new = text_of(values[1]) if not isinstance(values[1], Array) else ""
    for old in olds[:64]:
        if old and len(text) + text.count(old) * len(new) <= MAX_TEXT:
            text = text.replace(old, new)
    return text


def _implode(_: Php, values: list[Value]) -> Value:
    array = next((value for value in values if isinstance(value, Array)), Array())
    glue = next((text_of(value) for value in values if not isinstance(value, Array)), "")
    return glue.join(text_of(item) for item in array.items.values())[:MAX_TEXT]


def _explode(_: Php, values: list[Value]) -> Value:
    array = Array()
    for part in text_of(values[1]).split(_first(values) or None, MAX_ITEMS):
        array.add(None, part)
    return array


def _repeat(_: Php, values: list[Value]) -> Value:
    text = _first(values)
    return text * max(0, min(int(number_of(values[1])), MAX_TEXT // max(1, len(text))))


def _call(machine: Php, values: list[Value]) -> Value:
    known = FUNCTIONS.get(_first(values).lower())
    if known is None:
        raise Stop
    machine.step()
    arguments = values[1:]
    if len(arguments) == 1 and isinstance(arguments[0], Array):
        arguments = list(arguments[0].items.values())
    return known(machine, arguments)


def _uname(machine: Php, values: list[Value]) -> Value:
    host, windows = machine.scope.scene.machine, machine.scope.scene.account.os == "windows"
    if windows:
        return f"Windows NT {machine.scope.scene.hostname} 10.0 build 17763 (Windows Server 2019) AMD64"
    parts = {"s": "Linux", "n": host.name, "r": host.kernel, "v": host.build, "m": "x86_64"}
    return parts.get(_first(values), " ".join(parts.values()))


def _moment(machine: Php, values: list[Value]) -> Value:
    moment = datetime.fromtimestamp(machine.scope.scene.now // SECOND, UTC)
    letters = {
        "Y": "%Y",
        "m": "%m",
        "d": "%d",
        "H": "%H",
        "i": "%M",
        "s": "%S",
        "D": "%a",
        "M": "%b",
        "y": "%y",
    }
    return "".join(
        moment.strftime(letters[char]) if char in letters else char for char in _first(values)[:200]
    )


def _settled(value: Value) -> "Function":
    """A function that always gives the same."""
    return lambda _, __: value


Function: TypeAlias = Callable[[Php, list[Value]], Value]

FUNCTIONS: MappingProxyType[str, Function] = MappingProxyType(
    {
        "abs": lambda _, values: abs(number_of(values[0])),
        "array_map": _call,
        "assert": lambda machine, values: machine.eval(f"return {_first(values)};"),
        "base64_decode": _plain(_decode64),
        "base64_encode": lambda _, values: base64.b64encode(bytes_of(values[0])).decode(),
        "bin2hex": lambda _, values: bytes_of(values[0]).hex(),
        "call_user_func": _call,
        "call_user_func_array": _call,
        "chr": lambda _, values: chr(int(number_of(values[0])) & 0xFF),
        "count": lambda _, values: len(values[0].items) if isinstance(values[0], Array) else 1,
        "crc32": lambda _, values: zlib.crc32(bytes_of(values[0])),
        "date": _moment,
        "dechex": lambda _, values: f"{int(number_of(values[0])):x}",
        "define": _settled(1),
        "error_reporting": _settled(0),
        "eval": lambda machine, values: machine.eval(_first(values)),
        "exec": _exec,
        "explode": _explode,
        "file": _file,
        "file_exists": lambda machine, values: bool(_file(machine, values)),
        "file_get_contents": _file,
        "file_put_contents": _file_put,
        "flush": _settled(None),
        "function_exists": lambda _, values: _first(values).lower() in FUNCTIONS,
        "get_current_user": lambda machine, _: machine.scope.scene.account.user,
        "getcwd": lambda machine, _: machine.scope.scene.account.folder,
        "gethostname": lambda machine, _: machine.scope.scene.hostname,
        "getmypid": _settled(1412),
        "gzinflate": lambda _, values: _inflate(bytes_of(values[0]), -15),
        "gzuncompress": lambda _, values: _inflate(bytes_of(values[0]), 15),
        "hash": _hash,
        "header": _settled(None),
        "hex2bin": _plain(lambda text: _latin(bytes.fromhex(text))),
        "hexdec": _plain(lambda text: int(re.sub(r"[^0-9a-fA-F]", "", text)[:15] or "0", 16)),
        "highlight_file": _readfile,
        "htmlspecialchars": _plain(html.escape),
        "implode": _implode,
        "ini_get": _settled(""),
        "ini_set": _settled(0),
        "intval": lambda _, values: int(number_of(values[0])),
        "is_numeric": _plain(lambda text: bool(re.fullmatch(r"[+-]?\d+(?:\.\d+)?", text, re.ASCII))),
        "isset": lambda _, values: all(value is not None for value in values),
        "join": _implode,
        "json_encode": lambda _, values: json.dumps(
            values[0]
            if not isinstance(values[0], Array)
            else {k: text_of(v) for k, v in values[0].items.items()}
        ).replace("/", "\\/"),
        "lcfirst": _plain(lambda text: text[:1].lower() + text[1:]),
        "md5": _digest("md5"),
        "microtime": lambda machine, _: machine.scope.scene.now / SECOND,
        "nl2br": _plain(lambda text: text.replace("\n", "<br />\n")),
        "ob_end_clean": _settled(1),
        "ob_start": _settled(1),
        "ord": _plain(lambda text: ord(text[0]) if text else 0),
        "passthru": _system,
        "phpinfo": lambda machine, _: machine.say(phpinfo(machine.scope)),
        "php_sapi_name": _settled("fpm-fcgi"),
        "php_uname": _uname,
        "phpversion": _settled(VERSION),
        "pi": _settled(3.1415926535898),
        "popen": lambda machine, values: machine.shell(_first(values)),
        "pow": lambda _, values: float(number_of(values[0])) ** max(-64, min(64, number_of(values[1]))),
        "print_r": print_r,
        "printf": printf,
        "rawurldecode": lambda _, values: _latin(unquote_to_bytes(bytes_of(values[0]))),
        "readfile": _readfile,
        "set_time_limit": _settled(1),
        "sha1": _digest("sha1"),
        "shell_exec": _shell_exec,
        "show_source": _readfile,
        "sleep": _settled(0),
        "sprintf": sprintf,
        "str_repeat": _repeat,
        "str_replace": _replace,
        "str_rot13": _plain(lambda text: codecs.encode(text, "rot13")),
        "stripslashes": _plain(lambda text: text.replace("\\", "")),
        "strlen": _plain(len),
        "strrev": _plain(lambda text: text[::-1]),
        "strtolower": _plain(str.lower),
        "strtoupper": _plain(str.upper),
        "strval": _plain(lambda text: text),
        "substr": _substr,
        "sys_get_temp_dir": _settled("/tmp"),  # noqa: S108 - a name that is printed
        "system": _system,
        "time": lambda machine, _: machine.scope.scene.now // SECOND,
        "trim": _plain(str.strip),
        "ucfirst": _plain(lambda text: text[:1].upper() + text[1:]),
        "unlink": _settled(1),
        "urldecode": lambda _, values: _latin(unquote_to_bytes(bytes_of(values[0]).replace(b"+", b" "))),
        "urlencode": lambda _, values: quote_from_bytes(bytes_of(values[0]), safe="").replace("%20", "+"),
        "usleep": _settled(None),
        "var_dump": var_dump,
        "var_export": lambda machine, values: machine.say(f"'{_first(values)}'"),
    }
)
"""What there is; a call to anything else ends the script."""

LANGUAGE: MappingProxyType[str, Callable[[Php], Value]] = MappingProxyType(
    {
        "DIRECTORY_SEPARATOR": lambda machine: "\\" if machine.scope.scene.account.os == "windows" else "/",
        "FALSE": lambda _: False,
        "NULL": lambda _: None,
        "PHP_EOL": lambda _: "\n",
        "PHP_INT_MAX": lambda _: 2**63 - 1,
        "PHP_OS": lambda machine: "WINNT" if machine.scope.scene.account.os == "windows" else "Linux",
        "PHP_VERSION": lambda _: VERSION,
        "TRUE": lambda _: True,
        "__DIR__": lambda machine: machine.scope.scene.account.folder,
        "__FILE__": lambda machine: (
            machine.scope.scene.account.folder + machine.scope.field("path").decode("latin-1")
        ),
        "__LINE__": lambda _: 1,
    }
)
"""Constants; a word that is none stands for itself, as it did before PHP 8."""
