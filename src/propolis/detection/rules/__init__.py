"""Rules: one YAML file each in this folder, loaded behind one seam."""

from propolis.detection.rules.load import BUILT_IN, load, parse, read
from propolis.detection.rules.rule import Every, Node, Not, Rule, RuleSet, Some, Test, Threshold, holds

__all__ = [
    "BUILT_IN",
    "Every",
    "Node",
    "Not",
    "Rule",
    "RuleSet",
    "Some",
    "Test",
    "Threshold",
    "holds",
    "load",
    "parse",
    "read",
]
