"""Names on the stream. One source is always in one shard, a shard always in one lane, a lane always in order.

A *lane* is a subject: a fixed group of the 64 shards. An installation chooses how many (``stream.lanes``); the shard
travels in every row, so what a source's shard is never changes (``docs/adr/0002-lanes.md``).
"""

EVENTS = "EVENTS"
FINDINGS = "FINDINGS"
LEDGER = "LEDGER"
CLOCK = "CLOCK"

DECISIONS = "decisions"
SENSORS = "sensors"
STATES = "states"
POLICY = "policy"
LURES = "lures"
NOVEL = "novel"

FLAW = "flaw."
"""Before a lure's id: its key in the bucket ``lures``."""
RULE = "rule."
"""Before a detection rule's id: its key in the same bucket."""
CANARY = "canary.key"
"""The key, in the same bucket, of the installation's canaries."""

QUEUE = "queue"
"""The one key of the bucket ``novel``: what is new and spreading, for people to look at."""

SEQUENCE = "Propolis-Sequence"
"""Header of a findings message: the sequence of the events message it was found in."""


def lane_of(shard: int, lanes: int) -> int:
    """The lane of a shard; ``lanes`` divides 64."""
    return shard % lanes


def events(event_class: str, lane: int) -> str:
    """Where batches of one event class and lane go."""
    return f"events.{event_class}.{lane}"


def findings(lane: int) -> str:
    """Where what was found in one lane goes."""
    return f"findings.{lane}"


def ledger(kind: str) -> str:
    """Where entries of the ledger of one kind go."""
    return f"ledger.{kind}"


def clock(enforcer: str) -> str:
    """Where an enforcer's acknowledgements go."""
    return f"clock.{enforcer}"


def key(bucket: str, name: str) -> str:
    """The subject behind one key of a bucket (ADR-8 of the NATS architecture notes)."""
    return f"$KV.{bucket}.{name}"
