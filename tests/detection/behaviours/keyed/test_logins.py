import numpy as np

from batches import batch_of, opens, tries
from propolis.detection.behaviours.keyed.logins import Logins


def test_users_and_secrets_are_told_apart_by_hash() -> None:
    logins = Logins(batch_of([*opens("192.0.2.7", 22), *tries("192.0.2.7", 3)]), np.array([1, 2], np.uint64))
    assert logins.count == 3
    assert len(set(logins.user.tolist())) == 1
    assert len(set(logins.secret.tolist())) == 3
    assert logins.summary(1) == "root / secret-1"
