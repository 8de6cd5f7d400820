"""What detection knows besides its rules: the flaws there are, and which secrets are ours. Replaced as a whole."""

from typing import TypeAlias

from propolis.events.canary import Canary, Mint
from propolis.flaws.file import Flaw, Step
from propolis.flaws.index import MAX_MATCHES, Catalogue
from propolis.flaws.request import Request
from propolis.flaws.session import Session

CANARY_BYTES = 8_192
"""How much of a text is searched for canaries: each piece of it that has the shape of a secret costs two hashes."""

MAX_CANARIES = 4
"""Canaries of one text that are told of."""

Named: TypeAlias = tuple[Flaw, Step, int]
"""A flaw, the step of it that a request is, and how specific that is (0 to 999)."""


class Knowledge:
    """``catalogue`` holds the flaws by id, ``mint`` finds the canaries of this installation (None: it has none).

    One is never changed: when a lure is pushed there is a new one.
    """

    def __init__(self, catalogue: Catalogue | None = None, mint: Mint | None = None) -> None:
        self.catalogue = catalogue or Catalogue()
        self.mint = mint

    def named(self, column: bytes, message: bytes) -> tuple[Named, ...]:
        """The flaws that a request goes for, best first.

        ``column`` is what the sensor said, ``id/step:score`` separated by spaces. Where it says nothing that we know
        (its lures are older, or there was no sensor), the message is matched here, as that of a stranger: steps that
        need an earlier one are not found. O(bytes).
        """
        said = tuple(
            named
            for entry in column.split(b" ", MAX_MATCHES)[:MAX_MATCHES]
            if (named := self._look_up(entry))
        )
        if said or not len(self.catalogue):
            return said
        matches = self.catalogue.matches(Request.parse(message), Session())
        return tuple((match.flaw, match.step, match.score) for match in matches)

    def canaries(self, text: bytes) -> tuple[Canary, ...]:
        """The canaries of ours in a text, at most ``MAX_CANARIES``."""
        return tuple(self.mint.find(text[:CANARY_BYTES])[:MAX_CANARIES]) if self.mint else ()

    def _look_up(self, entry: bytes) -> Named | None:
        place, _, score = entry.decode("ascii", "replace").partition(":")
        name, _, step_id = place.partition("/")
        flaw = self.catalogue.flaws.get(name)
        if flaw is None or not (score.isascii() and score.isdigit() and len(score) <= 3):
            return None
        step = next((step for step in flaw.steps if step.id == step_id), None)
        return (flaw, step, int(score)) if step else None
