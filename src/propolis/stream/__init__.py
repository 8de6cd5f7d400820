"""The stream: carries events, findings and decisions; durable, sharded, ordered per lane."""

from propolis.stream.heartbeat import Heartbeat, Pulse
from propolis.stream.lanes import LaneOwner, LostLane, Work
from propolis.stream.client import Refused, Stored, Stream, Unreachable, connect, is_marker, start_at
from propolis.stream.provision import provision
from propolis.stream.publisher import Parcel, Publisher
from propolis.stream.pull import Delivery, Pull
from propolis.stream.server import EmbeddedServer

__all__ = [
    "Delivery",
    "EmbeddedServer",
    "Heartbeat",
    "LaneOwner",
    "LostLane",
    "Parcel",
    "Publisher",
    "Pull",
    "Pulse",
    "Refused",
    "Stored",
    "Stream",
    "Unreachable",
    "Work",
    "connect",
    "is_marker",
    "provision",
    "start_at",
]
