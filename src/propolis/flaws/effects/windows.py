r"""What ``cmd.exe`` prints for an injected command, on the Windows server that some personas are.

Nothing is run. Lines end in CRLF, as the console's do.
"""

import base64
import binascii
import re
from collections.abc import Callable
from types import MappingProxyType

from propolis.flaws.effects.files import file
from propolis.flaws.scene import Scope
from propolis.machine.arithmetic import reckon

MAX_COMMAND_BYTES = 8_192
MAX_OUTPUT = 65_536
MAX_COMMANDS = 32
MAX_NESTING = 4
_VERSION = "10.0.17763.5576"


def cmd(scope: Scope, command: bytes) -> bytes:
    """Standard output and error of ``cmd /c command`` as the user of the web server. O(bytes), bounded."""
    line = command[:MAX_COMMAND_BYTES].replace(b"\0", b"").decode("latin-1")
    return _run(scope, line, 0)[:MAX_OUTPUT].encode("latin-1", "replace")


def _run(scope: Scope, line: str, depth: int) -> str:
    out, piped, succeeded = "", "", True
    for number, (join, simple) in enumerate(_split(line)):
        if number >= MAX_COMMANDS:
            break
        if (join == "&&" and not succeeded) or (join == "||" and succeeded):
            continue
        said, succeeded = _simple(scope, simple, piped if join == "|" else None, depth)
        if join == "|":
            out = out[: len(out) - len(piped)]
        piped = said
        out = (out + said)[:MAX_OUTPUT]
    return out


_JOIN = re.compile(r'((?:[^&|"\n^]|\^.|"[^"\n]*"?)*)(&&|\|\||&|\||\n|$)', re.DOTALL)


def _split(line: str) -> list[tuple[str, str]]:
    """Simple commands, each with what stands before it; carets and quotes keep what they cover."""
    parts: list[tuple[str, str]] = []
    join, at = "&", 0
    while at < len(line) and len(parts) < MAX_COMMANDS:
        found = _JOIN.match(line, at)
        if found is None or found.end() == at:
            break
        if found[1].strip():
            parts.append((join, found[1].strip()))
        join, at = found[2] or "&", found.end()
    return parts


def _simple(scope: Scope, command: str, piped: str | None, depth: int) -> tuple[str, bool]:
    text = _variables(scope, re.sub(r"\^(.)", r"\1", command, flags=re.DOTALL))
    text = re.sub(r"\s*\d?>{1,2}\s*(?:&\d|\S+)", "", text).strip("()@ \t")
    name, _, rest = text.partition(" ")
    slash = re.match(r"([A-Za-z.]+)([/.\\].*)", name)
    if slash and slash[1].lower() in _COMMANDS:
        name, rest = slash[1], f"{slash[2]} {rest}"
    key = name.strip('"').replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    if key in {"cmd", "powershell", "pwsh", "call", "start"}:
        return (_inner(scope, rest, depth), True) if depth < MAX_NESTING else ("", True)
    if key in {"find", "findstr"}:
        return _find(rest, piped or "")
    made = _COMMANDS.get(key)
    if made is None:
        return (
            f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
            False,
        )
    return made(scope, rest.strip()), True


def _inner(scope: Scope, rest: str, depth: int) -> str:
    encoded = re.search(r"(?i)-e(?:nc|ncodedcommand|c)?\s+([A-Za-z0-9+/=]{4,8000})", rest)
    if encoded:
        try:
            rest = base64.b64decode(encoded[1] + "===").decode("utf-16-le", "replace")
        except binascii.Error:
            return ""
    return _run(scope, _SWITCHES.sub("", rest).strip().strip('"'), depth + 1)


_SWITCHES = re.compile(
    r"(?i)^(?:\s*[-/](?:c|k|q|s|d|b|nop|noprofile|noni\w*|w\w*\s+hidden|ep\s+\w+|exec\w*\s+\w+|command)\b)+"
)


def _variables(scope: Scope, text: str) -> str:
    known = _environment(scope)
    text = re.sub(r"%([A-Za-z_()0-9]{1,40})%", lambda found: known.get(found[1].upper(), found[0]), text)
    return re.sub(r"(?i)\$env:(\w{1,40})", lambda found: known.get(found[1].upper(), ""), text)


def _environment(scope: Scope) -> dict[str, str]:
    scene = scope.scene
    return {
        "COMPUTERNAME": scene.hostname,
        "COMSPEC": r"C:\Windows\system32\cmd.exe",
        "NUMBER_OF_PROCESSORS": str(scene.machine.cores),
        "OS": "Windows_NT",
        "PATH": r"C:\Windows\system32;C:\Windows;C:\Windows\System32\Wbem",
        "PROCESSOR_ARCHITECTURE": "AMD64",
        "SYSTEMDRIVE": "C:",
        "SYSTEMROOT": r"C:\Windows",
        "TEMP": r"C:\Windows\TEMP",
        "USERDOMAIN": "IIS APPPOOL",
        "USERNAME": scene.account.user.rpartition("\\")[2],
        "USERPROFILE": scene.account.home,
        "WINDIR": r"C:\Windows",
    }


def _echo(_: Scope, rest: str) -> str:
    return f"{rest.removeprefix('.').strip()}\r\n" if rest else "ECHO is on.\r\n"


