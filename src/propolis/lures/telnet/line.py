"""Shell lines to commands: quoting, redirection and lists (POSIX.1-2017, Shell Command Language 2.2 to 2.9)."""

import re

import msgspec

COMMANDS = 64
"""Commands of one line that are carried out; the rest is ignored."""

_TOKEN = re.compile(
    r"[ \t\r]+|(#[^\n]*)|(\d?>>|\d?>&\d|\d?>|<<|<|&&|\|\||[;&|()\n])"
    r"|((?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^\s;&|<>()'\"\\])+)|(.)",
    re.DOTALL,
)
_PIECE = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)|([^'\"\\]+)", re.DOTALL)
_BLOCKS = frozenset(("while", "until", "for", "if", "case", "{"))
_ESCAPED = re.compile(r"\\([$`\"\\])")


class Simple(msgspec.Struct, frozen=True):
    """One simple command: how it is joined to the one before (``;``, ``&&``, ``||``, ``|``), words, output file.

    ``is_quiet`` if standard error goes elsewhere than the terminal.
    """

    joined: str
    words: tuple[str, ...]
    into: str = ""
    is_appended: bool = False
    is_quiet: bool = False


class _Draft:
    """The command being read; ``target`` is the redirection whose file comes next."""

    def __init__(self, joined: str = ";") -> None:
        self.joined = joined
        self.words: list[str] = []
        self.into = ""
        self.is_appended = False
        self.is_quiet = False
        self.target = ""

    def take(self, text: str) -> None:
        """A word: an argument, or the file of a redirection."""
        if not self.target:
            self.words.append(text)
        elif self.target.lstrip("1")[0] == ">":
            self.into, self.is_appended = text, self.target.endswith(">>")
        elif self.target.startswith("2>"):
            self.is_quiet = True
        self.target = ""

    def finished(self) -> tuple[Simple, ...]:
        """The command, if there is one."""
        if not self.words and not self.into:
            return ()
        return (Simple(self.joined, tuple(self.words), self.into, self.is_appended, self.is_quiet),)


def parse(line: str) -> tuple[Simple, ...] | None:
    """The simple commands of a line; ``None`` if the shell would ask for more (an open quote or block)."""
    commands: list[Simple] = []
    draft = _Draft()
    for match in _TOKEN.finditer(line + "\n"):
        _comment, operator, word, stray = match.groups()
        if stray or (word in _BLOCKS and not draft.words):
            return None
        if word is not None:
            draft.take(unquote(word))
        elif operator and operator[-1] in "<>":
            draft.target = operator
        elif operator and ">&" not in operator:
            commands += draft.finished()
            draft = _Draft(operator if operator in ("&&", "||", "|") else ";")
    return tuple(commands[:COMMANDS])


def unquote(word: str) -> str:
    r"""A word without its quotes (2.2); in double quotes a backslash escapes only ``$``, ``"``, a back-tick, itself."""
    return "".join(
        single or _ESCAPED.sub(r"\1", double) or escaped or plain
        for single, double, escaped, plain in _PIECE.findall(word)
    )


_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|0([0-7]{1,3})|([abfnrtv\\]))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def unescape(text: str) -> str:
    r"""What ``echo -e`` makes of backslashes (POSIX.1-2017, ``echo``); ``\c`` ends the text."""
    return _ESCAPE.sub(_letter, text.partition("\\c")[0])


def _letter(escape: re.Match[str]) -> str:
    hexadecimal, octal, letter = escape.groups()
    if letter:
        return _LETTERS[letter]
    return chr(int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF)
