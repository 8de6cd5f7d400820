"""MEASURE: the clock of defence, per decision and per sensor."""

from propolis.measure.clock import (
    ATTACKED_SECONDS,
    BUCKETS_MS,
    PUBLISHED_SECONDS,
    SCANNED_SECONDS,
    Path,
    Report,
    Spread,
    histogram,
    spread,
    summarise,
)
from propolis.measure.sensors import Exposure, exposures

__all__ = [
    "ATTACKED_SECONDS",
    "BUCKETS_MS",
    "PUBLISHED_SECONDS",
    "SCANNED_SECONDS",
    "Exposure",
    "Path",
    "Report",
    "Spread",
    "exposures",
    "histogram",
    "spread",
    "summarise",
]
