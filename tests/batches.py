"""Batches as sensors make them, and an engine with the built-in rules, from a few words."""

from collections.abc import Iterable
from functools import cache
from itertools import count
from typing import TypeAlias

import pyarrow as pa

from propolis.clock import MILLISECOND, SECOND
from propolis.detection import Engine, RuleSet, load
from propolis.events import Connection, ConnectionOpened, CredentialTried, Event, Interaction, pack, shard_of
from propolis.events.interaction import to_batch

BEGIN = 1_700_000_040 * SECOND  # the first second of a minute

Row: TypeAlias = tuple[str, Event] | tuple[str, Event, int]


@cache
def built_in() -> RuleSet:
    """The rules that come with Propolis."""
    return load()


def engine_of(**changes: int) -> Engine:
    return Engine(built_in(), **{"max_sources": 64, **changes})


def batch_of(
    rows: Iterable[Row], *, begin: int = BEGIN, evidence_class: str = "handshake", port: int = 80
) -> pa.RecordBatch:
    """One event a row, a millisecond apart, each on a connection of its own that opened a millisecond before."""
    interactions = []
    for place, (source, event, *rest) in zip(count(), rows):
        address = pack(source)
        time = begin + place * MILLISECOND
        connection = Connection(
            id=(time // MILLISECOND).to_bytes(6, "big") + b"\x70\0" + place.to_bytes(8, "big"),
            opened=time - MILLISECOND,
            sensor="sensor-1",
            lure="http",
            source_ip=address,
            source_port=40_000,
            target_ip=pack("192.0.2.1"),
            target_port=rest[0] if rest else port,
            shard=shard_of(address),
            evidence_class=evidence_class,
        )
        interactions.append(Interaction(time, connection, 0, event))
    return to_batch(interactions)


def tries(source: str, times: int) -> list[Row]:
    return [(source, CredentialTried("root", f"secret-{number}")) for number in range(times)]


def opens(source: str, *ports: int) -> list[Row]:
    return [(source, ConnectionOpened(), port) for port in ports]
