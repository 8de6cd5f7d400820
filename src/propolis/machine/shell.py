"""A shell that answers what intruders ask first, and runs nothing."""

import posixpath
import re
from collections import deque

import msgspec

from propolis.machine.commands import COMMANDS, EVERYWHERE
from propolis.machine.machine import MAX_VALUE_CHARS, Machine
from propolis.machine.outcome import MAX_OUTPUT_CHARS, Outcome
from propolis.machine.words import Command, Input, Redirect, Unfinished, parse

MAX_NESTING = 4
"""Commands inside commands."""
MAX_COMMANDS = 256
"""Simple commands of one line, those inside it included."""

_GLOB_COST = 8
_NOT_FOUND = 127
_STDERR = 2
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_PREFIXES = frozenset(
    {
        "sudo",
        "nohup",
        "time",
        "exec",
        "command",
        "builtin",
        "then",
        "do",
        "{",
        "if",
        "else",
        "!",
        "while",
    }
)
_ENDINGS = frozenset({"fi", "done", "}", "for"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL | re.ASCII)


class Dialect(msgspec.Struct, frozen=True):
    """How a shell complains, behind what it puts before every complaint."""

    not_found: str
    no_file: str
    cannot_cd: str
    unfinished: str


BASH = Dialect(
    not_found="{}: command not found",
    no_file="{}: No such file or directory",
    cannot_cd="cd: {}: No such file or directory",
    unfinished="unexpected EOF while looking for matching `\"'",
)
DASH = Dialect(
    not_found="{}: not found",
    no_file="{}: not found",
    cannot_cd="cd: can't cd to {}",
    unfinished="Syntax error: Unterminated quoted string",
)


class Shell:
    """A shell at work on one machine. Files that it is told to write are there for as long as the machine is."""

    def __init__(self, machine: Machine, dialect: Dialect = BASH) -> None:
        self._machine = machine
        self._dialect = dialect
        self._where = ""
        self._depth = 0
        self._left = MAX_COMMANDS

    def run(self, line: str, where: str) -> Outcome:
        """Pretend to run a line. ``where`` is what the shell puts before its errors, such as ``-bash: line 2: ``.

        Output is bounded by :data:`~propolis.machine.outcome.MAX_OUTPUT_CHARS`, work by :data:`MAX_COMMANDS`.
        """
        if not self._depth:
            self._left = MAX_COMMANDS
        if not self._is_finished(line):
            self._machine.status = 2
            return Outcome(err=f"{where}{self._dialect.unfinished}\n", status=2)
        self._where = where
        out = err = piped = ""
        machine = self._machine
        for command in parse(line, machine.value_of, self._substitute, self._glob):
            self._left -= 1
            if self._left < 0:
                break
            if machine.is_over or (command.join, machine.status == 0) in {("&&", False), ("||", True)}:
                continue
            done = self._simple(command, piped if command.join == "|" else "")
            shown = self._redirect(done, command.redirects)
            machine.status = shown.status
            err = (err + shown.err)[:MAX_OUTPUT_CHARS]
            piped = shown.out if command.is_piped else ""
            out = (out + ("" if command.is_piped else shown.out))[:MAX_OUTPUT_CHARS]
        return Outcome(out, err, machine.status)

    def _is_finished(self, line: str) -> bool:
        """Whether every quote is closed; a shell runs nothing of a line before it knows."""
        try:
            deque(parse(line, str, str), maxlen=0)
        except Unfinished:
            return False
        return True

    def _substitute(self, line: str) -> str:
        """What ``$(line)`` stands for."""
        if self._depth >= MAX_NESTING:
            return ""
        self._depth += 1
        where = self._where
        out = self.run(line, where).out
        self._where = where
        self._depth -= 1
        return out[:MAX_VALUE_CHARS].rstrip("\n")

    def _glob(self, pattern: str) -> list[str]:
        """Paths for a pattern, which costs as much as a few commands."""
        self._left -= _GLOB_COST
        return self._machine.glob(pattern) if self._left > 0 else [pattern]

    def _simple(self, command: Command, piped: str) -> Outcome:
        words = list(command.words)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            name, _, value = words.pop(0).partition("=")
            self._machine.set_value(name, value)
        while words and words[0] in _PREFIXES:
            words.pop(0)
        if not words or words[0] in _ENDINGS:
            return Outcome()
        given = self._given(command.given) if command.given else piped
        if given is None:
            return self._fault(
                "cannot open {}: No such file", command.given.target if command.given else "", 2
            )
        return self._call(words, given)

    def _given(self, source: Input) -> str | None:
        if source.is_text:
            return source.target + "\n"
        return self._machine.text_of(self._machine.resolve(source.target))

    def _call(self, words: list[str], given: str) -> Outcome:
        called, name = words[0], posixpath.basename(words[0])
        if name == "busybox" and len(words) > 1 and self._machine.has_program(name):
            applet = words[1]
            is_applet = applet in COMMANDS or applet in _SHELLS
            missing = Outcome(err=f"{applet}: applet not found\n", status=_NOT_FOUND)
            return self._call(words[1:], given) if is_applet else missing
        if name in _SHELLS:
            return self._nested(words[1:], given)
        if name in {"eval", "exec"}:
            return self._inner(" ".join(words[1:]))
        if "/" in called and self._machine.text_of(self._machine.resolve(called)) is not None:
            return Outcome()
        if not self._machine.has_program(name) and not (name in EVERYWHERE and "/" not in called):
            return self._fault(
                self._dialect.no_file if "/" in called else self._dialect.not_found, called, _NOT_FOUND
            )
        answered = COMMANDS[name](self._machine, words[1:], given) if name in COMMANDS else Outcome()
        if name == "cd" and answered.err:
            return self._fault(self._dialect.cannot_cd, (words[1:] or [""])[0], answered.status)
        return answered

    def _nested(self, words: list[str], given: str) -> Outcome:
        """A shell within: for a line (``-c``), for what is piped in, or for a file."""
        if "-c" in words:
            return self._inner((words[words.index("-c") + 1 :] or [""])[0])
        scripts = [word for word in words if not word.startswith("-")]
        if scripts and self._machine.text_of(self._machine.resolve(scripts[0])) is None:
            return Outcome(err=f"sh: 0: cannot open {scripts[0]}: No such file\n", status=2)
        return self._inner(given) if given and not scripts else Outcome()

    def _inner(self, line: str) -> Outcome:
        if self._depth >= MAX_NESTING:
            return Outcome()
        self._depth += 1
        where = self._where
        outcome = self.run(line, where)
        self._where = where
        self._depth -= 1
        return outcome

    def _fault(self, text: str, name: str, status: int) -> Outcome:
        return Outcome(err=f"{self._where}{text.format(name)}\n", status=status)

    def _redirect(self, outcome: Outcome, redirects: tuple[Redirect, ...]) -> Outcome:
        out, err = outcome.out, outcome.err
        for redirect in redirects:
            if redirect.target == "&1":
                out, err = (out + err, "") if redirect.source == _STDERR else (out, err)
                continue
            text = err if redirect.source == _STDERR else out
            out, err = (out, "") if redirect.source == _STDERR else ("", err)
            self._machine.write(self._machine.resolve(redirect.target), text, is_append=redirect.is_append)
        return Outcome(out, err, outcome.status)
