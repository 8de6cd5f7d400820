"""Reading nf_tables from the kernel itself (RFC 3549; ``linux/netfilter/nf_tables.h``).

libnftables 1.0.6 fetches every element before it answers about one: 0.24 s at 50,000. The kernel answers in
microseconds, with milliseconds of remaining time, and what we read does not pass through the library that wrote it.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence

from propolis.clock import MILLISECOND, Clock
from propolis.enforcers.active import FOREVER
from propolis.errors import EnforcerError

REPLY_SECONDS = 5.0
"""Longest silence of the kernel before we give up."""
MAX_REPLY_BYTES = 65_536
MAX_DUMP_TRIES = 8
"""How often a listing is begun anew because the ruleset changed under it."""
GETS_PER_SEND = 32
"""Questions on their way at once; their answers fit the default receive buffer."""

_NETLINK_NETFILTER = 12
_INET = 1
_SUBSYSTEM = 10 << 8
_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_SET, _GET_ELEMENT, _GET_OBJECT = 1, 4, 7, 10, 13, 19
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10
_NESTED = 0x8000
_NUMBER_MASK = 0x3FFF

# attribute numbers; a table's, chain's, rule's, set's and object's first attribute is the table's name
_TABLE, _SET_NAME, _CHAIN_NAME, _OBJECT_NAME = 1, 2, 3, 2
_ELEMENTS, _KEY, _EXPIRATION, _OBJECT_DATA = 3, 1, 5, 4

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_NUMBER = struct.Struct(">Q")


class Reader:
    """A netlink socket in the network namespace it is made in; ``clock`` dates what it reads.

    Every method raises :class:`~propolis.errors.EnforcerError` when the kernel refuses; what is not there is no error.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sequence = 0
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        except OSError as error:
            raise EnforcerError(
                f'no netfilter here ({error.strerror}); set enforcers.run = ["dry-run"]'
            ) from error
        self._socket.settimeout(REPLY_SECONDS)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def held(self, table: str, name: str, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Which of these elements a set holds: key to its end in UTC nanoseconds. O(keys), about 15 µs each."""
        found: dict[bytes, int] = {}
        where = _text(_TABLE, table) + _text(_SET_NAME, name)
        for start in range(0, len(keys), GETS_PER_SEND):
            questions = [
                (_GET_ELEMENT, where + _nest(_ELEMENTS, _nest(1, _nest(_KEY, _attribute(1, key)))))
                for key in keys[start : start + GETS_PER_SEND]
            ]
            for answer in self._get(questions):
                found.update(self._elements(answer))
        return found

    def elements(self, table: str, name: str) -> dict[bytes, int]:
        """Every element of a set: key to its end in UTC nanoseconds. O(elements), about 3 µs each."""
        found: dict[bytes, int] = {}
        for answer in self._dump(_GET_ELEMENT, _text(_TABLE, table) + _text(_SET_NAME, name)):
            found.update(self._elements(answer))
        return found

    def sets(self, table: str) -> tuple[str, ...]:
        """Names of the table's sets."""
        return tuple(_string(found.get(_SET_NAME, b"")) for found in self._owned(_GET_SET, table))

    def counters(self, table: str) -> dict[str, tuple[int, int]]:
        """The table's named counters: packets and bytes."""
        found = {}
        for attributes in self._owned(_GET_OBJECT, table):
            numbers = dict(_attributes(attributes.get(_OBJECT_DATA, b"")))
            found[_string(attributes.get(_OBJECT_NAME, b""))] = (
                _number(numbers.get(2)),
                _number(numbers.get(1)),
            )
        return found

    def structure(self, table: str, chains: Sequence[str]) -> tuple[bytes, ...]:
        """The table, these chains and all its rules as the kernel states them, handles included.

        Opaque: two that are equal mean that nothing was taken away, replaced or put before in between.
        """
        asked = [(_GET_TABLE, _text(_TABLE, table))]
        asked += [(_GET_CHAIN, _text(_TABLE, table) + _text(_CHAIN_NAME, chain)) for chain in chains]
        return (*self._get(asked), *self._dump(_GET_RULE, _text(_TABLE, table)))

    def _owned(self, kind: int, table: str) -> Iterator[dict[int, bytes]]:
        for answer in self._dump(kind, _text(_TABLE, table)):
            attributes = dict(_attributes(answer))
            if _string(attributes.get(_TABLE, b"")) == table:  # old kernels list every table's
                yield attributes

    def _elements(self, answer: bytes) -> Iterator[tuple[bytes, int]]:
        now = self._clock.now()
        for kind, value in _attributes(answer):
            if kind == _ELEMENTS:
                for key, left in _elements_of(value):
                    yield key, FOREVER if left is None else now + left * MILLISECOND

    def _get(self, questions: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """Ask for single things at once; the answers of those that exist."""
        first = self._sequence + 1
        self._send(b"".join(self._request(kind, _REQUEST | _ACKNOWLEDGE, body) for kind, body in questions))
        answers: list[bytes] = []
        while True:
            for kind, _, sequence, body in self._receive():
                if sequence < first:
                    continue
                if kind != _ERROR:
                    answers.append(body[_FAMILY.size :])
                    continue
                _check(body)
                if sequence == self._sequence:
                    return answers

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        """Ask for all of a kind; begun anew when the ruleset changes meanwhile, for half a listing is a lie."""
        for _ in range(MAX_DUMP_TRIES):
            self._send(self._request(kind, _REQUEST | _DUMP, body))
            answers = self._listing()
            if answers is not None:
                return answers
        raise EnforcerError(
            "nf_tables changes faster than it can be read; something else rewrites it all the time"
        )

    def _listing(self) -> list[bytes] | None:
        answers: list[bytes] = []
        whole = True
        while True:
            for kind, flags, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                whole = whole and not flags & _INTERRUPTED
                if kind in {_ERROR, _DONE}:
                    _check(body)
                    return answers if whole else None
                answers.append(body[_FAMILY.size :])

    def _request(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        size = _HEADER.size + _FAMILY.size + len(body)
        return (
            _HEADER.pack(size, _SUBSYSTEM | kind, flags, self._sequence, 0) + _FAMILY.pack(_INET, 0, 0) + body
        )

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise EnforcerError(f"netlink: {error.strerror or error}") from error

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        """One datagram's messages: type, flags, sequence, body."""
        try:
            data = self._socket.recv(MAX_REPLY_BYTES)
        except OSError as error:
            raise EnforcerError(f"netlink: {error.strerror or error}") from error
        place = 0
        while place + _HEADER.size <= len(data):
            size, kind, flags, sequence, _ = _HEADER.unpack_from(data, place)
            yield kind, flags, sequence, data[place + _HEADER.size : place + size]
            place += _aligned(max(size, _HEADER.size))


def _check(body: bytes) -> None:
    code = -_CODE.unpack_from(body)[0]
    if code not in {0, errno.ENOENT}:
        raise EnforcerError(f"netlink: {os.strerror(code)}")


def _elements_of(data: bytes) -> Iterator[tuple[bytes, int | None]]:
    """Key and milliseconds left of each element of a list; in one pass, for a listing is long."""
    place, end = 0, len(data)
    while place + 4 <= end:
        size, _ = _ATTRIBUTE.unpack_from(data, place)
        inner, stop = place + 4, min(place + size, end)
        key, left = b"", None
        while inner + 4 <= stop:
            length, kind = _ATTRIBUTE.unpack_from(data, inner)
            kind &= _NUMBER_MASK
            if kind == _KEY:
                key = data[inner + 8 : inner + length]  # behind the header of NFTA_DATA_VALUE
            elif kind == _EXPIRATION:
                left = _number(data[inner + 4 : inner + length])
            inner += _aligned(max(length, 4))
        if key:
            yield key, left
        place += _aligned(max(size, 4))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    place, end = 0, len(data)
    while place + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, place)
        yield kind & _NUMBER_MASK, data[place + 4 : place + size]
        place += _aligned(max(size, 4))


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def _nest(kind: int, value: bytes) -> bytes:
    return _attribute(kind | _NESTED, value)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None) -> int:
    return _NUMBER.unpack(value)[0] if value is not None and len(value) == _NUMBER.size else 0


def _aligned(size: int) -> int:
    return size + 3 & ~3
