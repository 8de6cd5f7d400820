"""Lures: take bytes, give effects. One folder a protocol, one line in the catalogue."""

from propolis.lures.catalogue import CATALOGUE
from propolis.lures.lure import Effect, Emit, Hangup, Lure, Reply, Visit

__all__ = ["CATALOGUE", "Effect", "Emit", "Hangup", "Lure", "Reply", "Visit"]
