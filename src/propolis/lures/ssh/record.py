"""Records a persona from the sshd of this machine: ``python -m propolis.lures.ssh.record NAME FILE``.

Needs root, Debian 12 and its ``openssh-server``. The real daemon runs on a loopback port with fresh keys and Debian's
settings, forwarding and subsystems switched off; every text in the persona is what it answered.
"""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncssh
import msgspec
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_OPEN,
    MSG_DEBUG,
    MSG_EXT_INFO,
    MSG_GLOBAL_REQUEST,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_REQUEST,
)
from asyncssh.packet import Boolean, SSHPacket, String, UInt32

from propolis.lures.ssh.persona import Algorithms, Persona, Texts
from propolis.lures.ssh.scribe import Scribe, connect, talk

GROUPS_PER_SIZE = 3
_START_SECONDS = 10.0
_CLIENT = b"SSH-2.0-x\r\n"
_NO_CHANNEL = 77
_FILES = ("/etc/os-release", "/etc/debian_version", "/etc/issue", "/etc/issue.net", "/etc/host.conf")
_MADE_AT_INSTALLATION = {
    "/": ("dev", "initrd.img", "lost+found", "media", "mnt", "opt", "proc", "srv", "sys", "vmlinuz"),
    "/etc": (
        "fstab",
        "group",
        "gshadow",
        "hostname",
        "hosts",
        "machine-id",
        "mtab",
        "passwd",
        "resolv.conf",
        "shadow",
    ),
}
_FOLDERS = (
    "/",
    "/boot",
    "/etc",
    "/etc/ssh",
    "/home",
    "/mnt",
    "/opt",
    "/root",
    "/srv",
    "/tmp",  # noqa: S108 - a name to list
    "/usr",
    "/usr/local",
    "/var",
)
_SYSTEM_USERS = ("systemd-network", "systemd-timesync", "messagebus", "sshd")
_BUILTINS = (
    "cd",
    "echo",
    "eval",
    "exit",
    "export",
    "history",
    "kill",
    "logout",
    "printf",
    "pwd",
    "read",
    "set",
    "test",
)
_MORE_BUILTINS = (
    "[",
    ":",
    ".",
    "alias",
    "bg",
    "fg",
    "jobs",
    "source",
    "trap",
    "type",
    "ulimit",
    "umask",
    "unset",
    "wait",
)

