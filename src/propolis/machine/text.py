"""Commands that read text and print text: what is piped into them, or files. Patterns are never compiled by Python."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from types import MappingProxyType

from propolis.machine.machine import Machine
from propolis.machine.outcome import MAX_OUTPUT_CHARS, Outcome, Run, flags, plain, read

_MAX_LINES = 10_000
_MAX_WIDTH = 512


def to_bytes(text: str) -> bytes:
    """What a text is outside of here; bytes that are no UTF-8 came in as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """The text of bytes."""
    return data.decode("utf-8", "surrogateescape")


def grep(machine: Machine, words: list[str], given: str) -> Outcome:
    """``grep`` for fixed strings, anchored or not, any of several: an intruder's pattern is never compiled."""
    options = flags(words)
    operands = plain(words)
    source = read(machine, "grep", operands[1:], given)
    ignores_case = "i" in options
    wanted = (operands or [""])[0]
    choices = re.split(r"\\?\|", wanted.lower() if ignores_case else wanted)[:16]
    kept = [
        line
        for line in source.out.splitlines()
        if any(_fits(line.lower() if ignores_case else line, choice) for choice in choices)
        != ("v" in options)
    ]
    if "o" in options and "v" not in options:
        kept = [choice for line in kept for choice in choices if choice and choice in line]
    out = f"{len(kept)}\n" if "c" in options else "".join(f"{line}\n" for line in kept)
    return Outcome("" if "q" in options else out, source.err, 0 if kept else 1)


def _fits(line: str, choice: str) -> bool:
    is_start, is_end = choice.startswith("^"), choice.endswith("$")
    text = choice.removeprefix("^").removesuffix("$")
    if is_start and is_end:
        return line == text
    if is_start:
        return line.startswith(text)
    return line.endswith(text) if is_end else text in line


def wc(machine: Machine, words: list[str], given: str) -> Outcome:
    """``wc``."""
    source = read(machine, "wc", plain(words), given)
    text, options = source.out, flags(words)
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(to_bytes(text)), "m": len(text)}
    asked = [counts[option] for option in "lwcm" if option in options]
    name = "".join(f" {word}" for word in plain(words)[:1])
    if len(asked) == 1:
        return Outcome(f"{asked[0]}{name}\n", source.err, source.status)
    columns = asked or [counts["l"], counts["w"], counts["c"]]
    return Outcome("".join(f"{count:8d}" for count in columns) + f"{name}\n", source.err, source.status)


def head(machine: Machine, words: list[str], given: str) -> Outcome:
    """``head -N``, ``head -n N`` or ``head -c N``."""
    count, paths = _count(words)
    source = read(machine, "head", paths, given)
    if any(word.startswith("-c") for word in words):
        return Outcome(source.out[:count], source.err, source.status)
    return Outcome("".join(source.out.splitlines(keepends=True)[:count]), source.err, source.status)


def tail(machine: Machine, words: list[str], given: str) -> Outcome:
    """``tail -N``, ``tail -n N`` or ``tail -c N``."""
    count, paths = _count(words)
    source = read(machine, "tail", paths, given)
    if any(word.startswith("-c") for word in words):
        return Outcome(source.out[-count:] if count else "", source.err, source.status)
    kept = source.out.splitlines(keepends=True)[-count:] if count else ()
    return Outcome("".join(kept), source.err, source.status)


def _count(words: list[str]) -> tuple[int, list[str]]:
    """How many, and the paths."""
    number, paths, is_next = "10", [], False
    for word in words:
        digits = word.lstrip("-+nc")
        if (is_next and digits.isdecimal()) or (word.startswith("-") and digits.isdecimal()):
            number = digits
        elif not word.startswith("-"):
            paths.append(word)
        is_next = word in {"-n", "-c"}
    return min(int(number[:6]), _MAX_LINES * 10), paths


