"""FLAW: what we know of a vulnerability: requests that go for it, and what the product would answer."""

from propolis.flaws.cast import Cast
from propolis.flaws.check import Failure
from propolis.flaws.file import Flaw, FlawError, load, parse, write
from propolis.flaws.index import Catalogue, Match
from propolis.flaws.reply import Answer, answer, extracted
from propolis.flaws.request import Request
from propolis.flaws.scene import Scene
from propolis.flaws.session import Session, Sessions

__all__ = [
    "Answer",
    "Cast",
    "Catalogue",
    "Failure",
    "Flaw",
    "FlawError",
    "Match",
    "Request",
    "Scene",
    "Session",
    "Sessions",
    "answer",
    "extracted",
    "load",
    "parse",
    "write",
]