_SETTINGS = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/rsa
HostKey {folder}/ecdsa
HostKey {folder}/ed25519
PidFile none
UsePAM yes
KbdInteractiveAuthentication no
PermitRootLogin yes
X11Forwarding no
AllowTcpForwarding no
AllowAgentForwarding no
PrintMotd no
AcceptEnv LANG LC_*
AuthorizedKeysFile {folder}/authorized
StrictModes no
MaxStartups 100
"""


class Daemon(msgspec.Struct, frozen=True):
    """A running sshd: its loopback port, and a key that logs in as root."""

    port: int
    key: asyncssh.SSHKey


@contextmanager
def daemon() -> Iterator[Daemon]:
    """A real sshd for as long as the context lasts. Raises ``OSError`` if there is none or it does not start."""
    with TemporaryDirectory(prefix="sshd-") as name, socket.create_server(("127.0.0.1", 0)) as probe:
        folder, port = Path(name), int(probe.getsockname()[1])
        for kind in ("rsa", "ecdsa", "ed25519"):
            subprocess.run(("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / kind), check=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        (folder / "authorized").write_bytes(key.export_public_key())
        (folder / "settings").write_text(_SETTINGS.format(port=port, folder=folder))
        Path("/run/sshd").mkdir(exist_ok=True)
        probe.close()
        command = ("/usr/sbin/sshd", "-D", "-e", "-f", folder / "settings")
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield Daemon(port, key)
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(int(_START_SECONDS * 20)):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"sshd did not open port {port}")


async def record(name: str, server: Daemon) -> Persona:
    """Ask the daemon everything a persona holds."""
    scribe = await connect(server.port)
    said, _ = await talk(server.port, _CLIENT)
    failure = SSHPacket((await (await scribe.begin()).offer("root", "none"))[-1][1:])
    counts = asyncio.gather(_count_tries(server), _count_sessions(server), _window(server), _packet(server))
    before, after = await asyncio.gather(_texts_before_login(server), _texts_after_login(server))
    max_tries, max_sessions, window, packet = await counts
    listings, commands = _installed()
    return Persona(
        name=name,
        identification=said.partition(b"\r\n")[0].decode(),
        algorithms=_algorithms(scribe.messages[0]),
        extensions=_extensions(scribe.messages),
        methods=_names(failure.get_namelist()),
        max_tries=max_tries,
        max_sessions=max_sessions,
        window=window,
        packet=packet,
        texts=Texts(**before, **after),
        groups=_groups(),
        files=_files(),
        listings=listings,
        commands=commands,
    )


def _names(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(name.decode() for name in names)


def _algorithms(kexinit: bytes) -> Algorithms:
    packet = SSHPacket(kexinit)
    packet.get_bytes(17)
    lists = [_names(packet.get_namelist()) for _ in range(8)]
    return Algorithms(
        key_exchange=lists[0], host_key=lists[1], cipher=lists[2], mac=lists[4], compression=lists[6]
    )


def _extensions(messages: list[bytes]) -> tuple[tuple[str, str], ...]:
    packet = SSHPacket(next(message for message in messages if message[0] == MSG_EXT_INFO)[1:])
    return tuple(
        (packet.get_string().decode(), packet.get_string().decode()) for _ in range(packet.get_uint32())
    )


def _reason(messages: list[bytes]) -> str:
    """The text of a DISCONNECT or DEBUG."""
    packet = SSHPacket(messages[-1])
    packet.get_bytes(2 if messages[-1][0] == MSG_DEBUG else 5)
    return packet.get_string().decode()


def _template(text: str, *values: object) -> str:
    for value in values:
        text = text.replace(str(value), "{}", 1)
    return text


async def _line(server: Daemon, *parts: bytes) -> str:
    """The line that answers a first line that sshd does not like."""
    said, _ = await talk(server.port, *parts)
    return said.splitlines()[-1].decode()


async def _complaint(server: Daemon, *payloads: bytes) -> str:
    """The DISCONNECT that answers messages sent before the key exchange."""
    said, _ = await talk(server.port, _CLIENT, b"".join(payloads))
    return _reason(plain_messages(said))


def plain_messages(said: bytes) -> list[bytes]:
    """The payloads of unencrypted packets behind an identification line."""
    rest, payloads = said.partition(b"\r\n")[2], []
    while len(rest) > 5:
        size = int.from_bytes(rest[:4], "big")
        payloads.append(rest[5 : 4 + size - rest[4]])
        rest = rest[4 + size :]
    return payloads


async def _strict(server: Daemon) -> bytes:
    """A KEXINIT the server agrees with, that asks for strict key exchange."""
    said, _ = await talk(server.port, _CLIENT)
    return plain_messages(said)[0].replace(b"kex-strict-s-v00", b"kex-strict-c-v00")


async def _texts_before_login(server: Daemon) -> dict[str, str]:
    strict, ignore = plain_packet(await _strict(server)), plain_packet(b"\x02" + String(b""))
    user, other = "first-user", "other-user"
    changed = await (await connect(server.port)).begin()
    await changed.offer(user, "none")
    tired = await (await connect(server.port)).begin()
    for _ in range(32):
        if not tired.is_over:
            await tired.offer("root", "hostbased")
    service = await (await connect(server.port)).ask(MSG_SERVICE_REQUEST, String("no-such-service"))
    return {
        "invalid_identification": await _line(server, b"SSH-1337\n"),
        "major_differs": await _line(server, b"SSH-1.0-x\r\n"),
        "bad_padding": _template(await _complaint(server, b"\0\0\0\x0c\x03" + b"\x14" * 64), 3),
        "bad_packet_type": _template(await _complaint(server, plain_packet(b"\xc8")), 200),
        "bad_service": _template(_reason(service), "no-such-service"),
        "strict_violation": _template(await _complaint(server, strict, ignore), 2, 1),
        "strict_first": await _complaint(server, ignore, strict),
        "too_many_failures": _reason(tired.messages),
        "changed_user": _template(
            _reason(await changed.offer(other, "none")), user, "ssh-connection", other, "ssh-connection"
        ),
    }


def plain_packet(payload: bytes) -> bytes:
    """A packet before encryption (RFC 4253, 6), padded with zeros."""
    padding = -(5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return UInt32(1 + len(payload) + padding) + bytes((padding,)) + payload + bytes(padding)


async def logged_in(server: Daemon) -> Scribe:
    """A scribe that is root."""
    scribe = await (await connect(server.port)).begin()
    await scribe.log_in("root", server.key)
    return scribe


async def _texts_after_login(server: Daemon) -> dict[str, str]:
    number = UInt32(_NO_CHANNEL)
    texts: dict[str, str] = {}
    for name, kind, body in (
        ("unknown_data_channel", MSG_CHANNEL_DATA, (number, String("x"))),
        ("unknown_eof_channel", MSG_CHANNEL_EOF, (number,)),
        ("unknown_close_channel", MSG_CHANNEL_CLOSE, (number,)),
    ):
        texts[name] = _template(_reason(await (await logged_in(server)).ask(kind, *body)), _NO_CHANNEL)
    unknown = await (await logged_in(server)).request("shell", channel=_NO_CHANNEL)
    texts["unknown_request_channel"] = _template(_reason(unknown), _NO_CHANNEL)
    closed = await logged_in(server)
    await closed.ask(MSG_GLOBAL_REQUEST, String("no-more-sessions@openssh.com"), Boolean(value=True))
    texts["no_more_sessions"] = _reason(await closed.open_channel())
    scribe = await logged_in(server)
    refused = await scribe.ask(MSG_CHANNEL_OPEN, String("unknown"), UInt32(0), UInt32(1), UInt32(1))
    packet = SSHPacket(refused[-1][9:])
    texts["open_failed"] = packet.get_string().decode()
    forward = (String("tcpip-forward"), Boolean(value=True), String(""), UInt32(0))
    texts["forwarding_disabled"] = _reason((await scribe.ask(MSG_GLOBAL_REQUEST, *forward))[:1])
    tunnel = (String("tun@openssh.com"), UInt32(0), UInt32(1), UInt32(1), UInt32(1), UInt32(0))
    texts["tunnel_rejected"] = _reason((await scribe.ask(MSG_CHANNEL_OPEN, *tunnel))[:1])
    await scribe.open_channel()
    terminal = (String("xterm"), *[UInt32(0)] * 4, String(b"\0"))
    await scribe.request("pty-req", *terminal)
    texts["second_terminal"] = _reason(await scribe.request("pty-req", *terminal))
    return texts


async def _count_tries(server: Daemon) -> int:
    scribe, tries = await (await connect(server.port)).begin(), 0
    while not scribe.is_over:
        await scribe.ask(MSG_USERAUTH_REQUEST, String("root"), String("ssh-connection"), String("hostbased"))
        tries += 1
    return tries


async def _count_sessions(server: Daemon) -> int:
    scribe, sessions = await logged_in(server), 0
    while (await scribe.open_channel(sessions))[-1][0] == 91:
        sessions += 1
    return sessions


async def _window(server: Daemon) -> int:
    scribe = await logged_in(server)
    await scribe.open_channel()
    return int.from_bytes((await scribe.request("exec", String("true")))[0][5:9], "big")


async def _packet(server: Daemon) -> int:
    return int.from_bytes((await (await logged_in(server)).open_channel())[-1][13:17], "big")


def _groups() -> tuple[str, ...]:
    """Some of each size from Debian's ``moduli`` file: those with generator 2."""
    chosen: dict[str, list[str]] = defaultdict(list)
    for line in Path("/etc/ssh/moduli").read_text().splitlines():
        fields = line.split()
        if len(fields) == 7 and fields[5] == "2" and len(chosen[fields[4]]) < GROUPS_PER_SIZE:
            chosen[fields[4]].append(fields[6].lower())
    return tuple(prime for primes in chosen.values() for prime in primes)


