"""EVENT: what happened; frozen, past tense, no judgement.

This module imports no Arrow: lures and enforcers stay small. The columnar codec is :mod:`propolis.events.interaction`.
"""

from propolis.events.address import SHARDS, pack, shard_of, unpack
from propolis.events.kinds import (
    KINDS,
    ClientIdentified,
    CommandRun,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    CredentialTried,
    Event,
    EvidenceClass,
    Interaction,
    Malformed,
    PayloadReceived,
    RequestReceived,
    TlsOffered,
)

__all__ = [
    "KINDS",
    "SHARDS",
    "ClientIdentified",
    "CommandRun",
    "Connection",
    "ConnectionClosed",
    "ConnectionOpened",
    "CredentialTried",
    "Event",
    "EvidenceClass",
    "Interaction",
    "Malformed",
    "PayloadReceived",
    "RequestReceived",
    "TlsOffered",
    "pack",
    "shard_of",
    "unpack",
]
