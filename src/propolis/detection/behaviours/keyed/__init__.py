"""Counters: behaviours with a state that decays by event time, over flows, logins, names, shared keys and grades."""

from propolis.detection.behaviours.keyed.catalogue import FAMILIES, FLOW, GRADE, KEY, LOGIN, NAME, Family
from propolis.detection.behaviours.keyed.counter import Counter, Facts
from propolis.detection.behaviours.keyed.engine import CounterEngine
from propolis.detection.behaviours.keyed.lane import LaneCounters, LaneState
from propolis.detection.behaviours.keyed.rule import CountRule, load
from propolis.detection.behaviours.keyed.state import State

__all__ = [
    "FAMILIES",
    "FLOW",
    "GRADE",
    "KEY",
    "LOGIN",
    "NAME",
    "CountRule",
    "Counter",
    "CounterEngine",
    "Facts",
    "Family",
    "LaneCounters",
    "LaneState",
    "State",
    "load",
]
