"""An append-only file whose beginning is mapped into memory: a write is a copy, not a system call.

The kernel has what is copied as surely as what is written: both are in the page cache, which outlives the process. The
mapped part is allocated when the file is made, so a full disk is an error then, and never a signal later. A disk that
has no room for it is written the ordinary way.
"""

import contextlib
import errno
import mmap
import os
from pathlib import Path

MAPPED_BYTES = 5 * 1024 * 1024
"""Behind it, writes are system calls."""


class Segment:
    """A new file (mode 0600), or an old one begun anew. Raises ``OSError`` when it cannot be made.

    What is behind ``size`` in the file is zeros, until :meth:`close` cuts them off.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._map: mmap.mmap | None = None
        self._mapped = 0
        try:
            os.posix_fallocate(self._file, 0, MAPPED_BYTES)
            self._map = mmap.mmap(self._file, MAPPED_BYTES)
            self._mapped = MAPPED_BYTES
        except OSError:
            os.ftruncate(self._file, 0)

    def write(self, data: bytes | bytearray) -> None:
        """Append all of ``data`` or, with an ``OSError``, nothing of it."""
        end = self.size + len(data)
        if self._map is not None and end <= self._mapped:
            self._map[self.size : end] = data
        else:
            self._write_behind(data)
        self.size = end

    def cut(self, size: int) -> None:
        """Take back what is behind ``size``."""
        mapped = min(self.size, self._mapped)
        if self._map is not None and size < mapped:
            self._map[size:mapped] = bytes(mapped - size)
        if self.size > self._mapped:
            os.ftruncate(self._file, max(size, self._mapped))
        self.size = size

    def close(self) -> None:
        """Cut the file to what was written, and let go of it."""
        if self._map is not None:
            self._map.close()
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self.size)
        os.close(self._file)

    def _write_behind(self, data: bytes | bytearray) -> None:
        try:
            written = os.pwrite(self._file, data, self.size)
        except OSError:
            self._clean(len(data))
            raise
        if written < len(data):
            self._clean(written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _clean(self, written: int) -> None:
        """Undo half a write: it would hide everything behind it."""
        self.size += written
        self.cut(self.size - written)
