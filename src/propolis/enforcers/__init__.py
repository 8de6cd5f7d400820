"""ENFORCERS: active decisions in; a world that agrees with them, read back, out."""

from propolis.enforcers.active import FOREVER, MAX_CHANGES, MAX_HELD, Active, blocked_until
from propolis.enforcers.drift import Drift, drift
from propolis.enforcers.dry_run import DryRun
from propolis.enforcers.enforcer import Enforcer
from propolis.enforcers.file import File
from propolis.enforcers.nftables import Nftables

CATALOGUE: dict[str, type[Enforcer]] = {
    "dry-run": DryRun,
    "file": File,
    "nftables": Nftables,
}
"""Every enforcer there is, by the name configuration gives it."""

__all__ = [
    "CATALOGUE",
    "FOREVER",
    "MAX_CHANGES",
    "MAX_HELD",
    "Active",
    "Drift",
    "DryRun",
    "Enforcer",
    "File",
    "Nftables",
    "blocked_until",
    "drift",
]
