"""What runs in a session channel: a login shell, one command, or something that swallows an upload."""

from typing import Protocol

from propolis.events import CommandRun, PayloadReceived
from propolis.lures.ssh.shell import Shell
from propolis.lures.ssh.terminal import Interrupt, Line, Pipe, Terminal
from propolis.lures.ssh.wire import Wire
from propolis.machine.outcome import Outcome

MAX_COMMANDS = 512
"""Commands on one connection; the next one ends its session."""
MAX_COMMAND_CHARS = 32_768
"""How much of a command line is reported as text."""
MAX_UPLOAD_BYTES = 1_048_576
"""How much of what a command reads is kept and reported."""


class Write(Protocol):
    """Takes output."""

    def __call__(self, data: bytes, *, is_error: bool = False) -> None:
        """Bytes for standard output or standard error."""
        ...


class Finish(Protocol):
    """Takes the exit status."""

    def __call__(self, status: int) -> None:
        """The program is over."""
        ...


class Session:
    """One program. Lines go to the shell, which runs nothing; output goes to ``write``, the end to ``finish``."""

    def __init__(self, shell: Shell, wire: Wire, write: Write, finish: Finish, *, has_terminal: bool) -> None:
        self._shell = shell
        self._wire = wire
        self._write = write
        self._finish = finish
        self._terminal = Terminal() if has_terminal else None
        self._input: Pipe | Terminal = self._terminal or Pipe()
        self._upload: bytearray | None = None
        self._name = "-bash"
        self._line_number = 0
        self._is_over = False
        shell.begin()

    def login(self) -> None:
        """A login shell: the message of the day, and a prompt if there is a terminal."""
        self._show(Outcome(out=self._shell.motd))
        self._prompt()

    def execute(self, command: bytes) -> None:
        """One command, as ``ssh host command`` gives it."""
        text = self._report(command)
        if self._shell.reads_commands(text):
            self._name = "bash"
        elif self._shell.reads_data(text):
            self._upload = bytearray()
        else:
            self._show(self._shell.run(text, "bash: line 1: "))
            self._exit()

    def feed(self, data: bytes) -> None:
        """Standard input."""
        if self._is_over:
            return
        if self._upload is not None:
            self._upload += data[: MAX_UPLOAD_BYTES - len(self._upload)]
            return
        for what in self._input.feed(data):
            if isinstance(what, bytes):
                self._write(what)
            elif isinstance(what, Line):
                self._run(what.text)
            elif isinstance(what, Interrupt):
                self._shell.status = 130
                self._prompt()
            else:
                self._leave()
            if self._is_over:
                return

    def end(self) -> None:
        """End of standard input."""
        if self._is_over:
            return
        if self._upload is not None:
            self.cut_off()
            self._shell.status = 0
            self._exit()
            return
        for what in self._input.end():
            if isinstance(what, Line):
                self._run(what.text)
        if not self._is_over:
            self._exit()

    def cut_off(self) -> None:
        """The channel goes away: report what was uploaded."""
        if self._upload:
            self._wire.emit(PayloadReceived(bytes(self._upload)))
        self._upload = None

    def _run(self, line: bytes) -> None:
        self._line_number += 1
        if not line.strip():
            self._prompt()
            return
        text = self._report(line)
        where = f"{self._name}: " if self._terminal else f"{self._name}: line {self._line_number}: "
        self._show(self._shell.run(text, where))
        if self._shell.is_over or self._shell.commands >= MAX_COMMANDS:
            self._leave() if self._name == "-bash" and self._terminal else self._exit()
        else:
            self._prompt()

    def _report(self, line: bytes) -> str:
        text = line.decode("utf-8", "backslashreplace")[:MAX_COMMAND_CHARS]
        self._wire.emit(CommandRun(text, line))
        self._shell.commands += 1
        return line.decode("utf-8", "surrogateescape")

    def _leave(self) -> None:
        self._write(b"logout\r\n")
        self._exit()

    def _exit(self) -> None:
        self._is_over = True
        self._finish(self._shell.status)

    def _prompt(self) -> None:
        if self._terminal and not self._is_over:
            self._write(self._terminal.prompt(self._shell.prompt))

    def _show(self, outcome: Outcome) -> None:
        """Output; a terminal has one stream only, and ends lines with a return."""
        for text, is_error in ((outcome.out, False), (outcome.err, True)):
            data = text.encode("utf-8", "surrogateescape")
            if data and self._terminal:
                self._write(data.replace(b"\n", b"\r\n"))
            elif data:
                self._write(data, is_error=is_error)
