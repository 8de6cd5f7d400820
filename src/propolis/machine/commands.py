"""What intruders ask a new machine first, answered; each command takes the machine and its words."""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from propolis.machine.machine import Machine

MAX_OUTPUT_CHARS = 65_536
"""Of one line of commands."""

_MAX_LINES = 10_000
_MAX_STATUS_DIGITS = 9


class Outcome(msgspec.Struct, frozen=True):
    """What a command printed, and its exit status."""

    out: str = ""
    err: str = ""
    status: int = 0


Run: TypeAlias = Callable[[Machine, list[str]], Outcome]
Filter: TypeAlias = Callable[[list[str], str], Outcome]


def _plain(words: list[str]) -> list[str]:
    """The words that are no options."""
    return [word for word in words if not word.startswith("-")]


def _flags(words: list[str]) -> str:
    return "".join(word.lstrip("-") for word in words if word.startswith("-"))


def _say(text: Callable[[Machine], object]) -> Run:
    """A command that prints one thing, whatever it is asked."""
    return lambda machine, _: Outcome(f"{text(machine)}\n")


def _exits(status: int) -> Run:
    """A command that prints nothing."""
    return lambda _, __: Outcome(status=status)


def echo(machine: Machine, words: list[str]) -> Outcome:
    """``echo`` of bash, with ``-n`` and ``-e``."""
    del machine
    flags = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        flags += words.pop(0)[1:]
    text = " ".join(words)
    if "e" in flags:
        text = _unescape(text)
    return Outcome(text if "n" in flags else text + "\n")


def printf(machine: Machine, words: list[str]) -> Outcome:
    """``printf`` with ``%s`` and ``%d``."""
    del machine
    first, *pieces = re.split("%[sd]", _unescape(words[0]) if words else "")
    values = [*words[1:], *[""] * len(pieces)]
    return Outcome(first + "".join(value + piece for value, piece in zip(values, pieces, strict=False)))


def uname(machine: Machine, words: list[str]) -> Outcome:
    """``uname`` in the order of coreutils."""
    host, flags = machine.host, _flags(words) or "s"
    if "a" in flags:
        return Outcome(f"{host.uname}\n")
    parts = {"s": "Linux", "n": host.name, "r": host.kernel, "v": host.build, "m": "x86_64", "o": "GNU/Linux"}
    return Outcome(" ".join(text for flag, text in parts.items() if flag in flags) + "\n")


def identity(machine: Machine, words: list[str]) -> Outcome:
    """``id``."""
    number = 0 if machine.user == "root" else 1000
    if words and words[0] in {"-u", "-g"}:
        return Outcome(f"{number}\n")
    own = f"{number}({machine.user})"
    return Outcome(f"uid={own} gid={own} groups={own}\n")


def cd(machine: Machine, words: list[str]) -> Outcome:
    """``cd``; its error lacks what bash puts before it."""
    path = machine.resolve(words[0]) if words else machine.home
    if machine.names_in(path) is None:
        return Outcome(err=f"cd: {words[0] if words else path}: No such file or directory\n", status=1)
    machine.folder = path
    return Outcome()


def cat(machine: Machine, words: list[str]) -> Outcome:
    """``cat`` of files."""
    out, err = "", ""
    for word in _plain(words):
        path = machine.resolve(word)
        text = machine.text_of(path)
        if text is not None:
            out = (out + text)[:MAX_OUTPUT_CHARS]
        else:
            problem = "No such file or directory" if machine.names_in(path) is None else "Is a directory"
            err += f"cat: {word}: {problem}\n"
    return Outcome(out, err, 1 if err else 0)


def ls(machine: Machine, words: list[str]) -> Outcome:
    """``ls`` without columns, as into a pipe."""
    out, err = "", ""
    for word in _plain(words) or ["."]:
        path = machine.resolve(word)
        names = machine.names_in(path)
        if names is None and machine.text_of(path) is not None:
            out += f"{word}\n"
        elif names is None:
            err += f"ls: cannot access '{word}': No such file or directory\n"
        else:
            out += "".join(f"{name}\n" for name in names if "a" in _flags(words) or not name.startswith("."))
    return Outcome(out, err, 2 if err else 0)


def which(machine: Machine, words: list[str]) -> Outcome:
    """``which``."""
    found = [f"/usr/bin/{word}\n" for word in words if machine.has_program(word)]
    return Outcome("".join(found), status=0 if len(found) == len(words) else 1)


