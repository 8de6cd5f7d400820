"""Record Debian's telnetd, login and BusyBox: ``python -m propolis.lures.telnet.record [file]``, as root.

telnetd and login run on one end of a loopback connection, as inetd would run them. The shell runs in a root folder
that holds BusyBox and nothing else, in namespaces of its own, under a host name that becomes a mark.
"""

import base64
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from propolis.lures.persona import FOLDER
from propolis.lures.telnet.persona import Persona
from propolis.lures.telnet.wire import DO, DONT, IAC, WILL, WONT

TELNETD = "/usr/sbin/telnetd"
BUSYBOX = "/bin/busybox"
QUIET_SECONDS = 0.8
FAIL_SECONDS = 3.0
"""``pam_faildelay`` of Debian's ``/etc/pam.d/login``."""
HOST = "recorded-host"
ELF_BYTES = 64

FOLDERS = (
    "/ /bin /boot /dev /dev/shm /etc /home /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /usr/bin /usr/sbin "
    "/var /var/run /var/tmp"
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOUNTS = (
    ("proc", "proc", "/proc"),
    ("sysfs", "sysfs", "/sys"),
    ("tmpfs", "tmpfs", "/run"),
    ("tmpfs", "tmpfs", "/dev/shm"),  # noqa: S108 - a place within the recorded root
)
PROMPT = re.compile(r"(?:~|/\S*) # $")
ROOT_OPTIONS = "rw,relatime,errors=remount-ro"
"""How Debian's installer mounts ``/``."""
USERS = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
READ = ("/etc/passwd", "/proc/filesystems", "/proc/mounts", "/proc/cpuinfo", "/proc/meminfo")
LINES = (
    "busybox", "help", "id", "whoami", "ps", "free", "mount", "nproc", "uname", "uname -a", "uname -m",
    "uname -r", "uname -n", "uname -s", "hostname", "wget", "tftp", "ftpget", "nc", "busybox wget", "busybox tftp",
    "busybox ftpget", "ls /", "ls /bin", "netstat", "route", "arp", "env", "ulimit -n", "ulimit", "umask",
)  # fmt: skip
"""What attackers ask of a shell they do not know yet."""


def record() -> Persona:
    """Ask telnetd for its greeting and its ends, and BusyBox for its answers."""
    greeting, banner, failed = _login()
    with shell() as busybox:
        answers = {line: busybox.ask(line) for line in LINES}
        files = {path: busybox.ask(f"cat {path}") for path in READ}
        applets = busybox.ask("busybox --list").split()
        intro = busybox.intro
    memory = re.search(r"Mem:\s+(\d+)", answers["free"])
    motd = Path("/etc/motd").read_text()
    incorrect, exceeded = failed[0], failed[-1].removeprefix(failed[0].rpartition("\r\n")[0]).strip("\r\n")
    return Persona(
        product=subprocess.run(
            [TELNETD, "--version"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[0],
        greeting=greeting,
        banner=banner,
        login="{host} login: ",
        password="Password: ",  # noqa: S106 - the prompt
        incorrect=incorrect.rpartition("\r\n")[0] + "\r\n",
        exceeded=exceeded + "\r\n",
        tries=len(failed),
        fail_seconds=FAIL_SECONDS,
        welcome=f"Linux {{host}} {{kernel}} {{build}} x86_64\n{motd}{intro}",
        memory_kib=int(memory[1]) if memory else 0,
        elf=base64.b64encode(Path(BUSYBOX).read_bytes()[:ELF_BYTES]).decode(),
        applets=tuple(applets),
        folders=tuple(FOLDERS.split()),
        files=files,
        answers=answers,
    )


@contextmanager
def telnetd() -> Iterator[socket.socket]:
    """Telnetd on one end of a loopback connection, as inetd starts it; gives the other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    process = subprocess.Popen(
        [TELNETD], stdin=server.fileno(), stdout=server.fileno(), stderr=subprocess.DEVNULL
    )
    server.close()
    with client, process:
        try:
            yield client
        finally:
            process.kill()


def _login() -> tuple[tuple[str, str, str], str, list[str]]:
    """The three parts of the greeting, the banner, and the ends of every failed try."""
    with telnetd() as client:
        parts = []
        for _ in range(3):
            parts.append(said(client))
            client.sendall(refusal(parts[-1]))
        first, second, third = parts
        options = third[: third.rindex(b"\xff") + 3]
        failed: list[str] = []
        while not failed or "exceeded" not in failed[-1]:
            client.sendall(b"nobody\r\n")
            said(client)
            client.sendall(b"wrong\r\n")
            failed.append(
                said(client, FAIL_SECONDS * 2, b"login: ", b"exceeded").decode().removeprefix("\r\n")
            )
    banner = third[len(options) :].decode().removesuffix(f"{socket.gethostname()} login: ")
    banner = re.sub(r"Linux \S+ \(\S+\) \(pts/\d+\)", "Linux {kernel} ({peer}) (pts/0)", banner)
    return (first.decode("latin-1"), second.decode("latin-1"), options.decode("latin-1")), banner, failed


def said(client: socket.socket, seconds: float = QUIET_SECONDS, *until: bytes) -> bytes:
    """What comes before silence of so many seconds, the end, or one of these marks."""
    heard = b""
    client.settimeout(seconds)
    with suppress(TimeoutError):
        while not any(mark in heard for mark in until) and (data := client.recv(4_096)):
            heard += data
    return heard


def refusal(greeting: bytes) -> bytes:
    """Every option offered or asked for, turned down but the server's echo."""
    answers = {WILL: DONT, DO: WONT}
    triples = re.findall(rb"\xff([\xfb\xfd])(.)", greeting, re.DOTALL)
    return b"".join(bytes((IAC, answers[verb[0]], option[0])) for verb, option in triples)


def _furnish(root: Path) -> None:
    for name in FOLDERS.split():
        (root / name[1:]).mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    (root / "etc/passwd").write_text(USERS)
    (root / "etc/group").write_text("root:x:0:\n")
    linked = subprocess.run(["ldd", BUSYBOX], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"/\S+", linked):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    shutil.copy(BUSYBOX, root / "bin/busybox")
    subprocess.run(["chroot", str(root), "/bin/busybox", "--install", "-s", "/bin"], check=True)


@contextmanager
def shell() -> Iterator["Shell"]:
    """BusyBox's shell in a root folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        _furnish(Path(folder))
        busybox = Shell(folder)
        try:
            yield busybox
        finally:
            busybox.close()


class Shell:
    """BusyBox's shell on a terminal in the furnished root."""

    def __init__(self, root: str) -> None:
        mounts = "".join(f"mount -t {kind} {device} {root}{place}; " for kind, device, place in MOUNTS)
        inside = f"hostname {HOST}; mount --bind {root} {root}; {mounts}"
        inside += f"exec env -i HOME=/root PATH={PATH} TERM=dumb USER=root"
        command = f'{inside} chroot {root} /bin/sh -c "cd /root; exec sh"'
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            apart = ("unshare", "--mount", "--pid", "--uts", "--net", "--fork", "sh", "-c", command)
            os.execvp(apart[0], apart)  # noqa: S606 - the child of a pty has no other way
        self.intro = PROMPT.sub("", self._until_prompt())

    def ask(self, line: str) -> str:
        """What the shell prints for a line, without the line's echo and the prompt."""
        os.write(self._terminal, line.encode() + b"\n")
        said = self._until_prompt()
        return PROMPT.sub("", said.removeprefix(line + "\n")).replace(HOST, "{host}")

    def close(self) -> None:
        """Leave the shell, and with it its namespaces and mounts."""
        os.write(self._terminal, b"exit\n")
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _until_prompt(self) -> str:
        said = b""
        while select.select([self._terminal], [], [], QUIET_SECONDS)[0]:
            said += os.read(self._terminal, 4_096)
            if said.endswith((b"# ", b"# \x1b[6n")):
                break
        uname = os.uname()
        text = said.decode("latin-1").replace("\x1b[6n", "").replace("\r\n", "\n")
        text = re.sub(
            r"/dev/\S+( on)? / (type )?ext4 (\(?)[^ )\n]*", r"/dev/sda1\1 / \2ext4 \3" + ROOT_OPTIONS, text
        )
        return text.replace(uname.release, "{kernel}").replace(uname.version, "{build}")


def main(arguments: list[str]) -> None:
    """Write the persona to the file named, or in its place among the personas."""
    target = Path(arguments[0]) if arguments else FOLDER / "telnet" / "debian12.json"
    target.write_bytes(msgspec.json.format(msgspec.json.encode(record()), indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
