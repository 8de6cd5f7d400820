"""TLS in front of any lure: the client's hello is kept, the certificate and the ciphers are the product's."""

from propolis.sensors.tls.channel import (
    Answered,
    Channel,
    Ended,
    Opened,
    Received,
    Reported,
    Step,
    Unprotected,
)
from propolis.sensors.tls.clear import InClear
from propolis.sensors.tls.front import Front, front
from propolis.sensors.tls.profile import Profile, kin, load, profiles

__all__ = [
    "Answered",
    "Channel",
    "Ended",
    "Front",
    "InClear",
    "Opened",
    "Profile",
    "Received",
    "Reported",
    "Step",
    "Unprotected",
    "front",
    "kin",
    "load",
    "profiles",
]
