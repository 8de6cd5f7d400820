"""Questions, answered from the lake of all events: archive, compact, expire, hunt."""

from propolis.hunting.archive import Archive
from propolis.hunting.compact import compact
from propolis.hunting.expire import expire
from propolis.hunting.export import Format, rows, save, text_of, write
from propolis.hunting.hunt import ANSWER_ROWS, Answer, Unflushed, committed, hunt
from propolis.hunting.lake import DataFile, LakeWriter, Snapshot, read_snapshot
from propolis.hunting.plot import plot

__all__ = [
    "ANSWER_ROWS",
    "Answer",
    "Archive",
    "DataFile",
    "Format",
    "LakeWriter",
    "Snapshot",
    "Unflushed",
    "committed",
    "compact",
    "expire",
    "hunt",
    "plot",
    "read_snapshot",
    "rows",
    "save",
    "text_of",
    "write",
]
