"""The credentials in a batch of interactions, as facts."""

import pyarrow as pa

from propolis.detection.behaviours.keyed.said import Said
from propolis.detection.behaviours.keyed.siphash import Key, hash_texts

_TRIED = pa.scalar("CredentialTried")


class Logins(Said):
    """``CredentialTried``: ``user`` and ``secret`` are uint64, keyed hashes of what was tried."""

    def __init__(self, batch: pa.RecordBatch, key: Key) -> None:
        super().__init__(batch, _TRIED, ("username", "secret"))
        self.user = hash_texts(self.batch.column("username"), key)
        self.secret = hash_texts(self.batch.column("secret"), key)

    def summary(self, row: int) -> str:
        """Who was tried, and with what."""
        return f"{self.text('username', row)} / {self.text('secret', row)}"
