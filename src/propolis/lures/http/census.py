"""Counts HTTP/2 frames by type (RFC 9113, 4.1): floods are seen before anything is done for them."""

import msgspec

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""RFC 9113, 3.4."""
HEAD_BYTES = 9

_DATA = 0
_END_STREAM = 1
_EMPTY = "empty DATA"
_UNKNOWN = "unknown"


class Limit(msgspec.Struct, frozen=True):
    """How many frames of a type one connection may send."""

    name: str
    most: int


LIMITS: dict[int, Limit] = {
    1: Limit("HEADERS", 2_000),
    2: Limit("PRIORITY", 1_024),
    3: Limit("RST_STREAM", 100),
    4: Limit("SETTINGS", 64),
    6: Limit("PING", 512),
    7: Limit("GOAWAY", 8),
    8: Limit("WINDOW_UPDATE", 4_096),
    9: Limit("CONTINUATION", 64),
}
"""The floods of CVE-2019-9511 to -9518, of CVE-2023-44487 (streams reset as soon as they are opened) and of
CVE-2024-27316 (header blocks that never end), each cut where no real client comes near."""
MOST_EMPTY = 64
MOST_UNKNOWN = 256


class Census:
    """What a client sent so far. O(frames); keeps nine bytes."""

    __slots__ = ("_counts", "_head", "_skip")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._head = b""
        self._skip = len(PREFACE)

    def count(self, data: bytes) -> str:
        """More bytes, split anywhere; the name of a limit they go beyond, else empty."""
        place = 0
        while place < len(data):
            if self._skip:
                skipped = min(self._skip, len(data) - place)
                self._skip -= skipped
                place += skipped
                continue
            taken = data[place : place + HEAD_BYTES - len(self._head)]
            self._head += taken
            place += len(taken)
            if len(self._head) < HEAD_BYTES:
                break
            head, self._head = self._head, b""
            self._skip = int.from_bytes(head[:3], "big")
            limit = _limit(head, self._skip)
            if limit is None:
                continue
            count = self._counts[limit.name] = self._counts.get(limit.name, 0) + 1
            if count > limit.most:
                return limit.name
        return ""


def _limit(head: bytes, length: int) -> Limit | None:
    if head[3] != _DATA:
        return LIMITS.get(head[3]) or Limit(_UNKNOWN, MOST_UNKNOWN)
    return Limit(_EMPTY, MOST_EMPTY) if not length and not head[4] & _END_STREAM else None
