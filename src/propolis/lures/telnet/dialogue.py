"""The telnet dialogue: telnetd's negotiation, login's prompts, and a shell for those who guess well."""

import hashlib
from collections.abc import Iterable
from typing import ClassVar, Literal

from propolis.events import ClientIdentified, CommandRun, CredentialTried, Malformed
from propolis.lures.lure import Effect, Emit, Hangup, Reply, Visit
from propolis.lures.telnet import wire
from propolis.lures.telnet.accept import is_accepted
from propolis.lures.telnet.persona import host
from propolis.lures.telnet.shell import Shell

LINE_BYTES = 4_095
"""A terminal's line in canonical mode; what is typed beyond is lost."""
MAX_COMMANDS = 1_000
NEGOTIATIONS = 256
"""More options than there are: a client that goes on is answered no more."""
SAMPLE_BYTES = 4_096

_FIRST = frozenset(
    (wire.TERMINAL_TYPE, wire.TERMINAL_SPEED, wire.X_DISPLAY, wire.NEW_ENVIRON, wire.OLD_ENVIRON)
)
_SECOND = frozenset((wire.NAWS,))
"""The one answer telnetd then waits for."""
_ASKED_IN_ORDER = (wire.TERMINAL_SPEED, wire.X_DISPLAY, wire.NEW_ENVIRON, wire.TERMINAL_TYPE)
_OURS = frozenset((0, 1, 3, 5, 6, 18, 31, 33, 34, 37, 38)) | _FIRST
"""Options telnetd itself brings up; any other is turned down."""
_REFUSALS = {wire.DO: wire.WONT, wire.WILL: wire.DONT}
_ERASE, _BACKSPACE, _KILL, _INTERRUPT, _END = b"\x7f", b"\x08", b"\x15", b"\x03", b"\x04"
_CONTROLS = bytes(range(0x20)) + b"\x7f"

_Phase = Literal["greeting", "options", "login", "password", "shell"]


