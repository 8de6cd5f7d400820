"""The programs a visitor uses to look around, leave a file and fetch another, as BusyBox 1.35 speaks.

Each takes the session, its arguments and what is piped into it, and gives what it prints (Latin-1, lines end in LF).
Nothing is reached: downloads fail as on a host without a way out.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from propolis.lures.telnet.line import unescape
from propolis.lures.telnet.session import Session

Program: TypeAlias = Callable[[Session, Sequence[str], str], str]

BLOCK_BYTES = 512
TERMINAL_COLUMNS = 80
_URL = re.compile(r"(?:\w+://)?([^/:@\s]+)(?::(\d{1,5}))?")
_CONVERSION = re.compile(r"%[bdsx]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def echo(_session: Session, words: Sequence[str], _given: str) -> str:
    """Print the words; ``-e`` reads escapes, ``-n`` leaves the line open."""
    flags = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        flags, words = flags + words[0], words[1:]
    text = " ".join(words)
    return (unescape(text) if "e" in flags else text) + ("" if "n" in flags else "\n")


def printf(_session: Session, words: Sequence[str], _given: str) -> str:
    """Print the format with its escapes; its conversions take the arguments as they are."""
    text = unescape(words[0]) if words else ""
    parts = _CONVERSION.split(text)
    arguments = (*words[1:], *("" for _ in parts))
    return parts[0] + "".join(word + part for word, part in zip(arguments, parts[1:], strict=False))


def cat(session: Session, words: Sequence[str], given: str) -> str:
    """Print files, or what is piped in."""
    names = [word for word in words if not word.startswith("-")]
    return "".join(_content(session, "cat", name) for name in names) if names else given


def _content(session: Session, program: str, name: str) -> str:
    if session.files.is_folder(name):
        return session.fail(f"{program}: read error: Is a directory")
    if session.files.path(name) == "/proc/uptime":
        seconds = session.host.machine.up_seconds(session.now())
        return f"{seconds}.{session.now() // 10_000_000 % 100:02d} {seconds * 2}.17\n"
    content = session.files.read(name)
    return (
        session.fail(f"{program}: can't open '{name}': No such file or directory")
        if content is None
        else content
    )


def cd(session: Session, words: Sequence[str], _given: str) -> str:
    """Change the folder."""
    name = words[0] if words else "/root"
    if not session.files.is_folder(name):
        return session.fail(f"{session.name}: cd: can't cd to {name}: No such file or directory")
    session.files.folder = session.files.path(name)
    return ""


def pwd(session: Session, _words: Sequence[str], _given: str) -> str:
    """Print the folder."""
    return session.files.folder + "\n"


def ls(session: Session, words: Sequence[str], _given: str) -> str:
    """List names, without columns of detail."""
    out = ""
    hidden = any(word.startswith("-") and "a" in word for word in words)
    for name in [word for word in words if not word.startswith("-")] or ["."]:
        if session.files.is_folder(name):
            out += _columns(session.files.names_in(name, hidden=hidden))
        elif session.files.read(name) is None:
            out += session.fail(f"ls: {name}: No such file or directory")
        else:
            out += f"{name}\n"
    return out


def _columns(names: Sequence[str]) -> str:
    """Names in columns of one width, top to bottom, as on a terminal of 80."""
    width = max(map(len, names), default=0) + 2
    rows = -(-len(names) // max(1, TERMINAL_COLUMNS // width))
    return "".join(
        "".join(name.ljust(width) for name in names[row::rows]).rstrip() + "\n" for row in range(rows)
    )


def rm(session: Session, words: Sequence[str], _given: str) -> str:
    """Remove what the session made; the host's own files withstand."""
    is_forced = any(word.startswith("-") and "f" in word for word in words)
    out = ""
    for name in [word for word in words if not word.startswith("-")]:
        if session.files.remove(name):
            continue
        if session.files.is_folder(name) or session.files.read(name) is not None:
            out += session.fail(f"rm: can't remove '{name}': Operation not permitted")
        elif not is_forced:
            out += session.fail(f"rm: can't remove '{name}': No such file or directory")
    return out


def cp(session: Session, words: Sequence[str], _given: str) -> str:
    """Copy one file; the copy of a program can be run."""
    names = [word for word in words if not word.startswith("-")]
    if len(names) != 2:
        return session.fail("cp: missing operand")
    content = session.files.read(names[0])
    if content is None:
        return session.fail(f"cp: can't stat '{names[0]}': No such file or directory")
    into = names[1]
    into = f"{into.rstrip('/')}/{names[0].rpartition('/')[2]}" if session.files.is_folder(into) else into
    if not session.files.may_write(into):
        return session.fail(f"cp: can't create '{into}': No such file or directory")
    session.files.write(into, content)
    session.files.make_runnable(into)
    return ""


def chmod(session: Session, words: Sequence[str], _given: str) -> str:
    """Make files runnable, whatever the mode."""
    out = ""
    for name in words[1:]:
        if session.files.read(name) is None and not session.files.is_folder(name):
            out += session.fail(f"chmod: {name}: No such file or directory")
        session.files.make_runnable(name)
    return out


def mkdir(session: Session, words: Sequence[str], _given: str) -> str:
    """Make folders."""
    out = ""
    for name in [word for word in words if not word.startswith("-")]:
        if session.files.is_folder(name) or session.files.read(name) is not None:
            out += (
                "" if "-p" in words else session.fail(f"mkdir: can't create directory '{name}': File exists")
            )
        elif session.files.may_write(name):
            session.files.make_folder(name)
        else:
            out += session.fail(f"mkdir: can't create directory '{name}': No such file or directory")
    return out


