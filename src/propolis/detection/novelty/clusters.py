"""Texts that are done the same way, found as they come: leader clustering over MinHash bands, in bounded memory.

A text that is at least half alike to the first one of a cluster belongs to it; else it begins one. Only the first
decides, so a cluster does not wander (Hartigan, "Clustering Algorithms", 1975, 3: the leader algorithm).
"""

import hashlib
from collections import OrderedDict
from itertools import islice
from typing import Any

import msgspec

from propolis.detection.novelty.novel import What
from propolis.detection.novelty.rarity import Rarity
from propolis.detection.novelty.signature import alike, bands, shingles, signature
from propolis.detection.novelty.spread import Spread
from propolis.detection.novelty.template import tokens

ALIKE = 0.5
"""Estimated Jaccard similarity from which a text belongs to a cluster."""
MAX_CLUSTERS = 4_096
MAX_TEXTS = 32_768
"""Distinct texts whose cluster is remembered; the oldest is forgotten, and would be looked at again."""
SILENT = 16
"""When there is no more room, the least spread of this many longest silent clusters goes."""
MAX_EXAMPLES = 4
EXAMPLE_BYTES = 2_048
MAX_NAMED = 16
"""Sensors and ports that a cluster names."""


class Cluster(msgspec.Struct):
    """What :class:`~propolis.detection.novelty.novel.Novel` shows, while it grows.

    ``named`` counts its events for which a sensor named a flaw.
    """

    id: str
    what: What
    template: bytes
    surprise: float
    signature: Any  # NDArray[np.uint32]: msgspec has no type for arrays
    spread: Spread
    first_seen: int
    last_seen: int
    events: int = 0
    named: int = 0
    texts: int = 0
    examples: list[bytes] = msgspec.field(default_factory=list)
    sensors: list[str] = msgspec.field(default_factory=list)
    ports: list[int] = msgspec.field(default_factory=list)


class Clusters:
    """All that is known, by id, the longest silent first. ``key``: 16 secret bytes, under which tokens are hashed."""

    def __init__(self, key: bytes, rarity: Rarity | None = None) -> None:
        self.key = key
        self.rarity = rarity or Rarity()
        self.by_id: OrderedDict[str, Cluster] = OrderedDict()
        self._bands: dict[bytes, str] = {}
        self._texts: dict[bytes, str] = {}

    def met(self, what: What, text: bytes) -> Cluster | None:
        """The cluster of a text that was looked at before and is remembered. O(bytes)."""
        cluster = self.by_id.get(self._texts.get(self._digest(what, text), ""))
        if cluster is not None:
            self.by_id.move_to_end(cluster.id)
        return cluster

    def meet(self, what: What, text: bytes, told: bytes, now: int) -> Cluster:
        """The cluster of a text that was not: one that it is like, or a new one. Some 100 µs.

        ``told`` is the part of the text that says what it is for, ``now`` when it was sent (UTC nanoseconds).
        """
        row = tokens(told)
        pairs = shingles((what.encode(), *row), self.key)
        minima = signature(pairs)
        cluster = self._like(what, minima)
        if cluster is None:
            cluster = self.put(
                Cluster(
                    id=_name(what, row),
                    what=what,
                    template=b" ".join(row),
                    surprise=self.rarity.bits(pairs),
                    signature=minima,
                    spread=Spread.fresh(),
                    first_seen=now,
                    last_seen=now,
                )
            )
        self.rarity.add(pairs)
        cluster.texts += 1
        if len(cluster.examples) < MAX_EXAMPLES:
            cluster.examples.append(text[:EXAMPLE_BYTES])
        self._remember(self._digest(what, text), cluster.id)
        return cluster

    def put(self, cluster: Cluster) -> Cluster:
        """Take a cluster in; one of the same id stays what it is."""
        known = self.by_id.get(cluster.id)
        if known is not None:
            return known
        if len(self.by_id) >= MAX_CLUSTERS:
            self._forget()
        self.by_id[cluster.id] = cluster
        for band in bands(cluster.signature):
            self._bands.setdefault(band, cluster.id)
        return cluster

    def _like(self, what: What, minima: Any) -> Cluster | None:
        near = {self._bands[band] for band in bands(minima) if band in self._bands}
        fitting = [
            (alike(minima, cluster.signature), cluster.id, cluster)
            for cluster in map(self.by_id.__getitem__, near)
            if cluster.what == what
        ]
        likeness, _, cluster = max(fitting, default=(0.0, "", None))
        if cluster is None or likeness < ALIKE:
            return None
        self.by_id.move_to_end(cluster.id)
        return cluster

    def _forget(self) -> None:
        silent = islice(self.by_id.values(), SILENT)
        gone = min(silent, key=lambda cluster: cluster.spread.sources)
        del self.by_id[gone.id]
        for band in bands(gone.signature):
            if self._bands.get(band) == gone.id:
                del self._bands[band]

    def _remember(self, digest: bytes, identity: str) -> None:
        self._texts[digest] = identity
        if len(self._texts) > MAX_TEXTS:
            del self._texts[next(iter(self._texts))]

    def _digest(self, what: What, text: bytes) -> bytes:
        return hashlib.blake2b(
            text[: 2 * EXAMPLE_BYTES], digest_size=8, key=self.key, person=what.encode()
        ).digest()


def _name(what: What, row: tuple[bytes, ...]) -> str:
    """Twelve hex digits, the same wherever and whenever the same is met first."""
    return hashlib.blake2b(b"\0".join((what.encode(), *row)), digest_size=6).hexdigest()
