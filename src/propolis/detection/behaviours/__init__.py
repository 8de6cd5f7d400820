"""Behaviours: keyed state as arrays, kernels beside plain references."""

from propolis.detection.behaviours.behaviour import Behaviour, Step
from propolis.detection.behaviours.guessing import Guessing
from propolis.detection.behaviours.sweep import Sweep

BEHAVIOURS: tuple[Behaviour, ...] = (Guessing(), Sweep())
"""Every behaviour there is; a rule names one and its threshold."""

__all__ = ["BEHAVIOURS", "Behaviour", "Guessing", "Step", "Sweep"]
