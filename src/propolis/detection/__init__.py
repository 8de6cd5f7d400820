"""Events in, findings out: matchers (rules) and behaviours (kernels).

What is named here is loaded when it is asked for: kernels and patterns are 70 MB, which the archive and the command
line, that look at :mod:`propolis.detection.novelty` alone, would never use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from propolis.detection.engine import Engine
    from propolis.detection.grade import Standing, combine, standing
    from propolis.detection.rules.load import load
    from propolis.detection.rules.rule import RuleSet
    from propolis.detection.state import State

__all__ = ["Engine", "RuleSet", "Standing", "State", "combine", "load", "standing"]

_PLACES = {
    "Engine": "engine",
    "RuleSet": "rules",
    "Standing": "grade",
    "State": "state",
    "combine": "grade",
    "load": "rules",
    "standing": "grade",
}


def __getattr__(name: str) -> Any:  # Any: whatever is asked for (PEP 562)
    """What is not loaded yet. Raises ``AttributeError`` for what there is not."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{place}"), name)
