"""A bash that answers what intruders ask first, and runs nothing.

Files it is told to write exist for the rest of the connection, within bounds; everything else is the persona's.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from types import MappingProxyType

import msgspec

from propolis.lures.ssh.host import Host
from propolis.lures.ssh.persona import Persona
from propolis.lures.ssh.words import Command, Redirect, Unfinished, parse

MAX_FILES = 32
MAX_FILE_CHARS = 16_384
MAX_OUTPUT_CHARS = 65_536
MAX_NESTING = 3
MAX_VARIABLES = 64
MAX_VALUE_CHARS = 1024
"""Of a variable, and of what a command in the line stands for."""

_NOT_FOUND = 127
_SHELLS = frozenset({"sh", "bash", "dash"})
_SINKS = frozenset({"cat", "tee", "dd"})


class Outcome(msgspec.Struct, frozen=True):
    """What a command printed, and its exit status."""

    out: str = ""
    err: str = ""
    status: int = 0


class Shell:
    """One login's shell."""

    def __init__(self, persona: Persona, host: Host, user: str) -> None:
        self.user = user
        self.status = 0
        self.is_over = False
        self.commands = 0
        self._persona = persona
        self._host = host
        self._home = "/root" if user == "root" else f"/home/{user}"
        self._folder = self._home
        self._files: dict[str, str] = {"/etc/hostname": f"{host.name}\n"}
        self._folders: set[str] = {self._home}
        self._variables = {
            "USER": user,
            "LOGNAME": user,
            "HOME": self._home,
            "SHELL": "/bin/bash",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": host.name,
            "TERM": "xterm",
        }
        self._where = "-bash: "
        self._depth = 0

    @property
    def prompt(self) -> str:
        """PS1 of Debian's bashrc."""
        folder = self._folder
        if folder == self._home or folder.startswith(self._home + "/"):
            folder = "~" + folder[len(self._home) :]
        return f"{self.user}@{self._host.name}:{folder}{'#' if self.user == 'root' else '$'} "

    @property
    def motd(self) -> str:
        """What PAM shows at login: ``uname -snrvm`` and the recorded text."""
        return f"{self._uname(['-snrvm']).out}{self._persona.files.get('/etc/motd', '')}"

    def begin(self) -> None:
        """A new session starts at home."""
        self._folder = self._home

    def reads_input(self, line: str) -> bool:
        """Whether this command line waits for standard input: a shell for commands, ``cat`` and its kind for a file."""
        commands = self._parse(line)
        if not commands or len(commands[-1].words) > 1 and commands[-1].words[0] not in _SINKS:
            return False
        name = posixpath.basename(commands[-1].words[0])
        has_files = name == "cat" and any(not word.startswith("-") for word in commands[-1].words[1:])
        return commands[-1].join != "|" and (name in _SHELLS or name in _SINKS and not has_files)

    def is_shell(self, line: str) -> bool:
        """Whether this command line starts a shell that reads commands."""
        commands = self._parse(line)
        return bool(commands) and posixpath.basename(commands[-1].words[0]) in _SHELLS and self.reads_input(line)

    def run(self, line: str, where: str) -> Outcome:
        """Pretend to run a line. ``where`` is what bash puts before its errors, such as ``-bash: line 2: ``.

        Output is bounded by :data:`MAX_OUTPUT_CHARS`.
        """
        self._where = where
        try:
            commands = parse(line, self._expand, self._substitute)
        except Unfinished:
            self.status = 2
            return Outcome(err=f"{where}unexpected EOF while looking for matching quote\n", status=2)
        out: list[str] = []
        err: list[str] = []
        piped = ""
        for index, command in enumerate(commands):
            if self.is_over or (command.join, self.status == 0) in {("&&", False), ("||", True)}:
                continue
            shown = self._redirect(self._simple(command, piped if command.join == "|" else ""), command.redirects)
            self.status = shown.status
            err.append(shown.err)
            is_piped = index + 1 < len(commands) and commands[index + 1].join == "|"
            piped = shown.out if is_piped else ""
            out.append("" if is_piped else shown.out)
        return Outcome("".join(out)[:MAX_OUTPUT_CHARS], "".join(err)[:MAX_OUTPUT_CHARS], self.status)

    def _parse(self, line: str) -> tuple[Command, ...]:
        try:
            return parse(line, self._expand, lambda _: "")
        except Unfinished:
            return ()

    def _expand(self, name: str) -> str:
        special = {"?": str(self.status), "PWD": self._folder, "$": "1412", "#": "0", "-": "himBHs"}
        return special.get(name, self._variables.get(name, ""))

    def _substitute(self, line: str) -> str:
        if self._depth >= MAX_NESTING:
            return ""
        self._depth += 1
        out = self.run(line, self._where).out
        self._depth -= 1
        return out[:MAX_VALUE_CHARS].rstrip("\n").replace("\n", " ")

    def _simple(self, command: Command, piped: str) -> Outcome:
        words = list(command.words)
        while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
            name, _, value = words.pop(0).partition("=")
            self._set(name, value)
        while words and words[0] in {"sudo", "nohup", "time", "exec", "command", "then", "do", "{", "if", "else"}:
            words.pop(0)
        if not words or words[0] in {"fi", "done", "}", "for", "while"}:
            return Outcome()
        name = posixpath.basename(words[0])
        if words[0] != name and self._resolve(words[0]) in self._files:
            return Outcome()
        is_known = name in _BUILTINS or name in self._persona.commands
        if not is_known:
            problem = "No such file or directory" if "/" in words[0] else "command not found"
            return Outcome(err=f"{self._where}{words[0]}: {problem}\n", status=_NOT_FOUND)
        if name in _FILTERS and piped:
            return _FILTERS[name](words[1:], piped)
        answer = _BUILTINS.get(name)
        return answer(self, words[1:]) if answer else Outcome()

    def _redirect(self, outcome: Outcome, redirects: tuple[Redirect, ...]) -> Outcome:
        out, err = outcome.out, outcome.err
        for redirect in redirects:
            if redirect.target == "&1":
                out, err = (out + err, "") if redirect.source == 2 else (out, err)
                continue
            text, out, err = (out, "", err) if redirect.source == 1 else (err, out, "")
            self._write(self._resolve(redirect.target), text, is_append=redirect.is_append)
        return Outcome(out, err, outcome.status)

    def _write(self, path: str, text: str, *, is_append: bool) -> None:
        if path == "/dev/null" or path not in self._files and len(self._files) >= MAX_FILES:
            return
        before = self._files.get(path, self._persona.files.get(path, "")) if is_append else ""
        self._files[path] = (before + text)[:MAX_FILE_CHARS]

    def _set(self, name: str, value: str) -> None:
        if name in self._variables or len(self._variables) < MAX_VARIABLES:
            self._variables[name] = value[:MAX_VALUE_CHARS]

    def _resolve(self, path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = self._home + path[1:]
        return posixpath.normpath(posixpath.join(self._folder, path))

    def _text_of(self, path: str) -> str | None:
        """A file's text: written here, of the machine, or recorded."""
        if path in self._files:
            return self._files[path]
        if path == "/proc/cpuinfo":
            vendor = "GenuineIntel" if "Intel" in self._host.cpu else "AuthenticAMD"
            core = f"vendor_id\t: {vendor}\nmodel name\t: {self._host.cpu}\ncpu cores\t: {self._host.cores}\n\n"
            return "".join(f"processor\t: {number}\n{core}" for number in range(self._host.cores))
        if path == "/proc/version":
            return f"Linux version {self._host.kernel} (debian-kernel@lists.debian.org) {self._host.build}\n"
        if path == "/proc/meminfo":
            return f"MemTotal:       {self._host.memory_kib:8d} kB\nMemFree:        {self._host.memory_kib // 7:8d} kB\n"
        text = self._persona.files.get(path)
        if text is not None and path == "/etc/passwd" and self.user != "root":
            return f"{text}{self.user}:x:1000:1000:,,,:{self._home}:/bin/bash\n"
        return text

    def _names_in(self, path: str) -> list[str] | None:
        below = {f[len(path.rstrip("/")) + 1 :] for f in {*self._files, *self._folders} if posixpath.dirname(f) == path and f != path}
        if path in self._persona.listings:
            return sorted({*self._persona.listings[path], *below})
        return sorted(below) if below or path in self._folders else None

    def _echo(self, words: list[str]) -> Outcome:
        flags = ""
        while words and re.fullmatch(r"-[neE]+", words[0]):
            flags += words.pop(0)[1:]
        text = " ".join(words)
        if "e" in flags:
            text = _unescape(text)
        return Outcome(text if "n" in flags else text + "\n")

    def _printf(self, words: list[str]) -> Outcome:
        text = _unescape(words[0]) if words else ""
        for word in words[1:]:
            text = re.sub("%[sd]", lambda _, value=word: value, text, count=1)
        return Outcome(text)

    def _uname(self, words: list[str]) -> Outcome:
        host = self._host
        flags = "".join(word.lstrip("-") for word in words) or "s"
        if "a" in flags:
            return Outcome(host.uname + "\n")
        parts = {"s": "Linux", "n": host.name, "r": host.kernel, "v": host.build, "m": "x86_64", "o": "GNU/Linux"}
        return Outcome(" ".join(text for flag, text in parts.items() if flag in flags) + "\n")

    def _id(self, words: list[str]) -> Outcome:
        uid = 0 if self.user == "root" else 1000
        if words and words[0] in {"-u", "-g"}:
            return Outcome(f"{uid}\n")
        return Outcome("uid={0}({1}) gid={0}({1}) groups={0}({1})\n".format(uid, self.user))

    def _cd(self, words: list[str]) -> Outcome:
        path = self._resolve(words[0]) if words else self._home
        if self._names_in(path) is None and path not in {"/tmp", "/var/tmp", "/dev/shm"}:  # noqa: S108 - names only
            return Outcome(err=f"{self._where}cd: {words[0] if words else path}: No such file or directory\n", status=1)
        self._folder = path
        return Outcome()

    def _cat(self, words: list[str]) -> Outcome:
        out, err = "", ""
        for word in (w for w in words if not w.startswith("-")):
            path = self._resolve(word)
            text = self._text_of(path)
            if text is not None:
                out += text
            elif self._names_in(path) is not None:
                err += f"cat: {word}: Is a directory\n"
            else:
                err += f"cat: {word}: No such file or directory\n"
        return Outcome(out[:MAX_OUTPUT_CHARS], err, 1 if err else 0)

    def _ls(self, words: list[str]) -> Outcome:
        flags = "".join(word[1:] for word in words if word.startswith("-"))
        out, err = "", ""
        for word in [word for word in words if not word.startswith("-")] or ["."]:
            path = self._resolve(word)
            names = self._names_in(path)
            if names is None and self._text_of(path) is not None:
                out += f"{word}\n"
            elif names is None:
                err += f"ls: cannot access '{word}': No such file or directory\n"
            else:
                shown = [name for name in names if "a" in flags or not name.startswith(".")]
                out += "".join(f"{name}\n" for name in shown)
        return Outcome(out, err, 2 if err else 0)

    def _which(self, words: list[str]) -> Outcome:
        found = [f"/usr/bin/{word}\n" for word in words if word in self._persona.commands]
        return Outcome("".join(found), status=0 if len(found) == len(words) else 1)

    def _mkdir(self, words: list[str]) -> Outcome:
        for word in (w for w in words if not w.startswith("-")):
            if len(self._folders) < MAX_FILES:
                self._folders.add(self._resolve(word))
        return Outcome()

    def _rm(self, words: list[str]) -> Outcome:
        err = ""
        is_forced = any(word.startswith("-") and "f" in word for word in words)
        for word in (w for w in words if not w.startswith("-")):
            path = self._resolve(word)
            is_there = self._files.pop(path, None) is not None or path in self._folders
            self._folders.discard(path)
            if not is_there and not is_forced:
                err += f"rm: cannot remove '{word}': No such file or directory\n"
        return Outcome(err=err, status=1 if err else 0)

    def _exit(self, words: list[str]) -> Outcome:
        self.is_over = True
        return Outcome(status=int(words[0]) & 255 if words and words[0].isdecimal() and len(words[0]) < 10 else self.status)

    def _export(self, words: list[str]) -> Outcome:
        for word in words:
            name, equals, value = word.partition("=")
            if equals:
                self._set(name, value)
        return Outcome()

    def _free(self, words: list[str]) -> Outcome:
        scale = 1024 if "-m" in words else 1_048_576 if "-g" in words else 1
        total = self._host.memory_kib // scale
        used, free = total // 5, total // 7
        row = "".join(f"{value:>12}" for value in (total, used, free, total // 300, total - used - free, total - used))
        heads = "".join(f"{name:>12}" for name in ("total", "used", "free", "shared", "buff/cache", "available"))
        return Outcome(f"       {heads}\nMem:   {row}\nSwap:  {0:>12}{0:>12}{0:>12}\n")


def _unescape(text: str) -> str:
    """Backslash escapes of ``echo -e``; a broken one stays as it is. Bytes above ASCII become surrogates."""
    return re.sub(
        r"\\(x[0-9a-fA-F]{1,2}|0?[0-7]{1,3}|[abefnrtv\\])",
        lambda match: _ESCAPED.get(match[1]) or _byte(match[1]),
        text,
    )


def _byte(escape: str) -> str:
    code = int(escape[1:], 16) if escape[0] == "x" else int(escape, 8) & 255
    return bytes((code,)).decode("utf-8", "surrogateescape")


_ESCAPED = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def _grep(words: list[str], piped: str) -> Outcome:
    """Fixed strings only: an intruder's pattern is never compiled."""
    flags = "".join(word[1:] for word in words if word.startswith("-"))
    pattern = next((word for word in words if not word.startswith("-")), "")
    fold = str.lower if "i" in flags else str
    lines = [line for line in piped.splitlines() if (fold(pattern) in fold(line)) != ("v" in flags)]
    out = f"{len(lines)}\n" if "c" in flags else "".join(f"{line}\n" for line in lines)
    return Outcome(out, status=0 if lines else 1)


def _wc(words: list[str], piped: str) -> Outcome:
    counts = {"-l": piped.count("\n"), "-w": len(piped.split()), "-c": len(piped)}
    asked = [counts[word] for word in words if word in counts]
    return Outcome(f"{asked[0]}\n" if asked else "".join(f"{count:8d}" for count in counts.values()) + "\n")


def _count(words: list[str]) -> int:
    number = next((word.lstrip("-n") for word in words if word.lstrip("-n").isdecimal()), "10")
    return min(int(number[:6]), 10_000)


def _head(words: list[str], piped: str) -> Outcome:
    return Outcome("".join(piped.splitlines(keepends=True)[: _count(words)]))


def _tail(words: list[str], piped: str) -> Outcome:
    return Outcome("".join(piped.splitlines(keepends=True)[-_count(words) :]))


_FILTERS = MappingProxyType(
    {"grep": _grep, "wc": _wc, "head": _head, "tail": _tail, "cat": lambda _, piped: Outcome(piped)},
)

_BUILTINS: MappingProxyType[str, Callable[[Shell, list[str]], Outcome]] = MappingProxyType(
    {
        "[": lambda _, __: Outcome(),
        "cat": Shell._cat,
        "cd": Shell._cd,
        "crontab": lambda shell, words: Outcome(err=f"no crontab for {shell.user}\n", status=1) if "-l" in words else Outcome(),
        "echo": Shell._echo,
        "exit": Shell._exit,
        "export": Shell._export,
        "false": lambda _, __: Outcome(status=1),
        "free": Shell._free,
        "history": lambda _, __: Outcome(),
        "hostname": lambda shell, _: Outcome(f"{shell._host.name}\n"),
        "id": Shell._id,
        "logout": Shell._exit,
        "ls": Shell._ls,
        "mkdir": Shell._mkdir,
        "nproc": lambda shell, _: Outcome(f"{shell._host.cores}\n"),
        "printf": Shell._printf,
        "pwd": lambda shell, _: Outcome(f"{shell._folder}\n"),
        "rm": Shell._rm,
        "set": lambda _, __: Outcome(),
        "test": lambda _, __: Outcome(),
        "true": lambda _, __: Outcome(),
        "ulimit": lambda _, __: Outcome(),
        "uname": Shell._uname,
        "unset": lambda _, __: Outcome(),
        "which": Shell._which,
        "whoami": lambda shell, _: Outcome(f"{shell.user}\n"),
    }
)
"""What is answered; other programs of the persona succeed in silence, and what it does not have is not found."""