def encode64(machine: Machine, words: list[str], given: str) -> Outcome:
    """``base64``, and ``-d`` of it; lines of 76 unless ``-w`` says otherwise."""
    options = flags(words)
    paths = [word for word in plain(words) if not word.isdecimal()]
    source = read(machine, "base64", paths, given)
    if source.err:
        return source
    if "d" in options.lower().replace("decode", "d"):
        digits = re.sub(r"\s", "", source.out)
        try:
            return Outcome(to_text(base64.b64decode(digits, validate=True))[:MAX_OUTPUT_CHARS])
        except (binascii.Error, ValueError):
            return Outcome(err="base64: invalid input\n", status=1)
    digits = base64.b64encode(to_bytes(source.out)).decode()
    if any(word in {"-w0", "--wrap=0"} for word in words) or "-w 0" in " ".join(words):
        return Outcome(digits)
    return Outcome("".join(f"{digits[at : at + 76]}\n" for at in range(0, len(digits), 76)))


def digest(name: str) -> Run:
    """``md5sum`` and its kin."""

    def run(machine: Machine, words: list[str], given: str) -> Outcome:
        outcomes = [(path, read(machine, f"{name}sum", [path], given)) for path in plain(words)[:16]]
        texts = [(path, source) for path, source in outcomes if not source.err]
        err = "".join(source.err for _, source in outcomes)
        if not outcomes:
            texts = [("-", Outcome(given))]
        sums = (
            (hashlib.new(name, to_bytes(source.out), usedforsecurity=False).hexdigest(), path)
            for path, source in texts
        )
        return Outcome("".join(f"{made}  {path}\n" for made, path in sums), err, 1 if err else 0)

    return run


def rev(machine: Machine, words: list[str], given: str) -> Outcome:
    """``rev``: each line backwards."""
    source = read(machine, "rev", plain(words), given)
    return Outcome(_per_line(source.out, lambda line: line[::-1]), source.err, source.status)


def tac(machine: Machine, words: list[str], given: str) -> Outcome:
    """``tac``: the last line first."""
    source = read(machine, "tac", plain(words), given)
    return Outcome("".join(reversed(source.out.splitlines(keepends=True))), source.err, source.status)


def nl(machine: Machine, words: list[str], given: str) -> Outcome:
    """``nl``: lines with numbers."""
    source = read(machine, "nl", plain(words), given)
    lines = source.out.splitlines()
    return Outcome("".join(f"{n:6d}\t{line}\n" for n, line in enumerate(lines, 1)), source.err, source.status)


_CLASSES = {
    "[:lower:]": "a-z",
    "[:upper:]": "A-Z",
    "[:digit:]": "0-9",
    "[:space:]": " \t\n\r",
    "[:alpha:]": "A-Za-z",
}


def tr(_machine: Machine, words: list[str], given: str) -> Outcome:
    """``tr`` with ranges, ``-d`` and the classes that are used."""
    sets = [_characters(word) for word in plain(words)]
    if "d" in flags(words) and sets:
        return Outcome("".join(char for char in given if char not in sets[0]))
    if len(sets) < 2 or not sets[1]:
        return Outcome(err="tr: missing operand\n", status=1)
    into = sets[1] + sets[1][-1] * max(0, len(sets[0]) - len(sets[1]))
    return Outcome(given.translate(dict(zip(map(ord, sets[0]), into, strict=False))))


def _characters(word: str) -> str:
    for name, members in _CLASSES.items():
        word = word.replace(name, members)
    word = _TR_ESCAPE.sub(_tr_escaped, word[:_MAX_WIDTH])
    return re.sub(r"(.)-(.)", _range, word, flags=re.DOTALL)[:_MAX_WIDTH]


_TR_ESCAPE = re.compile(r"\\(?:([nrt\\])|([0-7]{1,3}))")
_TR_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def _tr_escaped(escape: re.Match[str]) -> str:
    return _TR_ESCAPED[escape[1]] if escape[1] else chr(int(escape[2], 8) & 127)


def _range(ends: re.Match[str]) -> str:
    codes = range(ord(ends[1]), min(ord(ends[2]), ord(ends[1]) + 255) + 1)
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)  # what UTF-8 cannot say