def _files() -> dict[str, str]:
    files = {name: Path(name).read_text() for name in _FILES if Path(name).is_file()}
    files["/etc/motd"] = "\n" + Path("/usr/share/base-files/motd").read_text().lstrip("\n")
    users = Path("/usr/share/base-passwd/passwd.master").read_text().replace(":*:", ":x:")
    here = Path("/etc/passwd").read_text().splitlines(keepends=True)
    files["/etc/passwd"] = users + "".join(
        line for line in here if line.startswith(tuple(f"{u}:" for u in _SYSTEM_USERS))
    )
    return files


def _installed() -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Names by folder, and programs, of a minimal Debian: its required and important packages, and the server."""
    query = ("dpkg-query", "-W", "-f", "${Package}\t${Priority}\n")
    packages = [line.split("\t") for line in _output(*query).splitlines()]
    minimal = [package for package, priority in packages if priority in {"required", "important"}]
    paths = set(_output("dpkg-query", "-L", *minimal, "openssh-server", "openssh-sftp-server").splitlines())
    listings: dict[str, set[str]] = {
        folder: set(_MADE_AT_INSTALLATION.get(folder, ())) for folder in _FOLDERS
    }
    for path in paths:
        folder, _, name = path.rpartition("/")
        if (folder or "/") in listings and name not in {"", "."}:
            listings[folder or "/"].add(name)
    programs = {path.rpartition("/")[2] for path in paths if re.fullmatch(r"(/usr)?/s?bin/[^/]+", path)}
    chosen = (line.split() for line in _output("update-alternatives", "--get-selections").splitlines())
    programs |= {fields[0] for fields in chosen if fields[2] in paths and "." not in fields[0]}
    return {folder: tuple(sorted(names)) for folder, names in listings.items()}, frozenset(
        {*programs, *_BUILTINS, *_MORE_BUILTINS}
    )


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(name: str, path: Path) -> None:
    """Record and write, sorted, so that a new recording shows as a small difference."""
    with daemon() as server:
        persona = asyncio.run(record(name, server))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(persona, order="sorted"), indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