def dd(session: Session, words: Sequence[str], given: str) -> str:
    """Copy blocks of a file, or of what is piped in, to the terminal."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    content = session.files.read(options["if"]) if "if" in options else given
    if content is None:
        return session.fail(f"dd: can't open '{options['if']}': No such file or directory")
    size = _number(options.get("bs", ""), BLOCK_BYTES) or BLOCK_BYTES
    kept = content[: size * _number(options.get("count", ""), len(content))]
    whole, part = divmod(len(kept), size)
    records = f"{whole}+{int(part > 0)} records"
    session.fail(f"{records} in\n{records} out", 0)
    return kept


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else default


def wget(session: Session, words: Sequence[str], _given: str) -> str:
    """Fail to connect, or to resolve."""
    host = _URL.match(next((word for word in words if not word.startswith("-")), ""))
    if host is None:
        return session.fail("wget: missing URL")
    name, port = host[1], host[2] or "80"
    if not _ADDRESS.fullmatch(name):
        return session.fail(f"wget: bad address '{name}'")
    session.fail(f"Connecting to {name}:{port} ({name}:{port})")
    return session.fail(f"wget: can't connect to remote host ({name}): Connection refused")


def tftp(session: Session, _words: Sequence[str], _given: str) -> str:
    """Hear nothing back."""
    return session.fail("tftp: timeout")


def ftpget(session: Session, words: Sequence[str], _given: str) -> str:
    """Fail to connect, or to resolve."""
    name = next((word for word in words if not word.startswith("-")), "")
    if not _ADDRESS.fullmatch(name):
        return session.fail(f"ftpget: bad address '{name}'")
    return session.fail(f"ftpget: can't connect to remote host ({name}): Connection refused")


def which(session: Session, words: Sequence[str], _given: str) -> str:
    """Where installed programs are."""
    found = [f"/bin/{word}\n" for word in words if word in session.host.persona.applets]
    session.status = int(len(found) < len(words))
    return "".join(found)


def uname(session: Session, words: Sequence[str], _given: str) -> str:
    """Any mixture of letters; the whole was recorded."""
    persona = session.host.persona
    asked = "".join(word[1:] for word in words if word.startswith("-"))
    if "a" in asked:
        return session.host.fill(persona.answers["uname -a"])
    machine = session.host.machine
    parts = {"s": "Linux", "n": machine.name, "r": machine.kernel, "v": machine.build, "m": "x86_64"}
    return " ".join(part for letter, part in parts.items() if letter in (asked or "s")) + "\n"


def uptime(session: Session, _words: Sequence[str], _given: str) -> str:
    """How long the host has been up."""
    return session.host.uptime_line(session.now())


def netstat(session: Session, _words: Sequence[str], _given: str) -> str:
    """The recorded headings and sockets, and the visitor's own connection among them."""
    title, heading, *sockets = session.host.persona.answers["netstat"].splitlines()
    visit = session.visit
    here, there = f"{visit.target_ip}:telnet", f"{visit.source_ip}:{visit.source_port}"
    own = f"tcp        0      0 {here:<23} {there:<23} ESTABLISHED"
    return "\n".join((title, heading, own, *sockets)) + "\n"


def grep(session: Session, words: Sequence[str], given: str) -> str:
    """Lines that hold a text; patterns are taken literally."""
    names = [word for word in words if not word.startswith("-")]
    text = "".join(session.files.read(name) or "" for name in names[1:]) if len(names) > 1 else given
    found = "".join(f"{line}\n" for line in text.split("\n") if names and line and names[0] in line)
    session.status = int(not found)
    return found


def head(session: Session, words: Sequence[str], given: str) -> str:
    """The first ten lines, or as many as asked for."""
    names = [word for word in words if not word.startswith("-") and not word.isdigit()]
    text = "".join(session.files.read(name) or "" for name in names) or given
    wanted = next(
        (found[1] for word in words if (found := re.fullmatch(r"-?n?(\d{1,6})", word, re.ASCII))), "10"
    )
    return "".join(text.splitlines(keepends=True)[: int(wanted)])


def wc(_session: Session, words: Sequence[str], given: str) -> str:
    """Lines or bytes of what is piped in."""
    return f"{given.count(chr(10)) if '-l' in words else len(given)}\n"


def false(session: Session, _words: Sequence[str], _given: str) -> str:
    """Fail."""
    session.status = 1
    return ""


def kill(session: Session, words: Sequence[str], _given: str) -> str:
    """Find no such process."""
    numbers = [word for word in words if word.isdigit()]
    if not numbers:
        return session.fail(f"{session.name}: you need to specify whom to kill")
    return "".join(
        session.fail(f"{session.name}: can't kill pid {number}: No such process") for number in numbers
    )


def leave(session: Session, _words: Sequence[str], _given: str) -> str:
    """Leave the innermost shell."""
    session.names = session.names[:-1]
    return ""


PROGRAMS: dict[str, Program] = {
    "[": false,
    "cat": cat,
    "cd": cd,
    "chmod": chmod,
    "cp": cp,
    "dd": dd,
    "echo": echo,
    "exit": leave,
    "false": false,
    "ftpget": ftpget,
    "grep": grep,
    "head": head,
    "kill": kill,
    "ls": ls,
    "mkdir": mkdir,
    "mv": cp,
    "netstat": netstat,
    "printf": printf,
    "pwd": pwd,
    "rm": rm,
    "tftp": tftp,
    "uname": uname,
    "uptime": uptime,
    "wc": wc,
    "wget": wget,
    "which": which,
}
"""Every program that does something; other installed ones are silent."""
