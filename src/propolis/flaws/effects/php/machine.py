"""One script at work: variables, output, the request it sees, and what it may still cost."""

from collections.abc import Callable

from propolis.flaws.effects.execute import execute
from propolis.flaws.effects.php.values import MAX_TEXT, Array, Value, text_of
from propolis.flaws.scene import Scope

MAX_OUTPUT = 262_144
MAX_STEPS = 5_000
MAX_VARIABLES = 256
MAX_EVALS = 8
"""Code inside code."""
MAX_COMMANDS = 16


class Stop(Exception):  # noqa: N818 - an end, not a fault
    """The script is over: ``die``, a fatal error, or a bound."""


class Php:
    """One script at work: its variables, what it has printed, and what it may still do."""

    def __init__(self, scope: Scope, run: "Callable[[Php, str], Value]") -> None:
        self.scope = scope
        self.output = ""
        self._run = run
        self._variables: dict[str, Value] = {}
        self._steps = MAX_STEPS
        self._evals = MAX_EVALS
        self._commands = MAX_COMMANDS

    def step(self) -> None:
        """Count. Raises :class:`Stop`."""
        self._steps -= 1
        if self._steps < 0:
            raise Stop

    def say(self, text: str) -> None:
        """Print."""
        self.output = (self.output + text)[:MAX_OUTPUT]

    def read(self, name: str) -> Value:
        """A variable; the superglobals are the request's."""
        family = _GLOBALS.get(name)
        return _Request(self.scope, family) if family else self._variables.get(name)

    def write(self, name: str, value: Value) -> None:
        """Set a variable, within bounds."""
        if name in self._variables or len(self._variables) < MAX_VARIABLES:
            self._variables[name] = value[:MAX_TEXT] if isinstance(value, str) else value

    def shell(self, command: str) -> str:
        """What the persona's shell prints."""
        self._commands -= 1
        if self._commands < 0:
            raise Stop
        return execute(self.scope, command.encode("latin-1", "replace")).decode("latin-1")

    def eval(self, code: str) -> Value:
        """Run code inside the script."""
        self._evals -= 1
        if self._evals < 0:
            raise Stop
        value = self._run(self, code)
        self._evals += 1
        return value


_GLOBALS = {
    "_COOKIE": ("cookie",),
    "_FILES": ("file",),
    "_GET": ("query",),
    "_POST": ("form",),
    "_REQUEST": ("query", "form", "cookie"),
    "_SERVER": ("",),
}


class _Request(Array):
    """A superglobal: looked up in the request when a key is asked for."""

    def __init__(self, scope: Scope, families: tuple[str, ...]) -> None:
        super().__init__()
        self._scope = scope
        self._families = families

    def get(self, key: Value) -> Value:
        """The field of that name."""
        name = text_of(key)
        for family in self._families:
            field = f"{family}.{name}" if family else _SERVER.get(name, f"header.{_header(name)}")
            value = self._scope.request[field]
            if value is not None:
                return value.decode("latin-1")
        return None


_SERVER = {
    "HTTP_HOST": "host",
    "QUERY_STRING": "query",
    "REQUEST_METHOD": "method",
    "REQUEST_URI": "target",
    "SCRIPT_NAME": "path",
    "PHP_SELF": "path",
    "SERVER_PROTOCOL": "version",
}


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").lower().replace("_", "-")
