"""Beacons: how many times in a row a source came back to one service after the same time (ATT&CK T1071, T1571).

Malware asks its master at intervals, give or take a little jitter (Hu, Jang, Stoecklin et al., BAYWATCH, 2016). The
period is the smoothed interval; a visit is on time if it comes within a tenth of one, two or three periods (beats may
be missed). The first contact is no visit. Each visit on time counts one, each off time halves the count.

Four services of a source are on trial at a time. One that keeps no time, or does not come back, or has been told long
enough, makes room for the next: among many services a beacon is found later, but found.
"""

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from propolis.clock import SECOND
from propolis.detection.behaviours.behaviour import Columns
from propolis.detection.behaviours.keyed.counter import Counts, Given
from propolis.detection.behaviours.keyed.flows import Flows

WAYS = 4
TICK = SECOND // 10
SHORTEST = 50
"""Ticks: what comes back sooner is the same visit, which lasts that much longer."""
MOST_BEATS = 3
"""Periods between two visits that still keep time."""
TOLERANCE = 10
"""A visit may be early or late by this part of a period, and by :data:`SLACK` ticks more."""
SLACK = 5
PATIENCE = 36_000
"""Ticks, and four periods more: so long a service is waited for."""
MOST_RUN = 48
"""A run that long has been told, and makes room."""
_CELL = np.dtype([("service", np.uint32), ("last", np.uint32), ("period", np.uint32), ("run", np.uint32)])


class Beacon:
    """Counts visits on time. 64 bytes a source."""

    name: ClassVar[str] = "beacon"
    most: ClassVar[int] = MOST_RUN

    def columns(self, capacity: int) -> Columns:
        """``cells`` (capacity, 4): a service and how it is visited; 0 in all is free.

        ``service``: half of its hash; ``last`` visit and ``period``: tenths of a second, modulo 2^32; ``run``: visits
        on time.
        """
        return {"cells": np.zeros((capacity, WAYS), _CELL)}

    def count(  # noqa: PLR0917 - the protocol of a counter
        self,
        facts: Flows,
        slots: NDArray[np.int32],
        turned: NDArray[np.bool_],
        columns: Columns,
        given: Given,
        counts: Counts,
    ) -> None:
        """Write the run after each visit on time."""
        _count(slots, turned, facts.time, facts.service, given["contacts"], columns["cells"], counts)

    def plain(
        self, facts: Flows, slots: NDArray[np.int32], turned: NDArray[np.bool_], given: Given
    ) -> list[int]:
        """The same from fresh state, one row at a time."""
        state: dict[int, list[dict[str, int]]] = {}
        counts = [0] * len(slots)
        for row, slot in enumerate(slots.tolist()):
            if turned[row] or slot not in state:
                state[slot] = [dict.fromkeys(("service", "last", "period", "run"), 0) for _ in range(WAYS)]
            if given["contacts"][row]:
                continue
            cells, service = state[slot], facts.service.item(row) >> 32
            now = facts.time.item(row) // TICK % 2**32
            cell = next((one for one in reversed(cells) if one["service"] == service), None)
            if cell is not None:
                counts[row] = _visit(cell, now)
                continue
            weakest = min(cells, key=lambda one: (one["run"], one["last"]))
            if now - weakest["last"] > PATIENCE + 4 * weakest["period"] or weakest["service"] == 0:
                weakest.update(service=service, last=now, period=0, run=0)
        return counts


def _visit(cell: dict[str, int], now: int) -> int:
    gap, period = now - cell["last"], cell["period"]
    cell["last"] = max(now, cell["last"])
    if gap < SHORTEST:
        return 0
    beats = (gap + period // 2) // period if period else 0
    if 1 <= beats <= MOST_BEATS and abs(gap - beats * period) <= period // TOLERANCE + SLACK:
        cell["period"] += (gap // beats - period) >> 3
        cell["run"] += 1
        run = cell["run"]
        if run == MOST_RUN:
            cell.update(service=0, last=0, period=0, run=0)
        return run
    cell["run"] >>= 1
    if cell["run"] == 0 and period:
        cell.update(service=0, last=0, period=0, run=0)
    elif cell["run"] == 0:
        cell["period"] = gap
    return 0


@njit(cache=True)
def _free(cell):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers
    cell.service, cell.last, cell.period, cell.run = 0, 0, 0, 0


@njit(cache=True)
def _come(cell, now):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers
    gap, period = np.int64(now) - np.int64(cell.last), np.int64(cell.period)
    if gap > 0:
        cell.last = now
    if gap < SHORTEST:
        return 0
    beats = (gap + period // 2) // period if period else 0
    if 1 <= beats <= MOST_BEATS and abs(gap - beats * period) <= period // TOLERANCE + SLACK:
        cell.period = np.uint32(period + ((gap // beats - period) >> 3))
        cell.run += np.uint32(1)
        run = np.int64(cell.run)
        if run == MOST_RUN:
            _free(cell)
        return run
    cell.run = np.uint32(np.int64(cell.run) >> 1)
    if cell.run == 0 and period:
        _free(cell)
    elif cell.run == 0:
        cell.period = np.uint32(gap)
    return 0


@njit(cache=True)
def _way(ways, service):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers
    found = WAYS
    for way in range(WAYS):
        if ways[way].service == service:
            found = way
    return found


@njit(cache=True)
def _weakest(ways):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - numba infers
    weakest = 0
    for way in range(1, WAYS):
        run, least = ways[way].run, ways[weakest].run
        if run < least or (run == least and ways[way].last < ways[weakest].last):
            weakest = way
    return weakest


@njit(cache=True)
def _count(slots, turned, times, services, first, cells, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917 - numba infers; arrays go in by place
    for row in range(slots.size):
        slot, now = slots[row], np.uint32(times[row] // TICK)
        service = np.uint32(services[row] >> np.uint64(32))
        if turned[row]:
            for way in range(WAYS):
                _free(cells[slot, way])
        if first[row]:
            continue
        way = _way(cells[slot], service)
        if way < WAYS:
            counts[row] = _come(cells[slot, way], now)
            continue
        cell = cells[slot, _weakest(cells[slot])]
        waited = np.int64(now) - np.int64(cell.last)
        if cell.service == 0 or waited > PATIENCE + 4 * np.int64(cell.period):
            cell.service, cell.last, cell.period, cell.run = service, now, np.uint32(0), np.uint32(0)
