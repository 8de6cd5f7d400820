"""What a shell session remembers: where it is, how the last command ended, and the few files it left."""

import base64

import msgspec

from propolis.lures.lure import Visit
from propolis.lures.telnet.persona import Host

FILES = 32
FILE_BYTES = 16_384
_FOLDER = "\0folder"


class Session:
    """One shell and those within it.

    ``names`` is what they call themselves, ``status`` what ``$?`` is, ``complaints`` what the present command said on
    standard error.
    """

    def __init__(self, host: Host, visit: Visit) -> None:
        self.host = host
        self.visit = visit
        self.names = ["-sh"]
        self.status = 0
        self.complaints = ""
        self.files = Files(host)

    @property
    def name(self) -> str:
        """What the innermost shell puts before its complaints."""
        return self.names[-1] if self.names else "-sh"

    def fail(self, complaint: str, status: int = 1) -> str:
        """End the command with this status and a line on standard error; nothing for standard output."""
        self.status = status
        self.complaints += f"{complaint}\n"
        return ""

    def now(self) -> int:
        """UTC nanoseconds."""
        return self.visit.clock.now()


class Written(msgspec.Struct):
    """A file or folder that the session made."""

    content: str
    is_runnable: bool = False


class Files:
    """The persona's files beneath what the session wrote: at most :data:`FILES` of :data:`FILE_BYTES` each."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._written: dict[str, Written] = {}
        self.folder = "/root"

    def path(self, name: str) -> str:
        """The absolute path, without ``.`` and ``..``."""
        parts: list[str] = []
        for part in (name if name.startswith("/") else f"{self.folder}/{name}").split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def is_folder(self, name: str) -> bool:
        """Whether it is a folder, of the host or of the session."""
        path = self.path(name)
        made = self._written.get(path)
        return path in self._host.persona.folders or (made is not None and made.content == _FOLDER)

    def may_write(self, name: str) -> bool:
        """Whether a file can be there: in a folder, and not in the kernel's."""
        folder = self.path(name).rpartition("/")[0] or "/"
        return (
            self.is_folder(folder) and not folder.startswith(("/proc", "/sys")) and not self.is_folder(name)
        )

    def read(self, name: str) -> str | None:
        """The content; ``None`` for a folder or nothing."""
        path = self.path(name)
        made = self._written.get(path)
        if made is not None:
            return None if made.content == _FOLDER else made.content
        found = self._host.persona.files.get(path)
        if found is not None:
            return self._host.fill(found)
        if path.startswith(("/bin/", "/sbin/")) or path == "/proc/self/exe":
            return base64.b64decode(self._host.persona.elf).decode("latin-1")
        return None

    def write(self, name: str, content: str, *, append: bool = False) -> None:
        """Keep the content; silently nothing once there are too many."""
        path = self.path(name)
        before = self._written.get(path)
        if before is None and len(self._written) >= FILES:
            return
        text = (before.content if before and append else "") + content
        self._written[path] = Written(text[:FILE_BYTES], before.is_runnable if before else False)

    def make_folder(self, name: str) -> None:
        """Keep a folder; silently nothing once there are too many."""
        if len(self._written) < FILES:
            self._written[self.path(name)] = Written(_FOLDER)

    def remove(self, name: str) -> bool:
        """Whether the session had made it."""
        return self._written.pop(self.path(name), None) is not None

    def make_runnable(self, name: str) -> None:
        """``chmod +x``; the host's own files stay as they are."""
        made = self._written.get(self.path(name))
        if made:
            made.is_runnable = True

    def is_runnable(self, name: str) -> bool | None:
        """Whether a file the session made can be run; ``None`` if it made none."""
        made = self._written.get(self.path(name))
        return made.is_runnable if made else None

    def names_in(self, folder: str, *, hidden: bool = False) -> list[str]:
        """What ``ls`` shows of a folder; with ``hidden`` also names that begin with a dot."""
        prefix = self.path(folder).rstrip("/") + "/"
        known = (*self._host.persona.folders, *self._host.persona.files, *self._written)
        found = {path[len(prefix) :] for path in known if path.startswith(prefix)}
        found |= {".", ".."}
        return sorted(
            name for name in found if name and "/" not in name and (hidden or not name.startswith("."))
        )
