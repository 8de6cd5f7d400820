"""Lures: take bytes, give effects. One folder a protocol, one line in :mod:`propolis.lures.catalogue`."""

from propolis.lures.lure import Effect, Emit, Hangup, Lure, Reply, Tls, Visit

__all__ = ["Effect", "Emit", "Hangup", "Lure", "Reply", "Tls", "Visit"]
