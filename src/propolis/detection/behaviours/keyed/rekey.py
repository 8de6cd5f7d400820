"""Events to rows of :mod:`propolis.events.key`: what this source has in common with others, if others have it.

A key is BLAKE2b of its kind and its value under a fixed key, 16 bytes: the same value has the same key on every host.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from propolis.detection.behaviours.keyed.flows import Flows
from propolis.events.flow import CLASSES
from propolis.events.key import KEY_KINDS, SCHEMA, KeyKind

LEAST_PAYLOAD_BYTES = 16
"""Shorter payloads are greetings that unrelated clients share."""

LEAST_PORTS = 3
"""Fewer ports are no set that would tell one scan from another."""

_PERSON = b"propolis key 1"
_CITED = SCHEMA.names[:5]
"""What a row of keys has of the row that it was found in; ``evidence_class``, ``kind`` and ``key`` are new."""


def key_of(kind: KeyKind, *values: bytes) -> bytes:
    """The key of these values, 16 bytes. O(bytes)."""
    digest = hashlib.blake2b(digest_size=16, person=_PERSON)
    for value in (kind.encode(), *values):
        digest.update(len(value).to_bytes(8, "little") + value)
    return digest.digest()


def of_interactions(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The keys in a batch of :data:`propolis.events.interaction.SCHEMA`; 7 µs each, none for what could be forged."""
    kinds = batch.column("kind").to_pylist()
    classes = batch.column("evidence_class").to_pylist()
    found: list[tuple[int, KeyKind, bytes]] = []
    for row, kind in enumerate(kinds):
        if classes[row] != CLASSES[0] and (read := _READERS.get(kind)):
            found += [(row, *key) for key in read(batch, row)]
    return _rows(batch, found, [CLASSES.index(classes[row]) for row, _, _ in found])


def of_flows(batch: pa.RecordBatch, flows: Flows) -> pa.RecordBatch:
    """The port set of each source that looked for several ports in vain, one row a source. O(rows log rows)."""
    rows = np.flatnonzero(flows.failed)
    order = rows[np.lexsort((flows.port[rows], flows.source[rows, 1], flows.source[rows, 0]))]
    breaks = np.flatnonzero(np.any(flows.source[order][1:] != flows.source[order][:-1], axis=1)) + 1
    found: list[tuple[int, KeyKind, bytes]] = []
    for group in np.split(order, breaks):
        ports = np.unique(flows.port[group])
        if len(ports) >= LEAST_PORTS:
            found.append((int(group.max()), "ports", key_of("ports", ports.tobytes())))
    return _rows(batch, found, [flows.evidence.item(row) for row, _, _ in found])


def _rows(
    batch: pa.RecordBatch, found: list[tuple[int, KeyKind, bytes]], evidence: list[int]
) -> pa.RecordBatch:
    """The key of each find beside what is cited of its row."""
    cited = batch.select(_CITED).take(pa.array(np.array([row for row, _, _ in found], np.int64)))
    kinds = np.array([KEY_KINDS.index(kind) for _, kind, _ in found], np.uint8)
    keys = pa.py_buffer(b"".join(key for _, _, key in found))
    made = [
        pa.array(np.array(evidence, np.uint8)),
        pa.array(kinds),
        pa.Array.from_buffers(SCHEMA.field("key").type, len(found), [None, keys]),
    ]
    return pa.RecordBatch.from_arrays([*cited.columns, *made], schema=SCHEMA)


def _bytes(batch: pa.RecordBatch, name: str, row: int) -> bytes:
    value = batch.column(name)[row].as_py()
    return value.encode() if isinstance(value, str) else value or b""


def _payload(batch: pa.RecordBatch, row: int) -> Iterator[tuple[KeyKind, bytes]]:
    payload = _bytes(batch, "payload", row)
    if len(payload) >= LEAST_PAYLOAD_BYTES:
        yield "payload", key_of("payload", payload)


def _credential(batch: pa.RecordBatch, row: int) -> Iterator[tuple[KeyKind, bytes]]:
    yield "credential", key_of("credential", _bytes(batch, "username", row), _bytes(batch, "secret", row))


def _fingerprint(batch: pa.RecordBatch, row: int) -> Iterator[tuple[KeyKind, bytes]]:
    for name in ("fingerprint", "ja4"):
        if value := _bytes(batch, name, row):
            yield "fingerprint", key_of("fingerprint", name.encode(), value)


_READERS: dict[str, Callable[[pa.RecordBatch, int], Iterable[tuple[KeyKind, bytes]]]] = {
    "PayloadReceived": _payload,
    "CredentialTried": _credential,
    "ClientIdentified": _fingerprint,
    "TlsOffered": _fingerprint,
}
