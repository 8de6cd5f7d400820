"""Telnet off the wire: data and commands (RFC 854), options (RFC 855), environment variables (RFC 1572)."""

from typing import TypeAlias

import msgspec

SE, NOP, AYT, SB, WILL, WONT, DO, DONT, IAC = 0xF0, 0xF1, 0xF6, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
"""Commands (RFC 854)."""
ECHO, TERMINAL_TYPE, NAWS, TERMINAL_SPEED, X_DISPLAY, OLD_ENVIRON, NEW_ENVIRON = 1, 24, 31, 32, 35, 36, 39
"""Options (RFC 857, 1091, 1073, 1079, 1096, 1408, 1572)."""
IS, SEND = 0, 1
"""First byte of a subnegotiation (RFC 1091, 1572)."""
VARIABLE, VALUE, ESCAPE, USER_VARIABLE = 0, 1, 2, 3
"""What follows in an environment (RFC 1572, 2)."""

SUBNEGOTIATION_BYTES = 4_096
"""A longer subnegotiation is cut and reported broken."""
LONGEST = SUBNEGOTIATION_BYTES + 4
VARIABLES = 64
"""More environment variables than this are left out."""


class Data(msgspec.Struct, frozen=True):
    """Bytes for whoever reads the terminal."""

    content: bytes


class Command(msgspec.Struct, frozen=True):
    """A command without an option (RFC 854)."""

    code: int


class Negotiation(msgspec.Struct, frozen=True):
    """``WILL``, ``WONT``, ``DO`` or ``DONT`` an option."""

    verb: int
    option: int


class Subnegotiation(msgspec.Struct, frozen=True):
    """What is said about an option between ``SB`` and ``SE``; ``is_cut`` if it outgrew its bound."""

    option: int
    content: bytes
    is_cut: bool = False


Token: TypeAlias = Data | Command | Negotiation | Subnegotiation


_WITH_OPTION = frozenset((WILL, WONT, DO, DONT))


class Parser:
    """Splits a stream into tokens; keeps what is unfinished, at most :data:`SUBNEGOTIATION_BYTES` and a few."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Token]:
        """Bytes, split anywhere, to the tokens they complete. O(bytes)."""
        if self._pending:
            data, self._pending = self._pending + data, b""
        elif IAC not in data:
            return [Data(data)]
        tokens: list[Token] = []
        position, size = 0, len(data)
        while position < size:
            if data[position] != IAC:
                mark = data.find(IAC, position)
                end = mark if mark >= 0 else size
                tokens.append(Data(data[position:end]))
                position = end
                continue
            verb = data[position + 1] if position + 1 < size else NOP
            if verb in _WITH_OPTION and position + 2 < size:
                tokens.append(Negotiation(verb, data[position + 2]))
                position += 3
            elif verb == SB and (length := _subnegotiation(data[position : position + LONGEST], tokens)):
                position += length
            elif verb == SB or position + 1 == size or verb in _WITH_OPTION:
                self._pending = data[position:]
                break
            else:
                tokens.append(Data(b"\xff") if verb == IAC else Command(verb))
                position += 2
        return tokens


def _subnegotiation(data: bytes, tokens: list[Token]) -> int:
    """Take the subnegotiation that ``data`` begins with; its length, or 0 if it is unfinished."""
    end = data.find(b"\xff\xf0", 2)
    while end > 0 and (end - _run_of_iac(data, end)) % 2:
        # an escaped IAC before SE: the content goes on
        end = data.find(b"\xff\xf0", end + 1)
    if end < 0:
        if len(data) < LONGEST:
            return 0
        tokens.append(
            Subnegotiation(
                data[2], data[3 : 3 + SUBNEGOTIATION_BYTES].replace(b"\xff\xff", b"\xff"), is_cut=True
            )
        )
        return len(data)
    tokens.append(Subnegotiation(data[2] if end > 2 else 0, data[3:end].replace(b"\xff\xff", b"\xff")))
    return end + 2


def _run_of_iac(data: bytes, end: int) -> int:
    """Where the run of IAC bytes that reaches ``end`` begins, past the option byte."""
    while end > 3 and data[end - 1] == IAC:
        end -= 1
    return end


def environment(content: bytes) -> dict[str, str]:
    """The variables of an ``IS`` or ``INFO`` (RFC 1572, 2); later ones win, at most :data:`VARIABLES`."""
    found: dict[str, str] = {}
    name, value, into_value, escaped = bytearray(), bytearray(), False, False
    for byte in content[1:] + bytes((VARIABLE,)):
        if escaped or byte > USER_VARIABLE:
            (value if into_value else name).append(byte)
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        elif byte == VALUE:
            into_value = True
        else:
            if name and len(found) < VARIABLES:
                found[name.decode(errors="backslashreplace")] = value.decode(errors="backslashreplace")
            name, value, into_value = bytearray(), bytearray(), False
    return found
