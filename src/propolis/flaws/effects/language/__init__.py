"""A small language that template engines and expression languages have in common: numbers, texts, lists, methods.

As much of Jinja2, Twig, FreeMarker, Velocity, SpEL, OGNL, EL and ERB as proofs of evaluation need. What is no value
(classes, services, the request) is an object about which nothing is known. Steps, depth and sizes are bounded, and
nothing of the interpreter underneath can be reached.
"""

from propolis.flaws.effects.language.parser import evaluate
from propolis.flaws.effects.language.values import Engine, NoSenseError, Opaque, Thing, shown

__all__ = ["Engine", "NoSenseError", "Opaque", "Thing", "evaluate", "shown"]
