"""The stream: carries events, findings and decisions; durable, sharded, ordered per lane."""

from propolis.stream.client import Refused, Stored, Stream, Unreachable, connect, is_marker, start_at
from propolis.stream.provision import provision
from propolis.stream.pull import Delivery, Pull
from propolis.stream.server import EmbeddedServer

__all__ = [
    "Delivery",
    "EmbeddedServer",
    "Pull",
    "Refused",
    "Stored",
    "Stream",
    "Unreachable",
    "connect",
    "is_marker",
    "provision",
    "start_at",
]
