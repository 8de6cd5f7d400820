"""Sensors: take connections, give events. The only listening sockets there are."""

from propolis.sensors.worker import listen, run

__all__ = ["listen", "run"]
