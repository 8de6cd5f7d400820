"""Findings in the making: which rows are behind each, before anything is put into words."""

from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from propolis.detection.reported import claim
from propolis.detection.trail import NOWHERE, Trail

EVIDENCE = 8
"""How many events a finding cites at most."""

Hits: TypeAlias = list[tuple[int, int]]
"""(row, number of the rule) pairs, ascending."""


class Draft(msgspec.Struct):
    """``rows`` of this batch are the evidence, oldest first.

    ``before`` are the bits of what the source was reported for already.
    ``earlier`` is the slot whose remembered first event precedes the rows, or ``NOWHERE``.
    """

    rule: int
    row: int
    slot: int
    rows: list[int]
    count: int
    before: tuple[int, ...]
    earlier: int = NOWHERE

    def add(self, row: int) -> None:
        """One more of the same."""
        self.count += 1
        if len(self.rows) < EVIDENCE:
            self.rows.append(row)


def gather(
    hits: Hits, reported: NDArray[np.uint64], slots: NDArray[np.int32], turned: NDArray[np.bool_]
) -> list[Draft]:
    """One draft per hit not reported yet, in order; further hits of this batch only add to it. O(rows + hits)."""
    pairs = np.array(hits, np.int64).reshape(-1, 2)
    first, before = claim(reported, slots, turned, pairs[:, 0], pairs[:, 1])
    drafts: list[Draft] = []
    present: dict[tuple[int, int], Draft] = {}
    places = slots[pairs[:, 0]].tolist()
    for (row, rule), slot, is_first, bits in zip(hits, places, first.tolist(), before.tolist(), strict=True):
        if is_first:
            draft = present[rule, slot] = Draft(rule, row, slot, [row], 1, tuple(bits))
            drafts.append(draft)
        elif again := present.get((rule, slot)):
            again.add(row)
    return drafts


def cite(draft: Draft, trail: Trail, count: int) -> None:
    """Give a behaviour's draft the rows that raised its count: the first and the latest, ``EVIDENCE`` at most."""
    start = trail.start.item(draft.row)
    rows = [draft.row]
    while len(rows) < EVIDENCE - 1 and (row := trail.before.item(rows[-1])) != NOWHERE:
        rows.append(row)
    if start != NOWHERE and start != rows[-1]:
        rows.append(start)
    draft.rows = rows[::-1]
    draft.count = count
    draft.earlier = draft.slot if start == NOWHERE else NOWHERE