class TelnetLure:
    """GNU telnetd of Debian before its environment was closed (CVE-2026-24061), login, and BusyBox's shell."""

    name: ClassVar[str] = "telnet"
    __slots__ = (
        "_after_cr",
        "_commands",
        "_effects",
        "_has_asked",
        "_host",
        "_is_broken",
        "_is_over",
        "_line",
        "_parser",
        "_phase",
        "_seen",
        "_shell",
        "_terminal",
        "_tries",
        "_username",
        "_visit",
        "_waiting",
        "_wills",
    )

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._host = host(visit.persona, visit.machine)
        self._parser = wire.Parser()
        self._phase: _Phase = "greeting"
        self._waiting = _FIRST
        self._wills: tuple[int, ...] = ()
        self._seen = b""
        self._terminal = ""
        self._username = ""
        self._line = b""
        self._tries = 0
        self._commands = 0
        self._after_cr = False
        self._is_over = False
        self._is_broken = False
        self._shell: Shell | None = None
        self._has_asked = False
        self._effects: list[Effect] = []

    def connected(self) -> Iterable[Effect]:
        """Speak first: the options telnetd wants."""
        return (Reply(self._host.greeting[0]),)

    def receive(self, data: bytes) -> Iterable[Effect]:
        """Negotiations and typed bytes, split anywhere."""
        if self._is_over:
            return ()
        self._effects = []
        for token in self._parser.feed(data):
            if not self._is_over:
                self._take(token)
        return self._effects

    def _take(self, token: wire.Token) -> None:
        match token:
            case wire.Data(content):
                self._typed(content)
            case wire.Negotiation(verb, option):
                self._negotiated(verb, option)
            case wire.Subnegotiation():
                self._told(token)
            case wire.Command(wire.AYT):
                self._say(b"\r\n[Yes]\r\n")
            case wire.Command():
                pass

    def closed(self) -> Iterable[Effect]:
        """The client left; a password half typed was not tried."""
        self._is_over = True
        return ()

    def _say(self, data: bytes) -> None:
        self._effects.append(Reply(data))

    def _emit(self, event: ClientIdentified | CommandRun | CredentialTried | Malformed) -> None:
        self._effects.append(Emit(event))

    def _negotiated(self, verb: int, option: int) -> None:
        """One option answered or brought up (RFC 854); the first answers move the greeting on."""
        if len(self._seen) >= 2 * NEGOTIATIONS:
            return
        self._seen += bytes((verb, option))
        if option not in _OURS:
            refusal = _REFUSALS.get(verb)
            if refusal:
                self._say(bytes((wire.IAC, refusal, option)))
            return
        if verb not in (wire.WILL, wire.WONT):
            return
        if verb == wire.WILL and self._phase == "greeting":
            self._wills += (option,)
        if option in self._waiting:
            self._waiting -= {option}
            if not self._waiting:
                self._advance()

    def _advance(self) -> None:
        """The next part of the greeting, now that everything asked for has been answered."""
        if self._phase == "greeting":
            asked = [option for option in _ASKED_IN_ORDER if option in self._wills]
            if asked and not self._has_asked:
                self._has_asked, self._waiting = True, frozenset(asked)
                self._say(b"".join(bytes((0xFF, wire.SB, one, wire.SEND, 0xFF, wire.SE)) for one in asked))
                return
            self._phase, self._waiting = "options", _SECOND
            self._say(self._host.greeting[1])
        elif self._phase == "options":
            self._begin_login()

    def _told(self, said: wire.Subnegotiation) -> None:
        """A terminal type (RFC 1091) or an environment (RFC 1572)."""
        if said.is_cut and not self._is_broken:
            self._is_broken = True
            self._emit(Malformed("subnegotiation length", said.content[:SAMPLE_BYTES]))
        if not said.content or said.content[0] == wire.SEND:
            return
        if said.option == wire.TERMINAL_TYPE and not self._terminal:
            self._terminal = said.content[1:41].decode(errors="backslashreplace")
        if said.option in (wire.NEW_ENVIRON, wire.OLD_ENVIRON) and self._phase in (
            "greeting",
            "options",
            "login",
        ):
            self._environment(said.content)
        if self._phase == "greeting" and self._has_asked and said.option in self._waiting:
            self._waiting -= {said.option}
            if not self._waiting:
                self._advance()

    def _environment(self, content: bytes) -> None:
        """The user name telnetd hands to login; ``-f`` is an option to login (CVE-2026-24061)."""
        username = wire.environment(content).get("USER", "")
        self._username = username
        if username.startswith("-f"):
            self._emit(
                CredentialTried(username, "", "environ", accepted=True, payload=content[:SAMPLE_BYTES])
            )

    def _begin_login(self) -> None:
        """Whatever of the greeting is left, the banner, and the first prompt."""
        left = self._host.greeting[2]
        if self._phase == "greeting":
            left = self._host.greeting[1] + left
        if self._seen:
            digest = hashlib.blake2b(self._seen, digest_size=8).hexdigest()
            self._emit(ClientIdentified(self._terminal, digest))
        banner = left + self._host.banner(self._visit.target_ip)
        if self._username.startswith("-f"):
            self._enter_shell(banner)
        elif self._username:
            self._phase = "password"
            self._say(banner + self._host.password)
        else:
            self._phase = "login"
            self._say(banner + self._host.login)

    def _typed(self, data: bytes) -> None:
        """What a terminal sends: lines end in CR NUL, CR LF (RFC 854) or what else clients send."""
        if self._after_cr and data[0] in b"\n\0":
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        if self._phase in ("greeting", "options"):
            self._begin_login()
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r\0", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._edit(line)
            if not self._is_over:
                self._entered()
            if self._is_over:
                return
        self._edit(rest)

    def _edit(self, typed: bytes) -> None:
        """Take bytes into the line as a terminal does, and echo them unless it is a password."""
        if not typed:
            return
        if len(typed.translate(None, _CONTROLS)) == len(typed):
            kept = typed[: LINE_BYTES - len(self._line)]
            self._line += kept
            self._echo(kept)
            return
        for index in range(len(typed)):
            if not self._is_over:
                self._key(typed[index : index + 1])

    def _key(self, key: bytes) -> None:
        if key == _ERASE or (key == _BACKSPACE and self._shell is not None):
            self._wipe(self._line[-1:])
        elif key == _KILL:
            self._wipe(self._line)
        elif key == _END and not self._line:
            self._hang_up()
        elif key == _INTERRUPT:
            self._interrupted()
        elif len(self._line) < LINE_BYTES:
            self._line += key
            self._echo(b"^" + bytes((key[0] ^ 0x40,)) if key < b" " else key)

    def _wipe(self, typed: bytes) -> None:
        """Take the end of the line back, on the screen too, where a control character shows as two."""
        self._line = self._line[: len(self._line) - len(typed)]
        self._echo(b"\b \b" * sum(2 if byte < 0x20 else 1 for byte in typed))

    def _interrupted(self) -> None:
        """Control C: login ends, the shell begins a new line."""
        self._line = b""
        if self._shell is None:
            self._hang_up()
        else:
            self._say(b"^C\r\n" + self._shell.prompt.encode("latin-1"))

    def _echo(self, data: bytes) -> None:
        if self._phase != "password" and data:
            self._say(data)

    def _entered(self) -> None:
        line = self._line
        self._line = b""
        if self._shell is not None:
            self._run(self._shell, line)
        elif self._phase == "login":
            self._username = line.decode(errors="backslashreplace")
            self._phase = "password"
            self._say(b"\r\n" + self._host.password)
        else:
            self._try(line)

    def _try(self, line: bytes) -> None:
        """One password, right or wrong; after the last one login gives up."""
        password = line.decode(errors="backslashreplace")
        accepted = is_accepted(self._visit.seed, self._visit.source_ip, self._username, password)
        self._emit(CredentialTried(self._username, password, "password", accepted))
        if accepted:
            self._enter_shell(b"\r\n")
            return
        self._tries += 1
        self._say(b"\r\n")
        persona = self._host.persona
        is_last = self._tries >= persona.tries
        after = self._host.exceeded if is_last else self._host.incorrect_login
        self._effects.append(Reply(after, persona.fail_seconds))
        self._phase, self._username = "login", ""
        if is_last:
            self._hang_up()

    def _enter_shell(self, before: bytes) -> None:
        self._shell = Shell(self._host, self._visit)
        self._phase = "shell"
        self._say(before + self._host.welcome + self._shell.prompt.encode("latin-1"))

    def _run(self, shell: Shell, line: bytes) -> None:
        self._say(b"\r\n")
        if line.strip():
            self._commands += 1
            self._emit(CommandRun(line.decode(errors="backslashreplace"), line))
            printed = shell.run(line.decode("latin-1")).replace("\n", "\r\n").encode("latin-1", "replace")
            if printed:
                self._say(printed)
        if shell.is_over or self._commands >= MAX_COMMANDS:
            self._hang_up()
        else:
            self._say(shell.prompt.encode("latin-1", "replace"))

    def _hang_up(self) -> None:
        self._is_over = True
        self._effects.append(Hangup())
