"""The ``key`` schema: what sources have in common, one compact row for each time, as Arrow record batches.

Whoever attacks from many addresses sends the same payload, tries the same list, shakes hands with the same program. A
batch of events is kept in order by source; to count across sources these rows travel once more, on
``keys.<kind>.<lane>`` with the lane of the key, so that nothing ever needs the state of two lanes.
"""

from typing import Literal, TypeAlias

import pyarrow as pa

from propolis.events.message import MAX_ROWS, Codec

__all__ = ["KEY_KINDS", "MAX_ROWS", "SCHEMA", "VERSION", "KeyKind", "decode", "encode", "upgrade"]

VERSION = 1

KeyKind: TypeAlias = Literal["payload", "credential", "fingerprint", "ports"]
"""payload: the bytes of a request or file · credential: a user and a secret · fingerprint: HASSH or JA4 of the client ·
ports: the set of ports that a source looked for in vain."""

KEY_KINDS: tuple[KeyKind, ...] = ("payload", "credential", "fingerprint", "ports")
"""A kind's code in the column is its place here."""

_BYTES16 = pa.binary(16)

SCHEMA = pa.schema(
    [
        pa.field("id", _BYTES16, nullable=False),
        pa.field("time", pa.timestamp("ns", tz="UTC"), nullable=False),
        pa.field("sensor", pa.string(), nullable=False),
        pa.field("shard", pa.uint8(), nullable=False),
        pa.field("source_ip", _BYTES16, nullable=False),
        pa.field("evidence_class", pa.uint8(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("key", _BYTES16, nullable=False),
    ],
    metadata={"propolis.schema": "key", "propolis.version": str(VERSION)},
)

_CODEC = Codec(SCHEMA)
encode, decode, upgrade = _CODEC.encode, _CODEC.decode, _CODEC.upgrade
