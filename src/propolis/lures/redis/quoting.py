"""How redis-cli and redis-server write words on a line: inline commands in, readable lines out."""

import re

_SPACE = b" \t\n\v\f\r"
_PLAIN = re.compile(rb"[^\s\"'\\\x00-\x20\x7f-\xff]+")
_ESCAPES = {0x5C: "\\\\", 0x22: '\\"', 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b"}
_TEXT = tuple(
    _ESCAPES.get(byte, chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in range(256)
)
_SPECIAL = {0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07}
_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")


def quoted(word: bytes) -> str:
    """A word in double quotes as ``MONITOR`` shows it: printable ASCII, the rest as escapes."""
    return '"' + "".join([_TEXT[byte] for byte in word]) + '"'


def readable(words: list[bytes], limit: int) -> str:
    """The line one would type into redis-cli, quoted where it must be; at most ``limit`` characters, ASCII only."""
    line = ""
    for word in words:
        shown = word.decode() if _PLAIN.fullmatch(word) else quoted(word[:limit])
        line += f" {shown}" if line else shown
        if len(line) > limit:
            return line[:limit]
    return line


def split(line: bytes) -> list[bytes] | None:
    r"""The words of an inline command without its line end; ``None`` if quotes do not balance. O(bytes).

    Double quotes know ``\n \r \t \b \a`` and ``\xHH``, single quotes only ``\'``; a closing quote ends its word.
    """
    if b'"' not in line and b"'" not in line:
        return line.split()
    words: list[bytes] = []
    place, end = 0, len(line)
    while place < end:
        if line[place] in _SPACE:
            place += 1
            continue
        word = bytearray()
        place = _word(line, place, word)
        if place < 0:
            return None
        words.append(bytes(word))
    return words


def _word(line: bytes, place: int, word: bytearray) -> int:
    """Read one word that begins at ``place``; where it ends, or -1 if its quotes do not balance."""
    while place < len(line):
        byte = line[place]
        if byte in _SPACE:
            break
        if byte not in b"\"'":
            word.append(byte)
            place += 1
            continue
        place = _quotation(line, place + 1, byte, word)
        # a closing quote must be followed by a space or by nothing
        return place if place < 0 or place == len(line) or line[place] in _SPACE else -1
    return place


def _quotation(line: bytes, place: int, quote: int, word: bytearray) -> int:
    """Read on behind an opening quote; where the place behind the closing one is, or -1."""
    while place < len(line):
        byte = line[place]
        if byte == quote:
            return place + 1
        hexadecimal = _HEX.match(line, place) if quote == 0x22 else None
        if hexadecimal:
            word.append(int(hexadecimal[1], 16))
            place += 4
        elif byte == 0x5C and place + 1 < len(line) and (quote == 0x22 or line[place + 1] == quote):
            following = line[place + 1]
            word.append(_SPECIAL.get(following, following) if quote == 0x22 else following)
            place += 2
        else:
            word.append(byte)
            place += 1
    return -1
