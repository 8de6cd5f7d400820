"""What intruders ask a new machine first, answered; each command takes the machine, its words and what is piped in."""

import re
import zlib
from itertools import pairwise
from types import MappingProxyType

from propolis.clock import SECOND
from propolis.machine.arithmetic import reckon
from propolis.machine.files import moment
from propolis.machine.machine import Machine
from propolis.machine.network import NETWORK_COMMANDS
from propolis.machine.outcome import MAX_OUTPUT_CHARS, Outcome, Run, exits, flags, plain, say
from propolis.machine.system import SYSTEM_COMMANDS
from propolis.machine.text import TEXT_COMMANDS

_MAX_STATUS_DIGITS = 9
_MAX_REPEATED = 4_096


def echo(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``echo`` of bash, with ``-n`` and ``-e``."""
    options = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        options += words[0][1:]
        words = words[1:]
    text = " ".join(words)
    if "e" in options:
        text = _unescape(text)
    return Outcome(text if "n" in options else text + "\n")


def printf(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``printf`` with ``%s``, ``%d``, ``%x``, ``%o``, ``%c`` and ``%b``; the format is used again while words last."""
    if not words:
        return Outcome(err="printf: usage: printf [-v var] format [arguments]\n", status=2)
    pieces = _CONVERSION.split(_unescape(words[0]))
    kinds, values, out = pieces[1::2], words[1:], ""
    for _ in range(_MAX_REPEATED):
        out += pieces[0]
        for kind, piece in zip(kinds, pieces[2::2], strict=True):
            value = values.pop(0) if values and kind != "%" else ""
            out += _converted(kind, value) + piece
        if not values or not set(kinds) - {"%"} or len(out) > MAX_OUTPUT_CHARS:
            break
    return Outcome(out[:MAX_OUTPUT_CHARS])


_CONVERSION = re.compile(r"%([sdixXocb%])")


def _converted(kind: str, value: str) -> str:
    match kind:
        case "%":
            return "%"
        case "s":
            return value
        case "b":
            return _unescape(value)
        case "c":
            return value[:1]
        case _:
            number = reckon(value) or 0
            return f"{number:{ {'i': 'd'}.get(kind, kind) }}"


def expr(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``expr``: whole numbers, ``length``, ``substr`` and ``index``."""
    match words:
        case ["length", text]:
            return Outcome(f"{len(text)}\n")
        case ["substr", text, first, count] if first.isdecimal() and count.isdecimal():
            start = int(first[:6]) - 1
            return Outcome(f"{text[max(0, start) : max(0, start) + int(count[:6])]}\n")
        case [text] if text not in {"", "+", "-"}:
            return Outcome(f"{text}\n", status=int(text == "0"))
        case []:
            return Outcome(err="expr: missing operand\nTry 'expr --help' for more information.\n", status=2)
    if any(word == "0" and before == "/" for before, word in pairwise(words)):
        return Outcome(err="expr: division by zero\n", status=2)
    if not all(re.fullmatch(r"-?\d{1,18}|[-+*/%()<>=!|&]{1,2}", word) for word in words):
        return Outcome(err="expr: non-integer argument\n", status=2)
    value = reckon(" ".join("==" if word == "=" else word for word in words))
    if value is None:
        return Outcome(err="expr: syntax error: unexpected argument\n", status=2)
    return Outcome(f"{value}\n", status=int(value == 0))


def seq(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``seq LAST`` and ``seq FIRST LAST``."""
    numbers = [int(word) for word in plain(words) if re.fullmatch(r"\d{1,6}", word, re.ASCII)]
    first, last = (1, numbers[0]) if len(numbers) == 1 else (*numbers, 0, 0)[:2]
    return Outcome("".join(f"{number}\n" for number in range(first, min(last, first + _MAX_REPEATED) + 1)))


def cd(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``cd``; its error lacks what bash puts before it."""
    path = machine.resolve(words[0]) if words else machine.home
    if machine.names_in(path) is None:
        return Outcome(err=f"cd: {words[0] if words else path}: No such file or directory\n", status=1)
    machine.folder = path
    return Outcome()


def ls(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``ls`` without columns, as into a pipe; ``-l``, ``-a`` and ``-d``."""
    out, err, options = "", "", flags(words)
    operands = plain(words) or ["."]
    for word in operands:
        path = machine.resolve(word)
        names = machine.names_in(path)
        if names is None and machine.text_of(path) is None:
            err += f"ls: cannot access '{word}': No such file or directory\n"
            continue
        is_folder = names is not None and "d" not in options
        if is_folder and len(operands) > 1:
            out += f"{word}:\n"
        shown = [word] if names is None or "d" in options else _shown(names, options)
        if "l" in options and is_folder:
            out += f"total {4 * len(shown)}\n"
        out += "".join(
            _listed(machine, path if is_folder else "", name, is_long="l" in options) for name in shown
        )
    return Outcome(out, err, 2 if err else 0)


def _shown(names: list[str], options: str) -> list[str]:
    if "a" in options:
        return [".", "..", *names]
    return [name for name in names if not name.startswith(".")]


def _listed(machine: Machine, folder: str, name: str, *, is_long: bool) -> str:
    if not is_long:
        return f"{name}\n"
    path = machine.resolve(f"{folder}/{name}" if folder else name)
    text = machine.text_of(path)
    noise = zlib.crc32(f"{path}{machine.host.machine_id}".encode("utf-8", "replace"))
    is_file = text is not None or "." in name.strip(".")
    size = len(text) if text is not None else noise % 9_000 + 200 if is_file else 4096
    mode = "-rw-r--r-- 1" if is_file else f"drwxr-xr-x {noise % 9 + 2}"
    day = moment((machine.now // SECOND - noise % 25_000_000) * SECOND if machine.now else 0)
    return f"{mode} root root {size:6d} {day:%b} {day.day:2d} {day:%H:%M} {name}\n"


def which(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``which``."""
    found = [f"/usr/bin/{word}\n" for word in words if machine.has_program(word)]
    return Outcome("".join(found), status=0 if len(found) == len(words) else 1)


def mkdir(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``mkdir``."""
    for word in plain(words):
        machine.make_folder(machine.resolve(word))
    return Outcome()


def rm(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``rm``: what was never there cannot be removed."""
    err = ""
    for word in plain(words):
        if not machine.remove(machine.resolve(word)) and "f" not in flags(words):
            err += f"rm: cannot remove '{word}': No such file or directory\n"
    return Outcome(err=err, status=1 if err else 0)


def leave(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``exit``."""
    machine.is_over = True
    is_number = bool(words) and words[0].isdecimal() and len(words[0]) <= _MAX_STATUS_DIGITS
    return Outcome(status=int(words[0]) & 255 if is_number else machine.status)


def export(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``export NAME=value``."""
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            machine.set_value(name, value)
    return Outcome()


_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|0?[0-7]{1,3}|[abefnrtv\\])")


def _unescape(text: str) -> str:
    """Backslash escapes of ``echo -e``; one that is none stays. Bytes above ASCII become surrogates."""
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1]) or _byte(match[1]), text)


def _byte(escape: str) -> str:
    code = int(escape[1:], 16) if escape[0] == "x" else int(escape, 8) & 255
    return bytes((code,)).decode("utf-8", "surrogateescape")


def base(_machine: Machine, words: list[str], _given: str) -> Outcome:
    """``basename`` and the like: the last part of a path."""
    return Outcome(f"{(words or [''])[0].rstrip('/').rpartition('/')[2]}\n")


def touch(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``touch``."""
    for word in plain(words):
        path = machine.resolve(word)
        if machine.text_of(path) is None:
            machine.write(path, "", is_append=False)
    return Outcome()


def copy(machine: Machine, words: list[str], _given: str) -> Outcome:
    """``cp`` and ``mv`` of one file."""
    names = plain(words)
    if len(names) < 2:
        return Outcome(err="cp: missing file operand\n", status=1)
    text = machine.text_of(machine.resolve(names[0]))
    if text is None:
        return Outcome(err=f"cp: cannot stat '{names[0]}': No such file or directory\n", status=1)
    into = machine.resolve(names[1])
    if machine.names_in(into) is not None:
        into = f"{into}/{names[0].rpartition('/')[2]}"
    machine.write(into, text, is_append=False)
    return Outcome()


def tee(machine: Machine, words: list[str], given: str) -> Outcome:
    """``tee``."""
    for word in plain(words):
        machine.write(machine.resolve(word), given, is_append="a" in flags(words))
    return Outcome(given)


COMMANDS: MappingProxyType[str, Run] = MappingProxyType(
    {
        **TEXT_COMMANDS,
        **SYSTEM_COMMANDS,
        **NETWORK_COMMANDS,
        ":": exits(0),
        "[": exits(0),
        "basename": base,
        "cd": cd,
        "chmod": exits(0),
        "cp": copy,
        "echo": echo,
        "exit": leave,
        "export": export,
        "expr": expr,
        "false": exits(1),
        "kill": exits(0),
        "logout": leave,
        "ls": ls,
        "mkdir": mkdir,
        "mv": copy,
        "nohup": exits(0),
        "printf": printf,
        "pwd": say(lambda machine: machine.folder),
        "rm": rm,
        "seq": seq,
        "set": exits(0),
        "sleep": exits(0),
        "sync": exits(0),
        "tee": tee,
        "touch": touch,
        "true": exits(0),
        "unset": exits(0),
        "which": which,
    }
)
"""What is answered; other programs of the persona succeed in silence, and what it does not have is not found."""

BUILTINS = frozenset(
    {
        ":",
        "[",
        "cd",
        "echo",
        "exit",
        "export",
        "false",
        "kill",
        "printf",
        "pwd",
        "set",
        "test",
        "true",
        "unset",
    }
)
"""What the shell does itself, on any machine."""

EVERYWHERE = BUILTINS | {"crontab"}
"""What no machine lacks, also where the disk was recorded without it."""
