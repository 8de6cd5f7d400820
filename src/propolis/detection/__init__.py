"""Events in, findings out: matchers (rules) and behaviours (kernels)."""

from propolis.detection.engine import Engine
from propolis.detection.grade import Standing, combine, standing
from propolis.detection.rules import RuleSet, load
from propolis.detection.state import State

__all__ = ["Engine", "RuleSet", "Standing", "State", "combine", "load", "standing"]
