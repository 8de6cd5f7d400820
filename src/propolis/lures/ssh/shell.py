"""A bash that answers what intruders ask first, and runs nothing."""

import posixpath
import re
from collections import deque

from propolis.lures.ssh.persona import Persona
from propolis.machine.commands import COMMANDS, FILTERS, MAX_OUTPUT_CHARS, Outcome, uname
from propolis.machine.host import Host
from propolis.machine.machine import MAX_VALUE_CHARS, Machine
from propolis.machine.words import Command, Redirect, Unfinished, parse

MAX_NESTING = 3
"""Commands inside commands."""

_NOT_FOUND = 127
_STDERR = 2
_SHELLS = frozenset({"sh", "bash", "dash"})
_SINKS = frozenset({"cat", "tee", "dd"})
_PREFIXES = frozenset({"sudo", "nohup", "time", "exec", "command", "then", "do", "{", "if", "else"})
_ENDINGS = frozenset({"fi", "done", "}", "for", "while"})
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)


class Shell:
    """The shell of one connection. Files that it is told to write are there for the rest of it, within bounds."""

    def __init__(self, persona: Persona, host: Host, user: str) -> None:
        self.commands = 0
        self._machine = Machine(persona, host, user)
        self._motd = persona.files.get("/etc/motd", "")
        self._where = ""
        self._depth = 0

    @property
    def status(self) -> int:
        """The exit status of the last command."""
        return self._machine.status

    @status.setter
    def status(self, status: int) -> None:
        self._machine.status = status

    @property
    def is_over(self) -> bool:
        """Whether ``exit`` was said in this session."""
        return self._machine.is_over

    @property
    def prompt(self) -> str:
        """PS1 of Debian's bashrc."""
        folder, home = self._machine.folder, self._machine.home
        if folder == home or folder.startswith(home + "/"):
            folder = "~" + folder[len(home) :]
        return f"{self._machine.user}@{self._machine.host.name}:{folder}{'#' if home == '/root' else '$'} "

    @property
    def motd(self) -> str:
        """What PAM shows at login: ``uname -snrvm`` and the recorded text."""
        return uname(self._machine, ["-snrvm"]).out + self._motd

    def begin(self) -> None:
        """A new session starts at home."""
        self._machine.folder = self._machine.home
        self._machine.is_over = False

    def reads_commands(self, line: str) -> bool:
        """Whether this line starts a shell that reads commands from standard input."""
        last = self._last(line)
        return last is not None and len(last.words) == 1 and posixpath.basename(last.words[0]) in _SHELLS

    def reads_data(self, line: str) -> bool:
        """Whether this line ends in a program that swallows standard input, as uploads through ``cat`` do."""
        last = self._last(line)
        if last is None or last.join == "|":
            return False
        name = posixpath.basename(last.words[0])
        return name in _SINKS and not (
            name == "cat" and any(not word.startswith("-") for word in last.words[1:])
        )

    def run(self, line: str, where: str) -> Outcome:
        """Pretend to run a line. ``where`` is what bash puts before its errors, such as ``-bash: line 2: ``.

        Output is bounded by :data:`~propolis.machine.commands.MAX_OUTPUT_CHARS`.
        """
        if not self._is_finished(line):
            self.status = 2
            return Outcome(err=f"{where}unexpected EOF while looking for matching `\"'\n", status=2)
        self._where = where
        out = err = piped = ""
        for command in parse(line, self._machine.value_of, self._substitute):
            if self.is_over or (command.join, self.status == 0) in {("&&", False), ("||", True)}:
                continue
            shown = self._redirect(
                self._simple(command, piped if command.join == "|" else ""), command.redirects
            )
            self.status = shown.status
            err = (err + shown.err)[:MAX_OUTPUT_CHARS]
            piped = shown.out if command.is_piped else ""
            out = (out + ("" if command.is_piped else shown.out))[:MAX_OUTPUT_CHARS]
        return Outcome(out, err, self.status)

    def _is_finished(self, line: str) -> bool:
        """Whether every quote is closed; bash runs nothing of a line before it knows."""
        try:
            deque(parse(line, str, str), maxlen=0)
        except Unfinished:
            return False
        return True

    def _last(self, line: str) -> Command | None:
        try:
            return next(iter(deque(parse(line, self._machine.value_of, str), maxlen=1)), None)
        except Unfinished:
            return None

    def _substitute(self, line: str) -> str:
        """What ``$(line)`` stands for."""
        if self._depth >= MAX_NESTING:
            return ""
        self._depth += 1
        out = self.run(line, self._where).out
        self._depth -= 1
        return out[:MAX_VALUE_CHARS].rstrip("\n").replace("\n", " ")

    def _simple(self, command: Command, piped: str) -> Outcome:
        words = list(command.words)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            name, _, value = words.pop(0).partition("=")
            self._machine.set_value(name, value)
        while words and words[0] in _PREFIXES:
            words.pop(0)
        if not words or words[0] in _ENDINGS:
            return Outcome()
        called, name = words[0], posixpath.basename(words[0])
        if "/" in called and self._machine.text_of(self._machine.resolve(called)) is not None:
            return Outcome()
        if name not in COMMANDS and not self._machine.has_program(name):
            problem = "No such file or directory" if "/" in called else "command not found"
            return Outcome(err=f"{self._where}{called}: {problem}\n", status=_NOT_FOUND)
        if name in FILTERS and piped:
            return FILTERS[name](words[1:], piped)
        answered = COMMANDS[name](self._machine, words[1:]) if name in COMMANDS else Outcome()
        if name == "cd" and answered.err:
            return Outcome(err=self._where + answered.err, status=answered.status)
        return answered

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
