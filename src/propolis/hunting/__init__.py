"""HUNTING: the lake of all events, and questions to it.

Archive, compaction and expiry are here. Asking is :mod:`propolis.hunting.hunt`, :mod:`~propolis.hunting.plot` and
:mod:`~propolis.hunting.export`, imported by name: DuckDB would cost the archive 46 MB that it never uses.
"""

from propolis.hunting.archive import Archive
from propolis.hunting.compact import compact
from propolis.hunting.expire import expire
from propolis.hunting.lake import DataFile, LakeWriter, Snapshot, read_snapshot

__all__ = ["Archive", "DataFile", "LakeWriter", "Snapshot", "compact", "expire", "read_snapshot"]
