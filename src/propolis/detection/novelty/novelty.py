"""What is new and spreading, over all lanes and sensors: batches of events in, a queue for people out.

It stands outside the way from a touch to its defence: whoever reads all lanes anyway (the archive) feeds it
(``docs/adr/0006-novelty.md``). Only texts that were not met before are looked at; the rest is counted by arrays.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.detection.columns import KIND_NAMES, SPOOFABLE, Rows, Texts
from propolis.detection.novelty import checkpoint
from propolis.detection.novelty.clusters import MAX_NAMED, Cluster, Clusters
from propolis.detection.novelty.novel import MAX_QUEUE, Novel, Queue, What
from propolis.detection.novelty.spread import hashed
from propolis.detection.novelty.template import TEXT_BYTES, of_request

MAX_FRESH = 256
"""Texts not met before that are looked at in one batch; what a flood has beyond is counted by :meth:`take_missed`."""
FRESH_DAYS = 3.0
"""Half-life of novelty."""
MIN_SOURCES = 2
"""What one source alone does is not spreading."""
_DAY = 86_400 * SECOND

_T = TypeVar("_T")


class _Text(NamedTuple):
    """Which column of a kind of event holds its text, and what part of it says what it is for."""

    what: What
    column: str
    told: Callable[[bytes], bytes]


_TEXTS: Mapping[str, _Text] = {
    "RequestReceived": _Text("request", "payload", of_request),
    "CommandRun": _Text("command", "command", lambda text: text),
    "PayloadReceived": _Text("payload", "payload", lambda text: text),
    "Malformed": _Text("payload", "payload", lambda text: text),
}

COLUMNS = (
    *("time", "opened", "source_ip", "id", "shard", "target_port", "kind", "evidence_class"),
    *("sensor", "flaws"),
    *dict.fromkeys(text.column for text in _TEXTS.values()),
)
"""All of :data:`propolis.events.interaction.SCHEMA` that is looked at; a batch may have more."""


class Novelty:
    """Takes every batch once, in the order of the stream; what it holds is bounded, 20 MB at most.

    ``entropy`` draws the keys under which tokens and sources are hashed. Cost: about 15 µs a distinct text of a batch,
    100 µs one that was not met before (``bench/novelty.py``).
    """

    def __init__(self, entropy: random.Random | None = None) -> None:
        chance = entropy or random.SystemRandom()
        self._clusters = Clusters(chance.randbytes(16))
        self._missed = 0
        self._sequence = 0
        self._stream = ""

    @property
    def sequence(self) -> int:
        """The last batch of the stream that was taken."""
        return self._sequence

    def begin(self, created: str) -> None:
        """The batches of a stream come from now on; of another one than before, they are counted from its first."""
        if created != self._stream:
            self._stream, self._sequence = created, 0

    def take(self, sequence: int, batch: pa.RecordBatch) -> None:
        """Rows with at least :data:`COLUMNS` up to ``sequence``; taken before, they change nothing."""
        if sequence <= self._sequence:
            return
        self._sequence = sequence
        rows = Rows(batch)
        counted = rows.evidence_class != SPOOFABLE
        left = MAX_FRESH
        for kind, text in _TEXTS.items():
            chosen = np.flatnonzero((rows.kind == KIND_NAMES.index(kind)) & counted)
            if chosen.size:
                left = self._take(batch, rows, chosen, text, left)

    def take_missed(self) -> int:
        """How many texts were not looked at because of :data:`MAX_FRESH`, since this was last asked."""
        missed, self._missed = self._missed, 0
        return missed

    def cluster_of(self, what: What, text: bytes) -> str:
        """The id of the cluster that a text belongs to; it counts as met, but comes from nobody."""
        told = next(one.told for one in _TEXTS.values() if one.what == what)
        known = self._clusters.met(what, text)
        return (known or self._clusters.meet(what, text, told(text), 0)).id

    def queue(self, now: int) -> Queue:
        """What is new and spreading, best first, at ``now`` (UTC nanoseconds); at most :data:`MAX_QUEUE`."""
        novel = [
            _shown(cluster, now)
            for cluster in self._clusters.by_id.values()
            if cluster.spread.sources >= MIN_SOURCES
        ]
        novel.sort(key=lambda one: (-one.score, one.id))
        return Queue(now, tuple(novel[:MAX_QUEUE]))

    def to_bytes(self) -> bytes:
        """All of it, to go on from (:meth:`from_bytes`). Texts met are forgotten: they are looked at once more."""
        return checkpoint.write(self._clusters, self._stream, self._sequence)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Novelty":
        """What :meth:`to_bytes` gave. Raises :class:`~propolis.errors.CodecError`."""
        novelty = cls()
        novelty._clusters, novelty._stream, novelty._sequence = checkpoint.read(data)
        return novelty

    def _take(
        self, batch: pa.RecordBatch, rows: Rows, chosen: NDArray[np.intp], text: _Text, left: int
    ) -> int:
        """Count the chosen rows, all of one kind; how many texts not met before may still be looked at."""
        column = pc.binary_slice(batch.column(text.column).cast(pa.binary()), 0, 2 * TEXT_BYTES)
        encoded = column.take(pa.array(chosen)).dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy()
        _, firsts = np.unique(codes, return_index=True)
        found: dict[str, tuple[Cluster, list[int]]] = {}
        texts = Texts(encoded.dictionary)
        for code in range(len(encoded.dictionary)):
            raw = texts[code]
            if not raw.strip():
                continue
            cluster = self._clusters.met(text.what, raw)
            if cluster is None and left > 0:
                left -= 1
                now = int(rows.time[chosen[firsts[code]]])
                cluster = self._clusters.meet(text.what, raw, text.told(raw), now)
            if cluster is None:
                self._missed += 1
                continue
            found.setdefault(cluster.id, (cluster, []))[1].append(code)
        if found:
            self._count(batch, rows, chosen, codes, list(found.values()))
        return left

    def _count(
        self,
        batch: pa.RecordBatch,
        rows: Rows,
        chosen: NDArray[np.intp],
        codes: NDArray[np.int32],
        found: list[tuple[Cluster, list[int]]],
    ) -> None:
        """Add the rows of each cluster to it."""
        where = np.full(int(codes.max()) + 1, -1)
        for place, (_, of_cluster) in enumerate(found):
            where[of_cluster] = place
        places = where[codes]
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(len(found) + 1))
        sources = hashed(rows.source[chosen], int.from_bytes(self._clusters.key[:8], "little"))
        named = np.asarray(pc.fill_null(pc.binary_length(batch.column("flaws")), 0)) > 0
        sensors = batch.column("sensor")
        for place, (cluster, _) in enumerate(found):
            part = order[bounds[place] : bounds[place + 1]]
            if not part.size:
                continue
            mine = chosen[part]
            now = int(rows.time[mine].max())
            cluster.spread.add(np.unique(sources[part]), now)
            cluster.last_seen = max(cluster.last_seen, now)
            cluster.events += int(mine.size)
            cluster.named += int(named[mine].sum())
            _name(cluster.sensors, [sensors[int(row)].as_py() for row in mine[:MAX_NAMED]])
            _name(cluster.ports, rows.target_port[mine[:MAX_NAMED]].tolist())


def _name(names: list[_T], more: list[_T]) -> None:
    """Add what is not there yet, as long as there is room."""
    names += [name for name in dict.fromkeys(more) if name not in names][: MAX_NAMED - len(names)]


def _shown(cluster: Cluster, now: int) -> Novel:
    recent, sources = cluster.spread.lately(now), cluster.spread.sources
    known = cluster.named / cluster.events if cluster.events else 0.0
    return Novel(
        id=cluster.id,
        what=cluster.what,
        score=round(score(cluster, now), 3),
        surprise=round(cluster.surprise, 2),
        sources=sources,
        recent=round(recent, 1),
        events=cluster.events,
        texts=cluster.texts,
        known=round(known, 3),
        first_seen=cluster.first_seen,
        last_seen=cluster.last_seen,
        sensors=tuple(sorted(cluster.sensors)),
        ports=tuple(sorted(cluster.ports)),
        template=cluster.template.decode("utf-8", "replace"),
        examples=tuple(cluster.examples),
    )


def score(cluster: Cluster, now: int) -> float:
    """Surprise times spread: bits, times doublings of sources and of sensors.

    Halved while no source is new, halved every :data:`FRESH_DAYS` since it was first met; nothing for what is known.
    """
    sources = cluster.spread.sources
    spread = math.log2(1 + sources) + math.log2(max(1, len(cluster.sensors)))
    growth = 0.5 + 0.5 * min(1.0, cluster.spread.lately(now) / max(1, sources))
    fresh = math.pow(0.5, max(0, now - cluster.first_seen) / (FRESH_DAYS * _DAY))
    unknown = 1.0 - (cluster.named / cluster.events if cluster.events else 0.0)
    return cluster.surprise * spread * growth * fresh * unknown
