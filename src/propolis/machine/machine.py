"""What a login, or a web server, sees of the decoy's files and settings: what is recorded, and what was written."""

import fnmatch
import posixpath
import re

from propolis.machine.disk import Disk
from propolis.machine.files import FOLDERS, PRIVATE, TEXTS
from propolis.machine.host import Host

MAX_FILES = 32
MAX_FILE_CHARS = 16_384
MAX_VARIABLES = 64
MAX_VALUE_CHARS = 1024
"""Of a variable, and of what a command inside a line stands for."""
MAX_GLOBBED = 64
"""Paths that one pattern stands for."""
_MAX_GLOB_CHARS = 256

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL_OPTIONS = {"?": "", "$": "1412", "#": "0", "-": "himBHs", "IFS": " \t\n"}
ROOT = 0
_FIRST_USER = 1000


class Machine:
    """The decoy as one user sees it; nothing of it is the real machine.

    ``number``, ``home`` and ``folder`` (where one starts) are what the list of users says, unless they are given.
    ``now`` are UTC nanoseconds.
    """

    def __init__(
        self,
        disk: Disk,
        host: Host,
        user: str,
        *,
        number: int | None = None,
        home: str = "",
        folder: str = "",
        now: int = 0,
    ) -> None:
        self.host = host
        self.user = user
        self.now = now
        self._disk = disk
        listed = _listed(disk, user)
        self.number = number if number is not None else listed[0]
        self.home = home or listed[1]
        self.folder = folder or self.home
        self.status = 0
        self.is_over = False
        self._is_listed = bool(_entry(disk, user))
        self._files = {"/etc/hostname": f"{host.name}\n"}
        self._folders = {self.home, self.folder, "/dev/shm", "/tmp", "/var/tmp"}  # noqa: S108 - nothing is opened
        self._variables = {
            "USER": user,
            "LOGNAME": user,
            "HOME": self.home,
            "SHELL": "/bin/bash",
            "PATH": _PATH,
            "HOSTNAME": host.name,
            "TERM": "xterm",
        }

    @property
    def written(self) -> dict[str, str]:
        """Every file that was written here, by path."""
        return {path: text for path, text in self._files.items() if path != "/etc/hostname"}

    @property
    def variables(self) -> dict[str, str]:
        """The environment, without what only the shell knows."""
        return {**self._variables, "PWD": self.folder}

    def has_program(self, name: str) -> bool:
        """Whether a program of that name is installed."""
        return name in self._disk.commands

    def value_of(self, name: str) -> str:
        """A variable's value; one that is not set is empty."""
        if name == "?":
            return str(self.status)
        return self.variables.get(name, _SHELL_OPTIONS.get(name, ""))

    def set_value(self, name: str, value: str) -> None:
        """Set a variable, within bounds."""
        if name in self._variables or len(self._variables) < MAX_VARIABLES:
            self._variables[name] = value[:MAX_VALUE_CHARS]

    def resolve(self, path: str) -> str:
        """An absolute path, without dots."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        return "/" + posixpath.normpath(posixpath.join(self.folder, path)).lstrip("/")

    def text_of(self, path: str) -> str | None:
        """A file's text, or ``None`` if there is no such file, or none that this user may read."""
        if path in self._files:
            return self._files[path]
        if not self.may_read(path):
            return None
        made = TEXTS.get(path)
        if made is not None:
            return made(self)
        if path == "/etc/passwd" and not self._is_listed:
            own = f"{self.user}:x:{self.number}:{self.number}:,,,:{self.home}:/bin/bash\n"
            return self._disk.files[path] + own
        return self._disk.files.get(path)

    def may_read(self, path: str) -> bool:
        """Whether this user may: only the superuser reads what is private."""
        return self.number == ROOT or path not in PRIVATE

    def names_in(self, path: str) -> list[str] | None:
        """The names in a folder, sorted, or ``None`` if there is no such folder."""
        everything = {*self._files, *self._folders}
        below = {
            posixpath.basename(name)
            for name in everything
            if posixpath.dirname(name) == path and name != path
        }
        known = self._disk.listings.get(path, FOLDERS.get(path))
        if known is not None:
            return sorted({*known, *below})
        return sorted(below) if below or path in self._folders else None

    def glob(self, pattern: str) -> list[str]:
        """The paths that a pattern stands for, sorted; the pattern itself if for none (POSIX 2.13.3)."""
        if len(pattern) > _MAX_GLOB_CHARS or pattern.count("*") > 8:
            return [pattern]
        found = ["/" if pattern.startswith("/") else ""]
        for part in filter(None, pattern.split("/")):
            if re.search(r"[*?\[]", part) is None:
                found = [posixpath.join(folder, part) for folder in found]
                continue
            found = [
                posixpath.join(folder, name)
                for folder in found
                for name in self._names_for_glob(self.resolve(folder or "."))
                if fnmatch.fnmatchcase(name, part) and not (name.startswith(".") and part[0] != ".")
            ][:MAX_GLOBBED]
        there = [path for path in found if self._exists(self.resolve(path))]
        return there or [pattern]

    def _names_for_glob(self, folder: str) -> list[str]:
        names = list(self.names_in(folder) or ())
        if folder in {"/bin", "/usr/bin", "/sbin", "/usr/sbin"}:
            names += sorted(self._disk.commands)
        names += [
            posixpath.basename(path)
            for path in (*TEXTS, *self._disk.files)
            if posixpath.dirname(path) == folder
        ]
        return sorted(set(names))

    def _exists(self, path: str) -> bool:
        folder, name = posixpath.split(path)
        is_program = folder in {"/bin", "/usr/bin", "/sbin", "/usr/sbin"} and self.has_program(name)
        return (
            is_program
            or self.text_of(path) is not None
            or self.names_in(path) is not None
            or name in (self.names_in(folder) or ())
        )

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


def _entry(disk: Disk, user: str) -> list[str]:
    """The line of a user in the list of users, taken apart; empty if there is none."""
    lines = (line.split(":") for line in disk.files["/etc/passwd"].splitlines())
    return next((parts for parts in lines if parts[0] == user and len(parts) > 5), [])


def _listed(disk: Disk, user: str) -> tuple[int, str]:
    entry = _entry(disk, user)
    return (int(entry[2]), entry[5]) if entry else (_FIRST_USER, f"/home/{user}")
