"""The stream: carries events, findings and decisions; durable, sharded, ordered per lane."""

from propolis.stream.address import Address, address_of, folder
from propolis.stream.bare_nats import Msg  # before anything else loads nats-py
from propolis.stream.client import (
    Refused,
    Request,
    Stored,
    Stream,
    Unreachable,
    connect,
    delete_request,
    is_marker,
    put_request,
    start_at,
)
from propolis.stream.heartbeat import Heartbeat, Pulse
from propolis.stream.lanes import LaneOwner, LostLane, Work
from propolis.stream.provision import provision
from propolis.stream.publisher import Parcel, Publisher
from propolis.stream.pull import Delivery, Pull
from propolis.stream.server import DIE_WITH_US, EmbeddedServer

__all__ = [
    "DIE_WITH_US",
    "Address",
    "Delivery",
    "EmbeddedServer",
    "Heartbeat",
    "LaneOwner",
    "LostLane",
    "Msg",
    "Parcel",
    "Publisher",
    "Pull",
    "Pulse",
    "Refused",
    "Request",
    "Stored",
    "Stream",
    "Unreachable",
    "Work",
    "address_of",
    "connect",
    "delete_request",
    "folder",
    "is_marker",
    "provision",
    "put_request",
    "start_at",
]
