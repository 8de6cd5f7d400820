"""A line of shell to simple commands: as much of POSIX 2.3 as what is typed blindly needs."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

MAX_COMMANDS_PER_LINE = 64
MAX_WORDS = 256
MAX_WORD_CHARS = 16_384
MAX_PARSED_CHARS = 8192
"""How much of a line is looked at; the whole line is reported."""

Join: TypeAlias = Literal[";", "&&", "||", "|"]


class Redirect(msgspec.Struct, frozen=True):
    """Output of descriptor ``source`` goes to a file, or, if ``target`` is ``&1``, where standard output goes."""

    source: int
    target: str
    is_append: bool = False


class Command(msgspec.Struct, frozen=True):
    """One simple command, and how it hangs on the one before it."""

    words: tuple[str, ...]
    redirects: tuple[Redirect, ...] = ()
    join: Join = ";"


class Unfinished(ValueError):  # noqa: N818 - bash's own word for it, and not a fault
    """The line ends inside a quote."""


_OPERATORS = ("&&", "||", ";;", ">>", "<<", ">&", "&>", ";", "|", "&", ">", "<", "\n", "(", ")")
_ESCAPES = {'"', "\\", "$", "`"}


class _Token(msgspec.Struct, frozen=True):
    text: str
    is_operator: bool = False
    is_glued: bool = False  # a number right before > names a descriptor


class _Scanner:
    """Walks over a line once; O(characters)."""

    def __init__(self, line: str, expand: Callable[[str], str], substitute: Callable[[str], str]) -> None:
        self._line = line
        self._at = 0
        self._expand = expand
        self._substitute = substitute

    def tokens(self) -> list[_Token]:
        found: list[_Token] = []
        while self._at < len(self._line) and len(found) < MAX_WORDS:
            operator = next((o for o in _OPERATORS if self._line.startswith(o, self._at)), "")
            if operator:
                self._at += len(operator)
                found.append(_Token(operator, is_operator=True))
            elif self._line[self._at] in " \t\r":
                self._at += 1
            elif self._line[self._at] == "#":
                end = self._line.find("\n", self._at)
                self._at = len(self._line) if end < 0 else end
            else:
                word = self._word()
                found.append(_Token(word[:MAX_WORD_CHARS], is_glued=self._line.startswith(">", self._at)))
        return found

    def _word(self) -> str:
        parts: list[str] = []
        while self._at < len(self._line):
            char = self._line[self._at]
            if char in " \t\r\n;|&<>()":
                break
            self._at += 1
            if char == "'":
                parts.append(self._until("'"))
            elif char == '"':
                parts.append(self._quoted())
            elif char == "\\":
                parts.append(self._line[self._at : self._at + 1])
                self._at += 1
            elif char in "$`":
                parts.append(self._value(char))
            else:
                parts.append(char)
        return "".join(parts)

    def _quoted(self) -> str:
        parts: list[str] = []
        while (char := self._take()) != '"':
            if char == "\\":
                after = self._take()
                parts.append(after if after in _ESCAPES else "\\" + after)
            else:
                parts.append(self._value(char) if char in "$`" else char)
        return "".join(parts)

    def _value(self, char: str) -> str:
        """What ``$NAME``, ``${NAME}``, ``$(command)`` or a back-quoted command stands for."""
        if char == "`":
            return self._substitute(self._until("`"))
        if self._line.startswith("(", self._at):
            self._at += 1
            return self._substitute(self._until(")"))
        if self._line.startswith("{", self._at):
            self._at += 1
            return self._expand(self._until("}"))
        start = self._at
        while self._at < len(self._line) and (self._line[self._at].isalnum() or self._line[self._at] == "_"):
            self._at += 1
        if self._at == start and self._line[start : start + 1] in {"?", "$", "!", "#", "@", "-"}:
            self._at += 1
        name = self._line[start : self._at]
        return self._expand(name) if name else "$"

    def _take(self) -> str:
        if self._at >= len(self._line):
            raise Unfinished
        self._at += 1
        return self._line[self._at - 1]

    def _until(self, end: str) -> str:
        stop = self._line.find(end, self._at)
        if stop < 0:
            raise Unfinished
        text = self._line[self._at : stop]
        self._at = stop + 1
        return text


def parse(line: str, expand: Callable[[str], str], substitute: Callable[[str], str]) -> tuple[Command, ...]:
    """The simple commands of a line; ``expand`` gives a variable's value, ``substitute`` a command's output.

    Raises :class:`Unfinished` for an open quote. Groups and loops are read as the commands inside them.
    """
    commands: list[Command] = []
    words: list[str] = []
    redirects: list[Redirect] = []
    join: Join = ";"
    is_glued = False
    tokens = iter(_Scanner(line[:MAX_PARSED_CHARS], expand, substitute).tokens())
    for token in tokens:
        descriptor, is_glued = is_glued and words[-1:] in (["1"], ["2"]), token.is_glued
        if not token.is_operator:
            words.append(token.text)
        elif token.text in {">", ">>", ">&", "&>", "<", "<<"}:
            target = next(tokens, _Token("")).text
            source = int(words.pop()) if descriptor and words else 1
            if token.text[0] != "<":
                redirects.append(Redirect(source, "&1" if token.text == ">&" else target, token.text == ">>"))
        elif len(commands) < MAX_COMMANDS_PER_LINE:
            if words:
                commands.append(Command(tuple(words), tuple(redirects), join))
            words, redirects = [], []
            join = "&&" if token.text == "&&" else "||" if token.text == "||" else "|" if token.text == "|" else ";"
    if words:
        commands.append(Command(tuple(words), tuple(redirects), join))
    return tuple(commands)
