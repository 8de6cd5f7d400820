"""What a template engine or an expression language makes of injected text: ``{{7*7}}`` becomes 49, in its place."""

import re
from collections.abc import Iterator

import msgspec

from propolis.flaws.effects.execute import execute
from propolis.flaws.effects.files import file
from propolis.flaws.effects.injected import command_across, command_in, file_in
from propolis.flaws.effects.language import Engine, NoSenseError, Opaque, Thing, evaluate, shown
from propolis.flaws.scene import Scope

MAX_BYTES = 65_536
MAX_SPANS = 32
MAX_SPAN = 4_096
MAX_COMMANDS = 4
"""Commands that one text may make the shell print for."""

_ENGINES: dict[bytes, Engine] = {
    b"jinja2": "python", b"mako": "python", b"tornado": "python", b"twig": "php", b"smarty": "php", b"blade": "php",
    b"freemarker": "java", b"velocity": "java", b"thymeleaf": "java", b"spel": "java", b"ognl": "java", b"el": "java",
    b"erb": "ruby", b"razor": "java", b"handlebars": "java", b"pug": "java",
}  # fmt: skip
"""Which arithmetic an engine has, if the lure file names it."""

_OPEN = re.compile(r"\{\{|\{%|[$#%*~@]\{|<%=?|@\(|\[=|\[\[|#set\s*\(|\{(?=[\d(\"'][^{}\n]{0,80}[*+-])")
_SETTING = re.compile(r"\s*\$?\{?(\w+)\}?\s*=(.*)", re.DOTALL)
_PRINT = re.compile(r"^\s*(?:print|echo|out\.print(?:ln)?|puts|response\.write)\b\s*", re.IGNORECASE)
_RETURNED = re.compile(r"""(['"])return\s+((?:(?!\1).)+)\1\s*\)\s*\(""")
_VARIABLE = re.compile(r"\$!?\{?(\w+)\}?")
_PAIRS = {"(": ")", "{": "}", "[": "]"}


class _Span(msgspec.Struct, frozen=True):
    """Code within a text: from the first letter of what opens it to behind what closes it."""

    start: int
    end: int
    opened: str
    code: str


def calculate(scope: Scope, text: bytes, engine: bytes = b"") -> bytes:
    """The text with every expression in it replaced by its value; what has none stays as it is.

    ``engine`` (``jinja2``, ``twig``, ``freemarker``, ``spel``, ``erb`` ...) says whose arithmetic it is where brackets
    do not. A text without brackets is one expression. Code that runs a command or reads a file becomes what
    :func:`~propolis.flaws.effects.shell.shell` and :func:`~propolis.flaws.effects.files.file` give. O(bytes), and at
    most :data:`MAX_SPANS` expressions.
    """
    source = text[:MAX_BYTES].decode("latin-1")
    variables: dict[str, Thing] = {}
    out, at, left = [], 0, MAX_COMMANDS
    across = command_across(source)
    if across is not None:
        return execute(scope, across.encode("latin-1", "replace"))
    spans = list(_spans(source))
    if not spans or (all(span.opened == "{" for span in spans) and command_in(source) is not None):
        spans = [_Span(0, len(source), "", source)]
    for span in spans:
        out.append(_filled(source[at : span.start], variables))
        value, left = _value(scope, span, _engine(engine, span.opened), variables, left)
        out.append(source[span.start : span.end] if value is None else value)
        at = span.end
    out.append(_filled(source[at:], variables))
    return "".join(out).encode("latin-1", "replace")


def _engine(named: bytes, opened: str) -> Engine:
    known = _ENGINES.get(named.lower())
    if known:
        return known
    if opened in {"{{", "{%"}:
        return "python"
    if opened.startswith("<%"):
        return "ruby"
    return "php" if opened == "{" else "java"


def _spans(source: str) -> Iterator[_Span]:
    at = 0
    for _ in range(MAX_SPANS):
        found = _OPEN.search(source, at)
        if found is None:
            return
        opened = found[0]
        end = _close(source, found.end(), opened)
        if end < 0:
            at = found.end()
            continue
        closing = _CLOSING.get(opened, _PAIRS.get(opened[-1], ")"))
        yield _Span(found.start(), end, opened, source[found.end() : end - len(closing)])
        at = end


_CLOSING = {"{{": "}}", "{%": "%}", "<%": "%>", "<%=": "%>", "[[": "]]"}


def _close(source: str, start: int, opened: str) -> int:
    """Behind what closes it; -1 if nothing does. Brackets inside are counted, those in quotes are not."""
    closing = _CLOSING.get(opened)
    limit = min(len(source), start + MAX_SPAN)
    if closing is not None:
        found = source.find(closing, start, limit)
        return found + len(closing) if found >= 0 else -1
    opening = opened[-1] if opened[-1] in _PAIRS else "("
    depth, quote, at = 1, "", start
    while at < limit:
        char = source[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char == opening) - (char == _PAIRS[opening])
            if not depth:
                return at + 1
        at += 1
    return -1


def _value(
    scope: Scope, span: _Span, engine: Engine, variables: dict[str, Thing], left: int
) -> tuple[str | None, int]:
    """What a span becomes, and how many commands are left."""
    scope.spend(len(span.code))
    code = span.code.strip().strip("-=")
    if span.opened.startswith("#set"):
        setting = _SETTING.fullmatch(code)
        if setting and (value := _evaluated(setting[2], engine, variables)) is not None:
            variables[setting[1]] = value
        return "", left
    if (span.opened in {"{{", "[["} and code[:2] in {"${", "#{"}) or (code[:1] == "{" and code[-1:] == "}"):
        code = code.lstrip("$#{").rstrip("}")
    command = command_in(code)
    if command is not None:
        if not left:
            return "", 0
        said = execute(scope, command.encode("latin-1", "replace")).decode("latin-1")
        return said, left - 1
    path = file_in(code)
    if path is not None:
        return file(scope, path.encode("latin-1", "replace")).decode("latin-1"), left
    returned = _RETURNED.search(code)
    value = _evaluated(returned[2] if returned else _PRINT.sub("", code), engine, variables)
    if value is None:
        return ("" if span.opened in {"{%", "<%"} else None), left
    return shown(value, engine), left


def _evaluated(code: str, engine: Engine, variables: dict[str, Thing]) -> Thing:
    try:
        value = evaluate(code, engine, variables)
    except NoSenseError:
        return None
    return None if isinstance(value, Opaque) else value


def _filled(text: str, variables: dict[str, Thing]) -> str:
    """Velocity's ``$x`` outside of brackets."""
    if not variables or "$" not in text:
        return text

    def known(found: re.Match[str]) -> str:
        value = variables.get(found[1])
        return found[0] if value is None else shown(value, "java")

    return _VARIABLE.sub(known, text)
