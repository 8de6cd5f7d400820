"""The shell behind the login: lines to commands, commands to recorded answers or small programs.

Nothing is run. Text is Latin-1, so that bytes go in and out unchanged; lines end in LF.
"""

import re
from collections.abc import Sequence

from propolis.lures.lure import Visit
from propolis.lures.telnet.commands import PROGRAMS
from propolis.lures.telnet.line import Simple, parse
from propolis.lures.telnet.persona import Host
from propolis.lures.telnet.session import Session

OUTPUT_BYTES = 65_536
NESTED = 8
"""Shells within shells before another one is silently the same."""

_BUILTINS = frozenset(
    {
        ".",
        ":",
        "alias",
        "bg",
        "break",
        "continue",
        "eval",
        "exec",
        "export",
        "fg",
        "hash",
        "jobs",
        "let",
        "local",
    }
    | {
        "read",
        "readonly",
        "return",
        "set",
        "shift",
        "times",
        "trap",
        "type",
        "ulimit",
        "umask",
        "unalias",
        "unset",
    }
    | {"true", "wait"}
)
_SHELLS = frozenset(("sh", "ash", "/bin/sh", "/bin/ash"))
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_FOLDERS_OF_PROGRAMS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")


class Shell:
    """BusyBox's ash, as far as those who break in use it."""

    def __init__(self, host: Host, visit: Visit) -> None:
        self._session = Session(host, visit)
        self._depth = 0

    @property
    def is_over(self) -> bool:
        """Whether the outermost shell was left."""
        return not self._session.names

    @property
    def prompt(self) -> str:
        """The prompt, with the home folder shortened as BusyBox does."""
        folder = self._session.files.folder
        return f"{'~' if folder == '/root' else folder} # "

    def run(self, line: str) -> str:
        """Everything one line prints, at most :data:`OUTPUT_BYTES`."""
        commands = parse(line)
        if commands is None:
            return ""
        out, piped = "", ""
        for index, command in enumerate(commands):
            if self.is_over or self._is_skipped(command):
                continue
            printed, complaints = self._simple(command, piped if command.joined == "|" else "")
            is_piped = index + 1 < len(commands) and commands[index + 1].joined == "|"
            piped = printed if is_piped else ""
            out += complaints if is_piped else printed + complaints
            if len(out) > OUTPUT_BYTES:
                break
        return out[:OUTPUT_BYTES]

    def _is_skipped(self, command: Simple) -> bool:
        failed = self._session.status != 0
        return (command.joined == "&&" and failed) or (command.joined == "||" and not failed)

    def _simple(self, command: Simple, given: str) -> tuple[str, str]:
        """What one command prints on standard output, and on standard error."""
        words = [self._expanded(word) for word in command.words]
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        self._session.complaints = ""
        printed = self._call(words, given) if words else ""
        if command.into and command.into != "/dev/null":
            printed = self._write(command, printed)
        complaints = "" if command.is_quiet else self._session.complaints
        return ("" if command.into else printed), complaints

    def _write(self, command: Simple, printed: str) -> str:
        session = self._session
        if not session.files.may_write(command.into):
            return session.fail(f"{session.name}: can't create {command.into}: nonexistent directory")
        session.files.write(command.into, printed, append=command.is_appended)
        return ""

    def _expanded(self, word: str) -> str:
        if "$" not in word:
            return word
        return (
            word.replace("$?", str(self._session.status)).replace("$HOME", "/root").replace("$USER", "root")
        )

    def _call(self, words: Sequence[str], given: str) -> str:
        session = self._session
        session.status = 0
        persona = session.host.persona
        name = words[0]
        for folder in _FOLDERS_OF_PROGRAMS:
            name = name.removeprefix(folder)
        if name == "busybox" and len(words) > 1:
            return self._applet(words[1:], given)
        if words[0] in _SHELLS:
            return self._nested(words[1:])
        answer = persona.answers.get(" ".join((name, *words[1:])))
        if answer is not None and name != "netstat":
            return session.host.fill(answer)
        if name in PROGRAMS:
            return PROGRAMS[name](session, words[1:], given)
        if name in _BUILTINS or (name in persona.applets and session.files.is_runnable(words[0]) is None):
            return ""
        return self._program(words[0])

    def _program(self, name: str) -> str:
        """A name that is neither built in nor installed: a file somebody wrote, or nothing."""
        is_runnable = self._session.files.is_runnable(name) if "/" in name else None
        if is_runnable:
            return ""
        if is_runnable is None:
            return self._session.fail(f"{self._session.name}: {name}: not found", 127)
        return self._session.fail(f"{self._session.name}: {name}: Permission denied", 126)

    def _applet(self, words: Sequence[str], given: str) -> str:
        if words[0] in self._session.host.persona.applets or words[0] in _SHELLS:
            return self._call(words, given)
        answer = self._session.host.persona.answers.get(" ".join(("busybox", *words)))
        return answer or self._session.fail(f"{words[0]}: applet not found", 127)

    def _nested(self, words: Sequence[str]) -> str:
        """A shell within: for a line (``-c``), for a file, or to go on in."""
        session = self._session
        if words[:1] == ["-c"] and len(words) > 1:
            self._depth += 1
            printed = self.run(words[1]) if self._depth < NESTED else ""
            self._depth -= 1
            return printed
        if words:
            is_there = session.files.read(words[0]) is not None
            return (
                "" if is_there else session.fail(f"sh: can't open '{words[0]}': No such file or directory", 2)
            )
        if len(session.names) < NESTED:
            session.names = [*session.names, "sh"]
        welcome = session.host.persona.welcome
        return "\n" + welcome[welcome.rindex("\nBusyBox") :]