def _set(scope: Scope, rest: str) -> str:
    if rest[:2].lower() == "/a":
        value = reckon(rest[2:].rpartition("=")[2].strip(' "'))
        return "Missing operator.\r\n" if value is None else str(value)
    rows = (f"{name}={value}\r\n" for name, value in _environment(scope).items())
    return "".join(row for row in rows if row.upper().startswith(rest.upper()))


def _type(scope: Scope, rest: str) -> str:
    text = file(scope, rest.strip('" ').encode("latin-1", "replace")).decode("latin-1")
    return text or "The system cannot find the file specified.\r\n"


_FOLDER = (
    *(("<DIR>", name) for name in (".", "..", "aspnet_client", "bin")),
    ("           703", "iisstart.htm"),
    ("        99,710", "iisstart.png"),
    ("           826", "web.config"),
)


def _dir(scope: Scope, rest: str) -> str:
    folder = rest.strip('" ') or scope.scene.account.folder
    serial = scope.scene.machine.machine_id[:8].upper()
    rows = "".join(f"01/14/2024  09:14 PM    {kind:<14} {name}\r\n" for kind, name in _FOLDER)
    return (
        f" Volume in drive C has no label.\r\n Volume Serial Number is {serial[:4]}-{serial[4:]}\r\n\r\n"
        f" Directory of {folder}\r\n\r\n{rows}               3 File(s)        101,239 bytes\r\n"
        "               4 Dir(s)  21,474,836,480 bytes free\r\n"
    )


def _whoami(scope: Scope, rest: str) -> str:
    if "priv" in rest.lower():
        return (
            "\r\nPRIVILEGES INFORMATION\r\n----------------------\r\n\r\n"
            "Privilege Name                Description                               State   \r\n"
            "============================= ========================================= ========\r\n"
            "SeImpersonatePrivilege        Impersonate a client after authentication Enabled \r\n"
            "SeCreateGlobalPrivilege       Create global objects                     Enabled \r\n"
        )
    return f"{scope.scene.account.user}\r\n"


def _ipconfig(scope: Scope, rest: str) -> str:
    mac = scope.scene.machine.mac.upper().replace(":", "-")
    last = int(scope.scene.machine.mac[-2:], 16) % 250 + 2
    card = f"   Physical Address. . . . . . . . . : {mac}\r\n" if "all" in rest.lower() else ""
    return (
        "\r\nWindows IP Configuration\r\n\r\n\r\nEthernet adapter Ethernet0:\r\n\r\n"
        f"   Connection-specific DNS Suffix  . : \r\n{card}"
        f"   IPv4 Address. . . . . . . . . . . : 10.0.2.{last}\r\n"
        "   Subnet Mask . . . . . . . . . . . : 255.255.255.0\r\n"
        "   Default Gateway . . . . . . . . . : 10.0.2.1\r\n"
    )


def _systeminfo(scope: Scope, _: str) -> str:
    memory = scope.scene.machine.memory_kib >> 10
    return (
        f"\r\nHost Name:                 {scope.scene.hostname}\r\n"
        "OS Name:                   Microsoft Windows Server 2019 Standard\r\n"
        f"OS Version:                {_VERSION.rpartition('.')[0]} N/A Build 17763\r\n"
        "OS Manufacturer:           Microsoft Corporation\r\n"
        "System Type:               x64-based PC\r\n"
        f"Total Physical Memory:     {memory:,} MB\r\nDomain:                    WORKGROUP\r\n"
    )


def _find(rest: str, piped: str) -> tuple[str, bool]:
    quoted = re.search(r'"([^"]*)"', rest)
    words = [word for word in rest.split() if not word.startswith("/")]
    wanted = quoted[1] if quoted else (words or [""])[0]
    ignores_case = "/i" in rest.lower()
    lines = [
        line
        for line in piped.splitlines()
        if (wanted.lower() in line.lower() if ignores_case else wanted in line)
    ]
    return "".join(f"{line}\r\n" for line in lines), bool(lines)


def _refused(scope: Scope, rest: str) -> str:
    del scope, rest
    return "The operation timed out\r\n"


_COMMANDS: MappingProxyType[str, Callable[[Scope, str], str]] = MappingProxyType(
    {
        "bitsadmin": _refused,
        "cd": lambda scope, rest: "" if rest else f"{scope.scene.account.folder}\r\n",
        "certutil": _refused,
        "curl": lambda _, __: "curl: (7) Failed to connect: Timed out\r\n",
        "dir": _dir,
        "echo": _echo,
        "hostname": lambda scope, _: f"{scope.scene.hostname}\r\n",
        "ipconfig": _ipconfig,
        "net": lambda scope, _: (
            f"\r\nUser accounts for \\\\{scope.scene.hostname}\r\n\r\n{'-' * 79}\r\n"
            "Administrator            DefaultAccount           Guest                    \r\n"
            "The command completed successfully.\r\n\r\n"
        ),
        "ping": lambda _, __: "Request timed out.\r\n",
        "set": _set,
        "systeminfo": _systeminfo,
        "timeout": lambda _, __: "",
        "type": _type,
        "ver": lambda _, __: f"\r\nMicrosoft Windows [Version {_VERSION}]\r\n",
        "whoami": _whoami,
        "write-host": _echo,
        "write-output": _echo,
    }
)
"""What is answered; anything else is not recognised."""
