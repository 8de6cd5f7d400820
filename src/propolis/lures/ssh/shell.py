"""The bash of a login: a shell with a prompt, a message of the day, and programs that wait for input."""

import posixpath
from collections import deque

from propolis.lures.ssh.persona import Persona
from propolis.machine.host import Host
from propolis.machine.machine import Machine
from propolis.machine.shell import Shell as Interpreter
from propolis.machine.system import uname
from propolis.machine.words import Command, Unfinished, parse

_SHELLS = frozenset({"sh", "bash", "dash"})
_SINKS = frozenset({"cat", "tee", "dd"})


class Shell(Interpreter):
    """The shell of one connection. Files that it is told to write are there for the rest of it, within bounds."""

    def __init__(self, persona: Persona, host: Host, user: str) -> None:
        super().__init__(Machine(persona, host, user))
        self.commands = 0
        self._motd = persona.files.get("/etc/motd", "")

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
        if last is None or last.join == "|" or last.given:
            return False
        name = posixpath.basename(last.words[0])
        return name in _SINKS and not (
            name == "cat" and any(not word.startswith("-") for word in last.words[1:])
        )

    def _last(self, line: str) -> Command | None:
        try:
            last = next(iter(deque(parse(line, self._machine.value_of, str), maxlen=1)), None)
        except Unfinished:
            return None
        return last if last and last.words else None
