"""What a behaviour is: a count per source that starts again with each window.

A kernel runs over a batch with the state in arrays; a plain reference says the same thing readably, one step at a time.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from propolis.detection.columns import Rows

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name; the first axis is the slot of a source. Any: each has a type of its own."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One row as a plain reference sees it: whose (slot), whether its source begins anew, what kind, on which port."""

    slot: int
    turned: bool
    kind: int
    port: int


class Behaviour(Protocol):
    """Something a source does more of than it should."""

    name: ClassVar[str]
    most: ClassVar[int]
    """The largest count that is told apart, and so the largest threshold of a rule."""

    def columns(self, capacity: int) -> Columns:
        """Fresh state for this many sources: arrays whose first axis is the source's slot."""
        ...

    def count(
        self,
        rows: Rows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
    ) -> NDArray[np.int32]:
        """Per row, the source's new count if this row raised it, else 0. ``columns`` are brought up to date.

        ``slots`` is -1 for rows that do not count. O(rows).
        """
        ...

    def held(self, columns: Columns) -> NDArray[Any]:
        """The present count of every slot."""
        ...

    def plain(self, steps: Iterable[Step]) -> list[int]:
        """The same from fresh state, one step at a time."""
        ...