def sort(machine: Machine, words: list[str], given: str) -> Outcome:
    """``sort``, with ``-r``, ``-n`` and ``-u``."""
    source = read(machine, "sort", plain(words), given)
    options = flags(words)
    lines = source.out.splitlines()[:_MAX_LINES]
    lines = sorted(set(lines) if "u" in options else lines, reverse="r" in options)
    if "n" in options:
        lines.sort(key=_leading_number, reverse="r" in options)
    return Outcome("".join(f"{line}\n" for line in lines), source.err, source.status)


def _leading_number(line: str) -> int:
    found = re.match(r"\s*(-?\d{1,18})", line)
    return int(found[1]) if found else 0


def uniq(machine: Machine, words: list[str], given: str) -> Outcome:
    """``uniq``, with ``-c``."""
    source = read(machine, "uniq", plain(words), given)
    rows: list[tuple[str, int]] = []
    for line in source.out.splitlines():
        if rows and rows[-1][0] == line:
            rows[-1] = (line, rows[-1][1] + 1)
        else:
            rows.append((line, 1))
    is_counted = "c" in flags(words)
    return Outcome(
        "".join(f"{count:7d} {line}\n" if is_counted else f"{line}\n" for line, count in rows), source.err
    )


def cut(machine: Machine, words: list[str], given: str) -> Outcome:
    """``cut -d X -f N``, ``-c A-B``; lists and ranges."""
    settings, paths = _settings(words, "dfcb")
    source = read(machine, "cut", paths, given)
    places = _places(settings.get("f") or settings.get("c") or settings.get("b") or "1")
    separator = settings.get("d", "\t")[:1] or "\t"

    def chosen(line: str) -> str:
        if "f" not in settings:
            return "".join(char for place, char in enumerate(line, 1) if places(place))
        parts = line.split(separator)
        if len(parts) == 1:
            return line
        return separator.join(part for place, part in enumerate(parts, 1) if places(place))

    return Outcome(_per_line(source.out, chosen), source.err, source.status)


def _places(text: str) -> Callable[[int], bool]:
    spans = []
    for part in text.split(",")[:32]:
        low, dash, high = part.partition("-")
        first = int(low[:6]) if low.isdecimal() else 1
        last = int(high[:6]) if high.isdecimal() else (10**6 if dash else first)
        spans.append((first, last))
    return lambda place: any(first <= place <= last for first, last in spans)


def _settings(words: list[str], names: str) -> tuple[dict[str, str], list[str]]:
    """Options that take a value, glued or not, and the operands."""
    settings: dict[str, str] = {}
    operands: list[str] = []
    rest = iter(words)
    for word in rest:
        if len(word) > 1 and word[0] == "-" and word[1] in names:
            settings[word[1]] = word[2:] or next(rest, "")
        elif not word.startswith("-"):
            operands.append(word)
    return settings, operands


_AWK = re.compile(r"""\s*(?:/([^/]*)/\s*)?\{\s*print\s*([^{}]*?)\s*;?\s*\}\s*""")


def awk(machine: Machine, words: list[str], given: str) -> Outcome:
    """``awk '/text/{print $1, "x"}'``, ``-F``; ``BEGIN{print ...}`` prints once."""
    settings, operands = _settings(words, "Fv")
    program, paths = (operands or [""])[0], operands[1:]
    is_begin = program.lstrip().startswith("BEGIN")
    found = _AWK.fullmatch(program.lstrip().removeprefix("BEGIN"))
    source = Outcome("\n") if is_begin else read(machine, "awk", paths, given)
    if found is None:
        return Outcome(err=source.err, status=2)
    fields = _awk_fields(found[2])
    separator = settings.get("F")
    lines = [line for line in source.out.splitlines() if (found[1] or "") in line]
    out = "".join(_awk_line(line, fields, separator) for line in lines)
    return Outcome(out[:MAX_OUTPUT_CHARS], source.err, source.status)


def _awk_fields(text: str) -> list[str]:
    return re.findall(r'\$(?:NF|\d{1,3})|"[^"]*"|,|\d+', text)[:64] or ["$0"]


