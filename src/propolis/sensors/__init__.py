"""Sensors: take connections, give events. The only listening sockets there are.

A worker is :func:`propolis.sensors.worker.run`, imported by name: who only asks whether a port is free needs no Arrow.
"""

from propolis.sensors.listen import listen

__all__ = ["listen"]
