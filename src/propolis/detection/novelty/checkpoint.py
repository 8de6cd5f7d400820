"""Clusters as bytes and back: what a restart goes on from."""

from typing import Any

import msgspec
import numpy as np

from propolis.detection.novelty.clusters import EXAMPLE_BYTES, MAX_CLUSTERS, Cluster, Clusters
from propolis.detection.novelty.rarity import CELLS, Rarity
from propolis.detection.novelty.signature import HASHES
from propolis.detection.novelty.spread import SMALLEST
from propolis.errors import CodecError

VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
"""Of a checkpoint that is read."""


class _File(msgspec.Struct, frozen=True, array_like=True):
    """``clusters`` the longest silent first; arrays are their little-endian bytes."""

    version: int
    stream: str
    sequence: int
    key: bytes
    texts: int
    counts: bytes
    clusters: list[Cluster]


def write(clusters: Clusters, stream: str, sequence: int) -> bytes:
    """The clusters, and of which stream batches up to which sequence are in them. O(clusters), 2 KB each at most."""
    rarity = clusters.rarity
    file = _File(
        VERSION,
        stream,
        sequence,
        clusters.key,
        rarity.texts,
        rarity.counts.astype("<u4").tobytes(),
        list(clusters.by_id.values()),
    )
    return msgspec.msgpack.encode(file, enc_hook=_as_bytes)


def read(data: bytes) -> tuple[Clusters, str, int]:
    """What :func:`write` gave. Raises :class:`~propolis.errors.CodecError` for anything else."""
    if len(data) > MAX_BYTES:
        raise _fault(f"{len(data)} bytes", f"the limit is {MAX_BYTES}")
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _fault(f"{len(data)} bytes", str(error)) from error
    if file.version != VERSION:
        raise _fault("version", f"is {file.version}, not {VERSION}")
    counts = _array(file.counts, np.uint32, "counts")
    if len(counts) != CELLS or len(file.key) != 16 or file.texts < 0:
        raise _fault("counts", "have another shape")
    clusters = Clusters(file.key, Rarity(counts, file.texts))
    for cluster in file.clusters[-MAX_CLUSTERS:]:
        cluster.signature = _array(cluster.signature, np.uint32, cluster.id)
        cluster.spread.least = _array(cluster.spread.least, np.uint64, cluster.id)[:SMALLEST]
        if len(cluster.signature) != HASHES:
            raise _fault(cluster.id, "has a signature of another length")
        cluster.examples = [example[:EXAMPLE_BYTES] for example in cluster.examples]
        clusters.put(cluster)
    return clusters, file.stream, file.sequence


def _as_bytes(value: Any) -> bytes:
    return value.astype(value.dtype.newbyteorder("<")).tobytes()  # type: ignore[no-any-return]


def _array(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, bytes) or len(value) % np.dtype(kind).itemsize:
        raise _fault(where, "has an array that is none")
    return np.frombuffer(value, np.dtype(kind).newbyteorder("<")).astype(kind)


def _fault(where: str, why: str) -> CodecError:
    return CodecError("novelty", where, why)
