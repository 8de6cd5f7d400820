"""Which claims of flaws and canaries were told already, and what sources were answered: two bounded memories.

Rules have a bit per source; flaws come and go by the thousand, so what was told of them is remembered by a hash of the
finding. 16 bytes a claim, 48 a source that was answered.
"""

import itertools
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_TOLD = 65_536
"""Claims of one lane that are remembered; beyond it the oldest are forgotten, and may be told again under their id."""

MAX_ANSWERED = 8_192
"""Sources of one lane of which the last answer is remembered; the longest not answered is forgotten."""

Given: TypeAlias = tuple[bytes, int, int, int]
"""An event: its id (16 bytes), time (UTC ns), message of the stream and row."""


class Told:
    """``claims``: the first 8 bytes of a finding's id, to its window; ``answered``: a source (16 bytes) to an event."""

    __slots__ = ("answered", "claims")

    def __init__(self) -> None:
        self.claims: dict[int, int] = {}
        self.answered: dict[bytes, Given] = {}

    def tell(self, identity: str, window: int) -> bool:
        """Whether a finding of this id (32 hex digits) is told for the first time. O(1)."""
        key = int(identity[:16], 16)
        if key in self.claims:
            return False
        self.claims[key] = window
        if len(self.claims) > MAX_TOLD:
            del self.claims[next(iter(self.claims))]
        return True

    def answer(self, source: bytes, place: Given) -> None:
        """A decoy answered this source as a product with a flaw would. O(1)."""
        self.answered.pop(source, None)
        self.answered[source] = place
        if len(self.answered) > MAX_ANSWERED:
            del self.answered[next(iter(self.answered))]

    def expire(self, before: int) -> None:
        """Forget the claims of windows before this one. O(claims)."""
        self.claims = {key: window for key, window in self.claims.items() if window >= before}

    def columns(self, newest: int) -> list[NDArray[Any]]:
        """As arrays, oldest first; windows relative to ``newest``."""
        places = list(self.answered.values())
        return [
            np.fromiter(self.claims.keys(), np.uint64, len(self.claims)),
            np.fromiter(self.claims.values(), np.int64, len(self.claims)) - newest,
            np.frombuffer(b"".join(self.answered), np.uint64).reshape(-1, 2),
            np.frombuffer(b"".join(place[0] for place in places), np.uint64).reshape(-1, 2),
            *(np.array([place[index] for place in places], np.int64) for index in (1, 2, 3)),
        ]

    @classmethod
    def of(cls, columns: list[NDArray[Any]], newest: int) -> "Told":
        """What :meth:`columns` gave."""
        told = cls()
        keys, windows, sources, ids, times, sequences, rows = columns
        told.claims = dict(
            itertools.islice(zip(keys.tolist(), (windows + newest).tolist(), strict=True), MAX_TOLD)
        )
        for source, identity, *place in zip(
            sources, ids, times.tolist(), sequences.tolist(), rows.tolist(), strict=True
        ):
            told.answer(source.tobytes(), (identity.tobytes(), place[0], place[1], place[2]))
        return told
