"""A line of shell to simple commands: as much of POSIX 2.3 as what is typed blindly needs."""

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import msgspec

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
    """One simple command, how it hangs on the one before it, and whether its output goes to the one after it."""

    words: tuple[str, ...]
    redirects: tuple[Redirect, ...] = ()
    join: Join = ";"
    is_piped: bool = False


class Unfinished(ValueError):  # noqa: N818 - bash's own word for it, and not a fault
    """The line ends inside a quote."""


_OPERATORS = ("&&", "||", ";;", ">>", "<<", ">&", "&>", ";", "|", "&", ">", "<", "\n", "(", ")")
_INPUTS = frozenset({"<", "<<"})
_OUTPUTS = frozenset({">", ">>", ">&", "&>"})
_JOINS: dict[str, Join] = {"&&": "&&", "||": "||", "|": "|"}
_ESCAPES = {'"', "\\", "$", "`"}


class _Token(msgspec.Struct, frozen=True):
    text: str
    is_operator: bool = False
    is_glued: bool = False  # a number right before > names a descriptor


_NOTHING = _Token("")


class _Scanner:
    """Walks over a line once; O(characters)."""

    def __init__(self, line: str, expand: Callable[[str], str], substitute: Callable[[str], str]) -> None:
        self._line = line
        self._at = 0
        self._expand = expand
        self._substitute = substitute

    def tokens(self) -> Iterator[_Token]:
        for _ in range(MAX_WORDS):
            self._skip()
            if self._at >= len(self._line):
                return
            operator = next((o for o in _OPERATORS if self._line.startswith(o, self._at)), "")
            self._at += len(operator)
            if operator:
                yield _Token(operator, is_operator=True)
            else:
                word = self._word()[:MAX_WORD_CHARS]
                yield _Token(word, is_glued=self._line.startswith(">", self._at))

    def _skip(self) -> None:
        """Blanks and comments."""
        while self._at < len(self._line) and self._line[self._at] in " \t\r#":
            end = self._line.find("\n", self._at) if self._line[self._at] == "#" else self._at + 1
            self._at = len(self._line) if end < 0 else end

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


def parse(line: str, expand: Callable[[str], str], substitute: Callable[[str], str]) -> Iterator[Command]:
    """The simple commands of a line; ``expand`` gives a variable's value, ``substitute`` a command's output.

    A command's words are expanded when it is asked for, so they see what the commands before it did. Raises
    :class:`Unfinished` for an open quote. Groups and loops are read as the commands inside them.
    """
    words: list[str] = []
    redirects: list[Redirect] = []
    join: Join = ";"
    is_glued = False
    tokens = _Scanner(line[:MAX_PARSED_CHARS], expand, substitute).tokens()
    for token in tokens:
        has_descriptor, is_glued = is_glued and words[-1:] in (["1"], ["2"]), token.is_glued
        if not token.is_operator:
            words.append(token.text)
        elif token.text in _INPUTS:
            next(tokens, None)
        elif token.text in _OUTPUTS:
            source = int(words.pop()) if has_descriptor else 1
            target = next(tokens, _NOTHING).text
            redirects.append(Redirect(source, "&1" if token.text == ">&" else target, token.text == ">>"))
        else:
            after = _JOINS.get(token.text, ";")
            if words:
                yield Command(tuple(words), tuple(redirects), join, is_piped=after == "|")
            words, redirects, join = [], [], after
    if words:
        yield Command(tuple(words), tuple(redirects), join)
