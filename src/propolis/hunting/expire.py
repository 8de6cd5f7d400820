"""The oldest files leave the lake: by age, and by what the lake may hold."""

from propolis.clock import SECOND
from propolis.config import Lake
from propolis.hunting.lake import HOUR, DataFile, LakeWriter
from propolis.notes import LakeExpired, LakeUnwritable, tell


def expire(lake: LakeWriter, settings: Lake, now: int) -> int:
    """Remove what is too old at ``now`` (UTC nanoseconds), then the oldest hours until the rest fits.

    A file is too old when its hour ended ``settings.max_age_seconds`` ago; the rest fits in ``settings.max_bytes``.
    Returns how many files went, and tells why. The committed sequence stays: expired rows do not come again.
    """
    files = sorted(
        lake.snapshot.files, key=lambda file: (file.hour, file.event_class, file.generation, file.first)
    )
    aged = [file for file in files if now - (file.hour + 1) * HOUR >= settings.max_age_seconds * SECOND]
    kept = files[len(aged) :]
    excess = sum(file.bytes for file in kept) - settings.max_bytes
    crowded: list[DataFile] = []
    while excess > 0:
        crowded.append(kept[len(crowded)])
        excess -= crowded[-1].bytes
    return _remove(lake, aged, "lake.max_age_seconds") + _remove(lake, crowded, "lake.max_bytes")


def _remove(lake: LakeWriter, files: list[DataFile], why: str) -> int:
    if not files:
        return 0
    try:
        is_done = lake.commit(remove=files)
    except OSError as error:
        tell(LakeUnwritable(root=str(lake.root), why=str(error), waiting_rows=0))
        return 0
    if not is_done:
        return 0  # compacted meanwhile; the next call sees the new file
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    tell(LakeExpired(files=len(files), rows=rows, bytes_freed=size, why=why))
    return len(files)
