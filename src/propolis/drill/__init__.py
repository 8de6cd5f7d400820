"""DRILL: attack our own decoys over loopback, for real, and see how long the defence took."""

from propolis.drill.attacks import ATTACKS, Attack, loopback
from propolis.drill.run import ENFORCER, MAX_SOURCES, NETWORKS, Drill, Plan, Result

__all__ = ["ATTACKS", "ENFORCER", "MAX_SOURCES", "NETWORKS", "Attack", "Drill", "Plan", "Result", "loopback"]
