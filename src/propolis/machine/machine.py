"""What a login sees of the decoy's file system and settings: the persona's, and what was written since."""

import posixpath

from propolis.machine.disk import Disk
from propolis.machine.host import Host

MAX_FILES = 32
MAX_FILE_CHARS = 16_384
MAX_VARIABLES = 64
MAX_VALUE_CHARS = 1024
"""Of a variable, and of what a command inside a line stands for."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """The decoy as one user sees it; nothing of it is the real machine."""

    def __init__(self, disk: Disk, host: Host, user: str) -> None:
        self.host = host
        self.user = user
        self.home = "/root" if user == "root" else f"/home/{user}"
        self.folder = self.home
        self.status = 0
        self.is_over = False
        self._disk = disk
        self._files = {"/etc/hostname": f"{host.name}\n"}
        self._folders = {self.home, "/dev/shm", "/tmp", "/var/tmp"}  # noqa: S108 - names, nothing is opened
        self._variables = {
            "USER": user,
            "LOGNAME": user,
            "HOME": self.home,
            "SHELL": "/bin/bash",
            "PATH": _PATH,
            "HOSTNAME": host.name,
            "TERM": "xterm",
        }

    def has_program(self, name: str) -> bool:
        """Whether a program of that name is installed."""
        return name in self._disk.commands

    def value_of(self, name: str) -> str:
        """A variable's value; one that is not set is empty."""
        special = {"?": str(self.status), "PWD": self.folder, "$": "1412", "#": "0", "-": "himBHs"}
        return special.get(name, self._variables.get(name, ""))

    def set_value(self, name: str, value: str) -> None:
        """Set a variable, within bounds."""
        if name in self._variables or len(self._variables) < MAX_VARIABLES:
            self._variables[name] = value[:MAX_VALUE_CHARS]

    def resolve(self, path: str) -> str:
        """An absolute path, without dots."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        return posixpath.normpath(posixpath.join(self.folder, path))

    def text_of(self, path: str) -> str | None:
        """A file's text, or ``None`` if there is no such file."""
        if path in self._files:
            return self._files[path]
        host = self.host
        match path:
            case "/proc/cpuinfo":
                vendor = "GenuineIntel" if "Intel" in host.cpu else "AuthenticAMD"
                core = f"vendor_id\t: {vendor}\nmodel name\t: {host.cpu}\ncpu cores\t: {host.cores}\n\n"
                return "".join(f"processor\t: {number}\n{core}" for number in range(host.cores))
            case "/proc/version":
                return f"Linux version {host.kernel} (debian-kernel@lists.debian.org) {host.build}\n"
            case "/proc/meminfo":
                return (
                    f"MemTotal:       {host.memory_kib:8d} kB\nMemFree:        {host.memory_kib // 7:8d} kB\n"
                )
            case "/etc/passwd" if self.user != "root":
                own = f"{self.user}:x:1000:1000:,,,:{self.home}:/bin/bash\n"
                return self._disk.files[path] + own
            case _:
                return self._disk.files.get(path)

    def names_in(self, path: str) -> list[str] | None:
        """The names in a folder, sorted, or ``None`` if there is no such folder."""
        everything = {*self._files, *self._folders}
        below = {
            posixpath.basename(name)
            for name in everything
            if posixpath.dirname(name) == path and name != path
        }
        if path in self._disk.listings:
            return sorted({*self._disk.listings[path], *below})
        return sorted(below) if below or path in self._folders else None

    def write(self, path: str, text: str, *, is_append: bool) -> None:
        """Write a file, within bounds."""
        if path == "/dev/null" or (path not in self._files and len(self._files) >= MAX_FILES):
            return
        before = (self.text_of(path) or "") if is_append else ""
        self._files[path] = (before + text)[:MAX_FILE_CHARS]

    def make_folder(self, path: str) -> None:
        """Make a folder, within bounds."""
        if len(self._folders) < MAX_FILES:
            self._folders.add(path)

    def remove(self, path: str) -> bool:
        """Remove what was written or made here; whether there was anything."""
        is_file = self._files.pop(path, None) is not None
        is_folder = path in self._folders
        self._folders.discard(path)
        return is_file or is_folder
