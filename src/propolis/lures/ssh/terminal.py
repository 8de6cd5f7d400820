"""Bytes of a session to lines of input: a plain pipe, or a terminal with readline's editing."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

MAX_LINE_BYTES = 32_768
"""Bytes of one line; further ones are dropped until it ends."""

_PASTE_ON = b"\x1b[?2004h"
_PASTE_OFF = b"\x1b[?2004l\r"


class Line(msgspec.Struct, frozen=True):
    """A line was entered."""

    text: bytes


class Interrupt(msgspec.Struct, frozen=True):
    """^C: the line so far is given up."""


class Leave(msgspec.Struct, frozen=True):
    """^D on an empty line, or the end of a pipe."""


Input: TypeAlias = Line | Interrupt | Leave | bytes
"""What feeding leads to; bytes are the echo."""


class Pipe:
    """Standard input without a terminal: nothing is echoed, lines end with a newline."""

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> Iterator[Input]:
        """Lines that are complete now."""
        *complete, rest = data.split(b"\n")
        for part in complete:
            yield Line(bytes(self._line + part)[:MAX_LINE_BYTES])
            self._line.clear()
        self._line += rest[: MAX_LINE_BYTES - len(self._line)]

    def end(self) -> Iterator[Input]:
        """The pipe is closed: a last line needs no newline."""
        if self._line:
            yield Line(bytes(self._line))
            self._line.clear()
        yield Leave()


class Terminal:
    """A pseudo-terminal with bash's readline behind it, as far as anybody types blindly: enter, erase, kill, ^C, ^D."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._escape = b""

    def prompt(self, text: str) -> bytes:
        """The prompt, which switches bracketed paste on."""
        return _PASTE_ON + text.encode()

    def feed(self, data: bytes) -> Iterator[Input]:
        """Lines and keys, and between them what is echoed."""
        echo = bytearray()
        for code in data:
            key = bytes((code,))
            if self._escape or key == b"\x1b":
                self._follow(key)
            elif key in b"\r\n":
                yield bytes(echo) + b"\r\n" + _PASTE_OFF
                echo.clear()
                line = bytes(self._line)
                self._line.clear()
                yield Line(line)
            elif key == b"\x03":
                yield bytes(echo) + b"^C" + _PASTE_OFF + _PASTE_ON + _PASTE_OFF + b"\r\n"
                echo.clear()
                self._line.clear()
                yield Interrupt()
            elif key == b"\x04" and not self._line:
                yield bytes(echo) + _PASTE_OFF + b"\r\n"
                yield Leave()
                return
            else:
                echo += self._edit(key)
        if echo:
            yield bytes(echo)

    def end(self) -> Iterator[Input]:
        """The client closed its side; a terminal hangs up its shell."""
        yield Leave()

    def _edit(self, key: bytes) -> bytes:
        if key in b"\x7f\x08":
            if not self._line:
                return b""
            del self._line[-1]
            return b"\x08 \x08"
        if key == b"\x15":
            erased = b"\x08" * len(self._line) + b"\x1b[K" if self._line else b""
            self._line.clear()
            return erased
        if key < b" " or len(self._line) >= MAX_LINE_BYTES:
            return b"\x07"
        self._line += key
        return key

    def _follow(self, key: bytes) -> None:
        """Swallow an escape sequence (ECMA-48, 5.4): arrows, and the brackets of a paste."""
        self._escape += key
        is_control_sequence = self._escape[1:2] in {b"[", b"O"}
        is_over = (
            b"@" <= key <= b"~" and len(self._escape) > 2 if is_control_sequence else len(self._escape) > 1
        )
        if is_over or len(self._escape) > 16:
            self._escape = b""