def _awk_line(line: str, fields: Iterable[str], separator: str | None) -> str:
    parts = line.split(separator or None)
    out = ""
    for field in fields:
        if field == ",":
            out += " "
        elif field == "$NF":
            out += parts[-1] if parts else ""
        elif field.startswith("$"):
            place = int(field[1:])
            out += line if place == 0 else (parts[place - 1] if place <= len(parts) else "")
        else:
            out += field.strip('"')
    return out[:MAX_OUTPUT_CHARS] + "\n"


def sed(machine: Machine, words: list[str], given: str) -> Outcome:
    """``sed`` with ``s/text/other/g`` for fixed strings, ``Nd``, and ``-n Np`` or ``A,Bp``."""
    operands = plain(words)
    script, paths = (operands or [""])[0], operands[1:]
    source = read(machine, "sed", paths, given)
    lines = source.out.splitlines()
    if span := re.fullmatch(r"(\d{1,6})(?:,(\d{1,6}|\$))?([pd])", script):
        first = int(span[1])
        last = len(lines) if span[2] == "$" else int(span[2] or first)
        lines = [line for n, line in enumerate(lines, 1) if (first <= n <= last) == (span[3] == "p")]
    elif len(script) > 3 and script[0] == "s":
        parts = script[1:].split(script[1])
        if len(parts) == 4 and parts[1]:
            count = -1 if "g" in parts[3] else 1
            lines = [
                line.replace(parts[1], parts[2], count)[:MAX_OUTPUT_CHARS] for line in lines[:_MAX_LINES]
            ]
    return Outcome("".join(f"{line}\n" for line in lines)[:MAX_OUTPUT_CHARS], source.err, source.status)


def xxd(machine: Machine, words: list[str], given: str) -> Outcome:
    """``xxd``, ``-p`` and ``-r -p``."""
    source = read(machine, "xxd", plain(words), given)
    options = flags(words)
    if "r" in options:
        digits = re.sub(r"[^0-9a-fA-F]", "", source.out)
        return Outcome(to_text(bytes.fromhex(digits[: len(digits) // 2 * 2])))
    data = to_bytes(source.out)[: MAX_OUTPUT_CHARS // 5]
    if "p" in options:
        return Outcome("".join(f"{data[at : at + 30].hex()}\n" for at in range(0, len(data), 30)), source.err)
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return Outcome("".join(_dumped(16 * n, row) for n, row in enumerate(rows)), source.err, source.status)


def _dumped(offset: int, row: bytes) -> str:
    digits = " ".join(row[at : at + 2].hex() for at in range(0, len(row), 2))
    shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
    return f"{offset:08x}: {digits:<39}  {shown}\n"


def xargs(_machine: Machine, words: list[str], given: str) -> Outcome:
    """``xargs`` of ``echo``, which it runs if it is told nothing."""
    operands = plain(words)
    if operands[:1] not in ([], ["echo"]):
        return Outcome()
    return Outcome(" ".join([*operands[1:], *given.split()])[:MAX_OUTPUT_CHARS] + "\n")


def _per_line(text: str, change: Callable[[str], str]) -> str:
    return "".join(f"{change(line)}\n" for line in text.splitlines())[:MAX_OUTPUT_CHARS]


def cat(machine: Machine, words: list[str], given: str) -> Outcome:
    """``cat`` of files, or of the pipe."""
    return read(machine, "cat", [word for word in words if not (len(word) > 1 and word[0] == "-")], given)


TEXT_COMMANDS: MappingProxyType[str, Run] = MappingProxyType(
    {
        "awk": awk,
        "base64": encode64,
        "cat": cat,
        "cut": cut,
        "egrep": grep,
        "fgrep": grep,
        "gawk": awk,
        "grep": grep,
        "head": head,
        "less": cat,
        "md5sum": digest("md5"),
        "more": cat,
        "nl": nl,
        "rev": rev,
        "sed": sed,
        "sha1sum": digest("sha1"),
        "sha256sum": digest("sha256"),
        "sha512sum": digest("sha512"),
        "sort": sort,
        "strings": cat,
        "tac": tac,
        "tail": tail,
        "tr": tr,
        "uniq": uniq,
        "wc": wc,
        "xargs": xargs,
        "xxd": xxd,
    }
)
"""Commands that read a pipe or files."""
