"""The command or the file inside of code that is injected: Java, Python, PHP, Ruby, JavaScript, templates.

``T(java.lang.Runtime).getRuntime().exec("id")``, ``os.popen('id').read()``, ``['id']|filter('system')``: whoever knows
what such code is for need not run it. O(text).
"""

import posixpath
import re
from itertools import islice

from propolis.flaws.effects.language import NoSenseError, evaluate

MAX_CHARS = 16_384
MAX_CALLS = 4
"""Calls that are looked into."""
MAX_ARGUMENTS = 4_096
"""Characters of one call's arguments."""

_CALLS = re.compile(
    r"(?:\b(?:exec|execSync|execFileSync|spawnSync|spawn|popen|Popen|system|shell_exec|passthru|proc_open|pcntl_exec|"
    r"check_output|getoutput|getstatusoutput|ProcessBuilder|execute|eval_shell|capture2e?|run)|\?new\(\)|"
    r"['\"](?:exec|popen|system|passthru)['\"]\s*\]?)\s*\(",
)
_TEXT = re.compile(r"""(?s)&?(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_FILTERS = re.compile(
    r"""(?sx)[\[{]\s*(?:0\s*:\s*)?(?P<quote>['"])(?P<command>(?:(?!(?P=quote)).)+)(?P=quote)[^|]{0,80}\|\s*
    (?:filter|map|sort|reduce|find)\s*\(?\s*:?\s*['"]?(?:system|exec|passthru|shell_exec|popen)"""
)
_REGISTERED = re.compile(
    r"""(?s)registerUndefinedFilterCallback\(\s*['"]\w+['"]\s*\).{0,400}?getFilter\(\s*['"](.+?)['"]\s*\)"""
)
_ASSIGNED = re.compile(
    r"""(?s)<\#assign\s+(\w+)\s*=\s*['"]freemarker\.template\.utility\.Execute['"]\s*\?new\(\)\s*/?>.{0,400}?"""
    r"""\1\s*\(\s*['"](.+?)['"]\s*\)"""
)
_BACKTICKS = re.compile(r"(?s)`([^`]+)`|%x[({\[](.+?)[)}\]]")
_GROOVY = re.compile(r"""(?s)(['"])([^'"]+)\1\s*\.\s*execute\s*\(""")
_OPENED = re.compile(
    r"""(?:\bopen|\bFile(?:\.(?:open|read))?|FileReader|FileInputStream|file_get_contents|readfile|fopen|show_source|
    highlight_file|Paths?\.get|readFileSync|include|require|file_excerpt|source|get_contents|FileSystemResource)\s*\(?\s*
    (?:['"]r?['"]\s*,)?\s*['"](?:file://)?((?:/|[A-Za-z]:)[^'"]+)['"]""",
    re.VERBOSE,
)
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "cmd", "cmd.exe", "powershell", "powershell.exe"})
_SWITCHES = frozenset({"-c", "/c", "/C", "-Command", "-command", "-lc", "/k"})


def command_in(code: str) -> str | None:
    """The command line that code would have run; ``None`` if it runs none, or nobody can tell which."""
    code = code[:MAX_CHARS]
    found = _FILTERS.search(code)
    if found:
        return found["command"]
    found = _GROOVY.search(code)
    if found:
        return found[2]
    for call in islice(_CALLS.finditer(code), MAX_CALLS):
        command = _from_arguments(_inside(code, call.end()))
        if command:
            return command
    found = _BACKTICKS.search(code)
    return (found[1] or found[2]) if found else None


def command_across(text: str) -> str | None:
    """The command of code that is spread over several expressions of a template: set up in one, run in another."""
    text = text[:MAX_CHARS]
    found = _REGISTERED.search(text) or _ASSIGNED.search(text)
    if found:
        return found[found.re.groups]
    return command_in(text) if "#set" in text else None


def file_in(code: str) -> str | None:
    """The path of the file that code would have read."""
    found = _OPENED.search(code[:MAX_CHARS])
    return found[1] if found else None


def _inside(code: str, start: int) -> str:
    """What stands between a parenthesis and the one that closes it, or the end."""
    depth, at, limit = 1, start, min(len(code), start + MAX_ARGUMENTS)
    while at < limit:
        quoted = _TEXT.match(code, at)
        if quoted:
            at = quoted.end()
            continue
        depth += (code[at] == "(") - (code[at] == ")")
        if not depth:
            return code[start:at]
        at += 1
    return code[start:limit]


def _from_arguments(arguments: str) -> str | None:
    """One text, an array of words, or an expression that makes a text."""
    stripped = arguments.strip()
    whole = _TEXT.match(stripped)
    if whole is None or _JOINS.match(stripped, whole.end()):
        made = _computed(stripped)
        if made:
            return made
    words = [_unescape(first or second) for first, second in _TEXT.findall(arguments)]
    if not words:
        return None
    if posixpath.basename(words[0].replace("\\", "/")).lower() in _SHELLS and len(words) > 1:
        rest = words[1:]
        return " ".join(rest[1:] if rest[0] in _SWITCHES and len(rest) > 1 else rest)
    if re.match(r"(?:new\s+(?:java\.lang\.)?String\s*\[\s*\]\s*)?[\[{]", stripped):
        return " ".join(words)
    return words[0]


_JOINS = re.compile(r"\s*(?:\+|\.\s*concat|~)")


def _computed(arguments: str) -> str | None:
    try:
        value = evaluate(arguments, "java", {})
    except NoSenseError:
        return None
    return value if isinstance(value, str) and value else None


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text