def mkdir(machine: Machine, words: list[str]) -> Outcome:
    """``mkdir``."""
    for word in _plain(words):
        machine.make_folder(machine.resolve(word))
    return Outcome()


def rm(machine: Machine, words: list[str]) -> Outcome:
    """``rm``: what was never there cannot be removed."""
    err = ""
    for word in _plain(words):
        if not machine.remove(machine.resolve(word)) and "f" not in _flags(words):
            err += f"rm: cannot remove '{word}': No such file or directory\n"
    return Outcome(err=err, status=1 if err else 0)


def leave(machine: Machine, words: list[str]) -> Outcome:
    """``exit``."""
    machine.is_over = True
    is_number = bool(words) and words[0].isdecimal() and len(words[0]) <= _MAX_STATUS_DIGITS
    return Outcome(status=int(words[0]) & 255 if is_number else machine.status)


def export(machine: Machine, words: list[str]) -> Outcome:
    """``export NAME=value``."""
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            machine.set_value(name, value)
    return Outcome()


def crontab(machine: Machine, words: list[str]) -> Outcome:
    """``crontab``: nobody has one."""
    is_list = "l" in _flags(words)
    return Outcome(err=f"no crontab for {machine.user}\n", status=1) if is_list else Outcome()


def free(machine: Machine, words: list[str]) -> Outcome:
    """``free`` in kibibytes, mebibytes or gibibytes."""
    scale = {"m": 1024, "g": 1_048_576}.get(_flags(words)[:1], 1)
    total = machine.host.memory_kib // scale
    used, unused = total // 5, total // 7
    row = "".join(
        f"{value:>12}" for value in (total, used, unused, total // 300, total - used - unused, total - used)
    )
    heads = "".join(f"{name:>12}" for name in ("total", "used", "free", "shared", "buff/cache", "available"))
    return Outcome(f"       {heads}\nMem:   {row}\nSwap:  {0:>12}{0:>12}{0:>12}\n")


def grep(words: list[str], piped: str) -> Outcome:
    """``grep`` for fixed strings: an intruder's pattern is never compiled."""
    flags = _flags(words)
    pattern = next(iter(_plain(words)), "")
    if "i" in flags:
        pattern = pattern.lower()
    lines = [
        line
        for line in piped.splitlines()
        if (pattern in (line.lower() if "i" in flags else line)) != ("v" in flags)
    ]
    out = f"{len(lines)}\n" if "c" in flags else "".join(f"{line}\n" for line in lines)
    return Outcome(out, status=0 if lines else 1)


def wc(words: list[str], piped: str) -> Outcome:
    """``wc``."""
    counts = {"-l": piped.count("\n"), "-w": len(piped.split()), "-c": len(piped)}
    asked = [counts[word] for word in words if word in counts]
    return Outcome(f"{asked[0]}\n" if asked else "".join(f"{count:8d}" for count in counts.values()) + "\n")


def head(words: list[str], piped: str) -> Outcome:
    """``head -N`` or ``head -n N``."""
    return Outcome("".join(piped.splitlines(keepends=True)[: _count(words)]))


def tail(words: list[str], piped: str) -> Outcome:
    """``tail -N`` or ``tail -n N``."""
    count = _count(words)
    return Outcome("".join(piped.splitlines(keepends=True)[-count:] if count else ()))


def _count(words: list[str]) -> int:
    number = next((digits for word in words if (digits := word.lstrip("-n")).isdecimal()), "10")
    return min(int(number[:6]), _MAX_LINES)


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


FILTERS: MappingProxyType[str, Filter] = MappingProxyType(
    {"cat": lambda _, piped: Outcome(piped), "grep": grep, "head": head, "tail": tail, "wc": wc}
)
"""What reads a pipe."""

COMMANDS: MappingProxyType[str, Run] = MappingProxyType(
    {
        "[": _exits(0),
        "cat": cat,
        "cd": cd,
        "crontab": crontab,
        "echo": echo,
        "exit": leave,
        "export": export,
        "false": _exits(1),
        "free": free,
        "hostname": _say(lambda machine: machine.host.name),
        "id": identity,
        "logout": leave,
        "ls": ls,
        "mkdir": mkdir,
        "nproc": _say(lambda machine: machine.host.cores),
        "printf": printf,
        "pwd": _say(lambda machine: machine.folder),
        "rm": rm,
        "uname": uname,
        "which": which,
        "whoami": _say(lambda machine: machine.user),
    }
)
"""What is answered; other programs of the persona succeed in silence, and what it does not have is not found."""
