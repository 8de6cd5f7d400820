"""A line of shell to simple commands: as much of POSIX 2.3 as what is typed blindly needs."""

import re
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import msgspec

from propolis.machine.arithmetic import reckon

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


class Input(msgspec.Struct, frozen=True):
    """Where a command reads from: a file, or, as after ``<<<``, the text itself."""

    target: str
    is_text: bool = False


class Command(msgspec.Struct, frozen=True):
    """One simple command, how it hangs on the one before it, and whether its output goes to the one after it."""

    words: tuple[str, ...]
    redirects: tuple[Redirect, ...] = ()
    join: Join = ";"
    is_piped: bool = False
    given: Input | None = None


class Unfinished(ValueError):  # noqa: N818 - bash's own word for it, and not a fault
    """The line ends inside a quote."""


_OPERATORS = (*("&&", "||", ";;", "<<<", ">>", "<<", ">&", "&>", ";", "|", "&", ">", "<", "\n", "(", ")"),)
_INPUTS = frozenset({"<", "<<", "<<<"})
_OUTPUTS = frozenset({">", ">>", ">&", "&>"})
_JOINS: dict[str, Join] = {"&&": "&&", "||": "||", "|": "|"}
_ESCAPES = {'"', "\\", "$", "`"}
_BLANKS = re.compile(r"[ \t\n]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_BRACES = re.compile(r"([^{},]*)\{([^{}]*,[^{}]*)\}([^{},]*)")
_GLOB = re.compile(r"[*?\[]")
_PARAMETER = re.compile(
    r"(#?)([A-Za-z_]\w*|\d+|[?$!#@*-])(?::?([-=+])(.*)|:\s*(-?\d{1,9})(?::(-?\d{1,9}))?|[%#]{1,2}(\?*))?",
    re.ASCII | re.DOTALL,
)
"""``NAME``, ``#NAME``, ``NAME:-word``, ``NAME:offset:length`` and ``NAME%??`` (POSIX 2.6.2, and bash's substrings)."""


class _Token(msgspec.Struct, frozen=True):
    text: str
    is_operator: bool = False
    is_glued: bool = False  # a number right before > names a descriptor


_NOTHING = _Token("")


class _Word:
    """A word while it is read: what is unquoted and expanded may fall apart into several."""

    def __init__(self) -> None:
        self._fields = [""]
        self._is_kept = False
        self._is_plain = True

    def add(self, text: str) -> None:
        """Characters as they stand."""
        self._fields[-1] += text

    def add_quoted(self, text: str) -> None:
        """Characters that stay together, even if there are none."""
        self._fields[-1] += text
        self._is_kept, self._is_plain = True, False

    def add_split(self, text: str) -> None:
        """What an expansion gave: blanks end the word (POSIX 2.6.5), unless it is an assignment's value."""
        if len(self._fields) == 1 and _ASSIGNMENT.match(self._fields[0]):
            self._fields[0] += text
            return
        first, *others = _BLANKS.split(text)
        self._fields[-1] += first
        self._fields += others[:MAX_WORDS]

    def fields(self, glob: Callable[[str], list[str]]) -> list[str]:
        """The words it has become."""
        if not self._is_plain:
            return [field for field in self._fields if field or self._is_kept]
        fields: list[str] = []
        for field in filter(None, self._fields):
            found = _BRACES.fullmatch(field)
            names = [found[1] + part + found[3] for part in found[2].split(",")] if found else [field]
            fields += [word for name in names for word in (glob(name) if _GLOB.search(name) else [name])]
        return fields


class _Scanner:
    """Walks over a line once; O(characters)."""

    def __init__(
        self,
        line: str,
        expand: Callable[[str], str],
        substitute: Callable[[str], str],
        glob: Callable[[str], list[str]],
    ) -> None:
        self._line = line
        self._at = 0
        self._expand = expand
        self._substitute = substitute
        self._glob = glob

    def tokens(self) -> Iterator[_Token]:
        for _ in range(MAX_WORDS):
            self._skip()
            if self._at >= len(self._line):
                return
            operator = next((o for o in _OPERATORS if self._line.startswith(o, self._at)), "")
            self._at += len(operator)
            if operator:
                yield _Token(operator, is_operator=True)
                continue
            for field in self._word()[:MAX_WORDS]:
                yield _Token(field[:MAX_WORD_CHARS], is_glued=self._line.startswith(">", self._at))

    def _skip(self) -> None:
        """Blanks, continued lines and comments."""
        while self._at < len(self._line):
            if self._line[self._at] in " \t\r":
                self._at += 1
            elif self._line.startswith("\\\n", self._at):
                self._at += 2
            elif self._line[self._at] == "#":
                end = self._line.find("\n", self._at)
                self._at = len(self._line) if end < 0 else end
            else:
                return

    def _word(self) -> list[str]:
        word = _Word()
        while self._at < len(self._line):
            char = self._line[self._at]
            if char in " \t\r\n;|&<>()":
                break
            self._at += 1
            if char == "'":
                word.add_quoted(self._until("'"))
            elif char == '"':
                word.add_quoted(self._quoted())
            elif char == "\\":
                word.add_quoted(self._line[self._at : self._at + 1])
                self._at += 1
            elif char in "$`":
                word.add_split(self._value(char))
            else:
                word.add(char)
        return word.fields(self._glob)

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
        """What ``$NAME``, ``${NAME}``, ``$((1+2))``, ``$(command)`` or a back-quoted command stands for."""
        if char == "`":
            return self._substitute(self._until("`"))
        if self._line.startswith("(", self._at):
            self._at += 1
            inner = self._balanced()
            if inner.startswith("(") and inner.endswith(")"):
                number = reckon(inner[1:-1].replace("$", ""), self._expand)
                return "" if number is None else str(number)
            return self._substitute(inner)
        if self._line.startswith("{", self._at):
            self._at += 1
            return self._parameter(self._until("}"))
        start = self._at
        if self._line[start : start + 1] in _SINGLE:
            self._at += 1
        else:
            while self._at < len(self._line) and (
                self._line[self._at].isalnum() or self._line[self._at] == "_"
            ):
                self._at += 1
        name = self._line[start : self._at]
        return self._expand(name) if name else "$"

    def _parameter(self, text: str) -> str:
        found = _PARAMETER.fullmatch(text)
        if found is None:
            return self._expand(text)
        length, name, operator, word, offset, count, cut = found.groups()
        value = self._expand(name)
        if length:
            return str(len(value))
        if operator:
            return word if (operator == "+") == bool(value) else value
        if offset is not None:
            kept = value[int(offset) :]
            return kept if count is None else kept[: int(count)]
        return value[: len(value) - len(cut)] if cut else value

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

    def _balanced(self) -> str:
        """Everything up to the parenthesis that closes, past quotes and inner ones."""
        start, depth = self._at, 1
        while depth:
            char = self._take()
            if char in "'\"`":
                self._until(char)
            elif char == "\\":
                self._take()
            else:
                depth += (char == "(") - (char == ")")
        return self._line[start : self._at - 1]


_SINGLE = frozenset("?$!#@*-0123456789")


def parse(
    line: str,
    expand: Callable[[str], str],
    substitute: Callable[[str], str],
    glob: Callable[[str], list[str]] = lambda name: [name],
) -> Iterator[Command]:
    """The simple commands of a line.

    ``expand`` gives a variable's value, ``substitute`` a command's output, ``glob`` the paths a pattern stands for (the
    pattern itself if for none). A command's words are expanded when it is asked for, so they see what the commands
    before it did. Raises :class:`Unfinished` for an open quote. Groups and loops are read as the commands inside them.
    """
    words: list[str] = []
    redirects: list[Redirect] = []
    given: Input | None = None
    join: Join = ";"
    is_glued = False
    tokens = _Scanner(line[:MAX_PARSED_CHARS], expand, substitute, glob).tokens()
    for token in tokens:
        has_descriptor, is_glued = is_glued and words[-1:] in (["1"], ["2"]), token.is_glued
        if not token.is_operator:
            words.append(token.text)
        elif token.text in _INPUTS:
            given = Input(next(tokens, _NOTHING).text, is_text=token.text != "<")
        elif token.text in _OUTPUTS:
            source = int(words.pop()) if has_descriptor else 1
            target = next(tokens, _NOTHING).text
            redirects.append(Redirect(source, "&1" if token.text == ">&" else target, token.text == ">>"))
        else:
            after = _JOINS.get(token.text, ";")
            if words or redirects:
                yield Command(tuple(words), tuple(redirects), join, after == "|", given)
            words, redirects, given, join = [], [], None, after
    if words or redirects:
        yield Command(tuple(words), tuple(redirects), join, given=given)
