"""The paths that are asked for in a batch of interactions, as facts."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from propolis.detection.behaviours.keyed.said import Said
from propolis.detection.behaviours.keyed.siphash import Key, hash_texts

_RECEIVED, _NOTHING = pa.scalar("RequestReceived"), pa.scalar("")
_FRONT = pa.array(["", "/", "/favicon.ico", "/robots.txt"])


class Names(Said):
    """``RequestReceived``: ``name`` is uint64, the keyed hash of the path without its query.

    ``missed``: whether nothing of that name was there. A decoy has what one of its lures answered, and its front page.
    """

    def __init__(self, batch: pa.RecordBatch, key: Key) -> None:
        super().__init__(batch, _RECEIVED, ("method", "path", "answered"))
        path = pc.replace_substring_regex(pc.fill_null(self.batch.column("path"), _NOTHING), r"(?s)\?.*", "")
        self.name = hash_texts(path, key)
        there = pc.or_(
            pc.not_equal(pc.fill_null(self.batch.column("answered"), _NOTHING), _NOTHING),
            pc.is_in(path, _FRONT),
        )
        self.missed: NDArray[np.bool_] = ~np.asarray(there).astype(np.bool_)

    def summary(self, row: int) -> str:
        """The request line."""
        return f"{self.text('method', row)} {self.text('path', row)}"
