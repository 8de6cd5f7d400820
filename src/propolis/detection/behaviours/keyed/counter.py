"""What a counter is: a behaviour whose state outlives a window and decays by event time, over facts of one family.

The behaviours of :mod:`propolis.detection.behaviours` count events of a source within one window. Counters also see
what needs hours (a slow scan, a beacon), what needs the outcome of a connection, and what is keyed by something else
than a source. A kernel runs over a batch with the state in arrays; a plain reference says the same thing readably.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from propolis.detection.behaviours.behaviour import Columns

Counts: TypeAlias = NDArray[np.int32]
"""Per row: how much of the behaviour there is after it, 0 where the row says nothing of it."""

Given: TypeAlias = Mapping[str, Counts]
"""What the counters before this one in the catalogue made of the same rows, by name."""


class Facts(Protocol):
    """Rows of one kind, as arrays; a family of counters names the class that reads them.

    ``key``: uint64 (rows, 2), what is counted by: the 16 bytes of a source address, or of a shared key. ``time``: int64
    UTC nanoseconds. ``source``: like ``key``, who sent it. ``evidence``: codes of
    :data:`~propolis.events.flow.CLASSES`.
    """

    count: int
    key: NDArray[np.uint64]
    time: NDArray[np.int64]
    source: NDArray[np.uint64]
    evidence: NDArray[np.uint8]

    def event(self, row: int) -> tuple[bytes, int]:
        """The event behind a row: its id (16 bytes), and its row in the message."""
        ...

    def place(self, row: int) -> tuple[str, int, str]:
        """Where it happened: the sensor, the shard, and the lure (empty where there is none)."""
        ...

    def summary(self, row: int) -> str:
        """The row in a few words, for a person."""
        ...


F_contra = TypeVar("F_contra", contravariant=True)


class Counter(Protocol[F_contra]):
    """Something a key does more of than it should."""

    name: ClassVar[str]
    most: ClassVar[int]
    """The largest count, and so the largest threshold of a rule."""

    def columns(self, capacity: int) -> Columns:
        """Fresh state for this many keys: arrays whose first axis is the key's slot."""
        ...

    def count(  # noqa: PLR0917 - facts, where they are counted, and what is known of them
        self,
        facts: F_contra,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,
        counts: Counts,
    ) -> None:
        """Write the count of every row into ``counts``, which is all 0, and bring ``columns`` up to date. O(rows).

        ``turned`` says that the slot's key begins anew with this row.
        """
        ...

    def plain(
        self, facts: F_contra, slots: NDArray[np.int32], turned: NDArray[np.bool_], given: Given
    ) -> list[int]:
        """The same counts from fresh state, one row at a time."""
        ...
